"""Agents, and which models they use."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Response
from pydantic import Field, SecretStr, StringConstraints, field_validator

from app.agents.changes import ConfigChange
from app.api.body import NATIVE_LIMIT, read_optional_object
from app.api.deps import (
    CurrentExchange,
    CurrentServices,
    Cursor,
    Id,
    Limit,
    body_of,
    cursor_after,
    described,
    id_before,
)
from app.api.fields import Answer, Body, checked
from app.api.times import rendered_time
from app.domain.agent import Agent, AgentConfig
from app.domain.usage import money

router = APIRouter(prefix="/agents", tags=["agents"])
Label = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Price = Annotated[Decimal, Field(ge=0, le=1_000_000)]


class AgentCreate(Body):
    """A new agent."""

    name: Label
    description: Annotated[str, StringConstraints(max_length=4_000)] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)


class AgentUpdate(Body):
    """What is absent stays."""

    name: Label = ""
    description: Annotated[str, StringConstraints(max_length=4_000)] | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    enabled: bool = True

    @property
    def changes(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ConfigWrite(Body):
    """A model configuration as a caller sends it; `api_key` goes in and never comes out."""

    provider: Label = ""
    model_name: Annotated[str, StringConstraints(min_length=1, max_length=256)] = ""
    temperature: float | None = Field(default=None, ge=0, le=2)
    max_tokens: int | None = Field(default=None, ge=1, le=2**31 - 1)
    top_p: float | None = Field(default=None, ge=0, le=1)
    api_key: SecretStr | None = Field(default=None, min_length=1, max_length=4_096)
    fallback_provider: Label | None = None
    fallback_model: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = None
    priority: int = Field(default=0, ge=-(2**31), le=2**31 - 1)
    cost_per_1k_input_tokens: Price | None = None
    cost_per_1k_output_tokens: Price | None = None
    enabled: bool = True
    metadata: dict[str, Any] = Field(default_factory=dict)

    @field_validator("cost_per_1k_input_tokens", "cost_per_1k_output_tokens", mode="before")
    @classmethod
    def _money(cls, value: object) -> object:
        """Money arrives as a string or a number; through its text, so that 0.1 stays 0.1."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return value
        try:
            return Decimal(str(value))
        except ArithmeticError:
            raise ValueError("must be an amount in dollars") from None

    @field_validator("api_key")
    @classmethod
    def _printable(cls, key: SecretStr | None) -> SecretStr | None:
        """A key travels in a header."""
        if key is not None and not all("!" <= character <= "~" for character in key.get_secret_value()):
            raise ValueError("must be printable ASCII without spaces")
        return key

    @property
    def change(self) -> ConfigChange:
        """The fields that were sent; the rest is unset."""
        return ConfigChange(**{name: getattr(self, name) for name in self.model_fields_set})


class ConfigCreate(ConfigWrite):
    """A whole configuration."""

    provider: Label
    model_name: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class AgentAnswer(Answer):
    """An agent."""

    id: int
    name: str
    description: str | None
    metadata: dict[str, Any]
    enabled: bool
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, agent: Agent) -> Self:
        """The agent as callers see it."""
        return cls(
            id=agent.id,
            name=agent.name,
            description=agent.description,
            metadata=dict(agent.metadata),
            enabled=agent.enabled,
            created_at=rendered_time(agent.created_at),
            updated_at=rendered_time(agent.updated_at),
        )


class AgentPage(Answer):
    """Agents in the order they were made."""

    items: list[AgentAnswer]
    next: str | None


class ConfigAnswer(Answer):
    """A configuration, without its key."""

    id: int
    agent_id: int
    provider: str
    model_name: str
    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    has_api_key: bool
    api_key_hint: str | None
    fallback_provider: str | None
    fallback_model: str | None
    priority: int
    cost_per_1k_input_tokens: str | None
    cost_per_1k_output_tokens: str | None
    enabled: bool
    metadata: dict[str, Any]
    created_at: str | None
    updated_at: str | None

    @classmethod
    def of(cls, config: AgentConfig) -> Self:
        """The configuration as callers see it."""
        return cls(
            id=config.id,
            agent_id=config.agent_id,
            provider=config.provider,
            model_name=config.model_name,
            temperature=config.temperature,
            max_tokens=config.max_tokens,
            top_p=config.top_p,
            # A key that cannot be read is still there: it must not look like one that was never stored.
            has_api_key=config.api_key is not None or config.undecryptable,
            api_key_hint=config.api_key_hint,
            fallback_provider=config.fallback_provider,
            fallback_model=config.fallback_model,
            priority=config.priority,
            cost_per_1k_input_tokens=_price(config.cost_per_1k_input_tokens),
            cost_per_1k_output_tokens=_price(config.cost_per_1k_output_tokens),
            enabled=config.enabled,
            metadata=dict(config.metadata),
            created_at=rendered_time(config.created_at) if config.created_at else None,
            updated_at=rendered_time(config.updated_at) if config.updated_at else None,
        )


class AgentConfigsAnswer(Answer):
    """An agent's configurations in the order they are tried; the primary one is the first enabled."""

    agent_id: int
    primary: ConfigAnswer | None
    configs: list[ConfigAnswer]


AGENT_EXAMPLE = {"name": "btc-5m", "description": "five minute momentum", "metadata": {"desk": "crypto"}}
CONFIG_EXAMPLE = {
    "provider": "openai",
    "model_name": "gpt-4o-mini",
    "temperature": 0.7,
    "max_tokens": 500,
    "api_key": "sk-...",
    "fallback_provider": "anthropic",
    "fallback_model": "claude-sonnet-4-5",
    "enabled": True,
    "metadata": {},
}


@router.post("", status_code=201, openapi_extra=described(AgentCreate, AGENT_EXAMPLE), summary="Create an agent")
async def create_agent(
    body: Annotated[AgentCreate, Depends(body_of(AgentCreate))], exchange: CurrentExchange
) -> AgentAnswer:
    """The new agent."""
    return AgentAnswer.of(
        await exchange.services.agents.create(body.name, body.description, body.metadata, by=exchange.author)
    )


@router.get("", summary="List agents")
async def list_agents(services: CurrentServices, limit: Limit = 50, cursor: Cursor = None) -> AgentPage:
    """A page of agents."""
    agents = await services.agents.page(limit=limit + 1, after=id_before(cursor))
    page = agents[:limit]
    following = cursor_after(page[-1].id) if len(agents) > limit else None
    return AgentPage(items=[AgentAnswer.of(agent) for agent in page], next=following)


@router.get("/{agent_id}", summary="Read an agent")
async def read_agent(agent_id: Id, services: CurrentServices) -> AgentAnswer:
    """The agent."""
    return AgentAnswer.of(await services.agents.get(agent_id))


@router.patch("/{agent_id}", openapi_extra=described(AgentUpdate, {"enabled": False}), summary="Change an agent")
async def update_agent(
    agent_id: Id, body: Annotated[AgentUpdate, Depends(body_of(AgentUpdate))], exchange: CurrentExchange
) -> AgentAnswer:
    """The agent as it is now."""
    return AgentAnswer.of(await exchange.services.agents.update(agent_id, body.changes, by=exchange.author))


@router.delete("/{agent_id}", status_code=204, summary="Delete an agent")
async def delete_agent(agent_id: Id, exchange: CurrentExchange) -> None:
    """The agent and its configurations are gone."""
    await exchange.services.agents.delete(agent_id, by=exchange.author)


@router.get("/{agent_id}/llm-config", summary="An agent's model configurations")
async def read_llm_config(agent_id: Id, services: CurrentServices) -> AgentConfigsAnswer:
    """All of them, in the order they are tried."""
    configs = [ConfigAnswer.of(config) for config in await services.agents.configs(agent_id)]
    primary = next((config for config in configs if config.enabled), None)
    return AgentConfigsAnswer(agent_id=agent_id, primary=primary, configs=configs)


@router.put(
    "/{agent_id}/llm-config",
    openapi_extra=described(ConfigCreate, CONFIG_EXAMPLE),
    summary="Create or replace the primary configuration",
    responses={201: {"description": "There was none", "model": ConfigAnswer}},
)
async def put_llm_config(
    agent_id: Id,
    body: Annotated[ConfigCreate, Depends(body_of(ConfigCreate))],
    exchange: CurrentExchange,
    response: Response,
) -> ConfigAnswer:
    """The primary configuration; an absent `api_key` keeps the stored one, null removes it."""
    config, is_new = await exchange.services.agents.put_primary(agent_id, body.change, by=exchange.author)
    response.status_code = 201 if is_new else 200
    return ConfigAnswer.of(config)


@router.post(
    "/{agent_id}/llm-config",
    status_code=201,
    openapi_extra=described(ConfigCreate, CONFIG_EXAMPLE),
    summary="Add a configuration",
)
async def add_llm_config(
    agent_id: Id, body: Annotated[ConfigCreate, Depends(body_of(ConfigCreate))], exchange: CurrentExchange
) -> ConfigAnswer:
    """The added configuration."""
    return ConfigAnswer.of(await exchange.services.agents.add_config(agent_id, body.change, by=exchange.author))


@router.post(
    "/{agent_id}/llm-config/validate",
    openapi_extra=described(ConfigWrite, {"provider": "openai", "model_name": "gpt-4o-mini"}, required=False),
    summary="Try a configuration with a real, tiny call",
)
async def validate_llm_config(agent_id: Id, exchange: CurrentExchange, services: CurrentServices) -> dict[str, Any]:
    """Reachable, authorised, model known, price known: the primary configuration, or the one in the body."""
    content = await read_optional_object(exchange, NATIVE_LIMIT)
    change = checked(ConfigWrite, content).change if content else None
    return await services.agents.validate_config(agent_id, change)


@router.patch(
    "/{agent_id}/llm-config/{config_id}",
    openapi_extra=described(ConfigWrite, {"temperature": 0.2}),
    summary="Change a configuration",
)
async def patch_llm_config(
    agent_id: Id,
    config_id: Id,
    body: Annotated[ConfigWrite, Depends(body_of(ConfigWrite))],
    exchange: CurrentExchange,
) -> ConfigAnswer:
    """The configuration as it is now; what is absent stayed."""
    changed = await exchange.services.agents.patch_config(agent_id, config_id, body.change, by=exchange.author)
    return ConfigAnswer.of(changed)


@router.delete("/{agent_id}/llm-config/{config_id}", status_code=204, summary="Delete a configuration")
async def delete_llm_config(agent_id: Id, config_id: Id, exchange: CurrentExchange) -> None:
    """The configuration and its key are gone."""
    await exchange.services.agents.delete_config(agent_id, config_id, by=exchange.author)


def _price(amount: Decimal | None) -> str | None:
    return None if amount is None else money(amount)
