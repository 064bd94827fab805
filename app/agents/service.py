"""Agents and their configurations as callers manage them: checked, stored, and in force when the call returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import anyio
from pydantic import SecretStr

from app.agents.changes import UNSET, ConfigChange
from app.agents.directory import AgentDirectory, in_tried_order
from app.agents.hints import hint_of
from app.agents.prices import with_listed_prices
from app.agents.rules import agent_violations, config_violations, key_violations, raise_for
from app.agents.validation import ProviderView, Validation
from app.domain.agent import Agent, AgentConfig
from app.domain.attempt import Ask, Completion
from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import Code, NotFound, Violation
from app.domain.ports import AgentRepository

__all__ = ["AgentService", "ProviderView"]


class AgentService:
    """Every write is in the directory before the call returns; writes of one process pass one at a time."""

    def __init__(
        self,
        repository: AgentRepository,
        directory: AgentDirectory,
        providers: ProviderView,
        asker: Callable[[Ask], Awaitable[Completion]],
        now: Callable[[], float],
    ) -> None:
        self._repository = repository
        self._directory = directory
        self._providers = providers
        self._validation = Validation(asker, providers, now)
        self._writing = anyio.Lock()

    async def create(
        self, name: str, description: str | None, metadata: dict[str, Any], *, by: Author = THE_GATEWAY
    ) -> Agent:
        """A new agent, enabled."""
        raise_for(agent_violations({"name": name, "description": description, "metadata": metadata}))
        async with self._writing:
            agent = await self._repository.create(name, description, metadata, by=by)
            await self.refresh()
        return agent

    async def get(self, agent_id: int) -> Agent:
        """The agent as stored; raises NotFound."""
        agent = await self._repository.get(agent_id)
        if agent is None:
            raise _unknown(agent_id)
        return agent

    async def page(self, *, limit: int, after: int = 0) -> list[Agent]:
        """At most `limit` agents behind the id `after`, oldest first."""
        return await self._repository.page(limit=limit, after=after)

    async def update(self, agent_id: int, changes: dict[str, Any], *, by: Author = THE_GATEWAY) -> Agent:
        """The agent with any of name, description, metadata and enabled changed."""
        raise_for(agent_violations(changes))
        if not changes:
            return await self.get(agent_id)
        async with self._writing:
            agent = await self._repository.update(agent_id, changes, by=by)
            if agent is None:
                raise _unknown(agent_id)
            await self.refresh()
        return agent

    async def delete(self, agent_id: int, *, by: Author = THE_GATEWAY) -> None:
        """Remove the agent and its configurations."""
        async with self._writing:
            if not await self._repository.delete(agent_id, by=by):
                raise _unknown(agent_id)
            await self.refresh()

    async def configs(self, agent_id: int) -> list[AgentConfig]:
        """All configurations: the enabled ones in the order they are tried, then the others.

        Prices that nobody stated are the listed ones, where they are known.
        """
        return [self._priced(config) for config in await self._stored(agent_id)]

    async def put_primary(
        self, agent_id: int, change: ConfigChange, *, by: Author = THE_GATEWAY
    ) -> tuple[AgentConfig, bool]:
        """Replace the primary configuration, or create it; and whether it is new.

        When none is enabled, the one that would be primary if it were is replaced: repeating a PUT adds nothing.
        """
        async with self._writing:
            stored = next(iter(await self._stored(agent_id)), None)
            base = _blank(agent_id) if stored is None else _blank(agent_id, stored)
            return await self._save(change, base, stored, by), stored is None

    async def add_config(self, agent_id: int, change: ConfigChange, *, by: Author = THE_GATEWAY) -> AgentConfig:
        """A further configuration."""
        async with self._writing:
            await self.get(agent_id)
            return await self._save(change, _blank(agent_id), None, by)

    async def patch_config(
        self, agent_id: int, config_id: int, change: ConfigChange, *, by: Author = THE_GATEWAY
    ) -> AgentConfig:
        """The configuration with what was said changed; prices that were stated for a model stay behind with it."""
        async with self._writing:
            stored = _named(await self._stored(agent_id), agent_id, config_id)
            base = stored
            if _moves(change, stored):
                base = replace(stored, cost_per_1k_input_tokens=None, cost_per_1k_output_tokens=None)
            return await self._save(change, base, stored, by)

    async def delete_config(self, agent_id: int, config_id: int, *, by: Author = THE_GATEWAY) -> None:
        """Remove one configuration."""
        async with self._writing:
            await self.get(agent_id)
            if not await self._repository.delete_config(agent_id, config_id, by=by):
                raise _unknown_config(agent_id, config_id)
            await self.refresh()

    async def config(self, agent_id: int, config_id: int) -> AgentConfig:
        """One configuration; raises NotFound."""
        return _named(await self.configs(agent_id), agent_id, config_id)

    async def validate_config(self, agent_id: int, which: int | ConfigChange | None = None) -> dict[str, Any]:
        """A real, tiny call with the configuration of that id, with the primary one, or with that one changed.

        A change is tried and not stored; a key in it is refused, as only stored keys are ever sent anywhere.
        """
        configs = await self._stored(agent_id)
        named = which if isinstance(which, int) else None
        config = next((config for config in configs if named in (None, config.id)), None)
        if isinstance(which, ConfigChange):
            if which.api_key is not UNSET:
                raise_for([Violation("api_key", "store the configuration first: only stored keys are tried")])
            return await self._validation.of(self._checked(which, config or _blank(agent_id), config))
        if config is None:
            raise _unknown_config(agent_id, named)
        return await self._validation.of(config)

    async def refresh(self) -> None:
        """Load the directory anew from the database."""
        self._directory.load(*await self._repository.everything())

    async def _save(
        self, change: ConfigChange, base: AgentConfig, stored: AgentConfig | None, by: Author
    ) -> AgentConfig:
        saved = await self._repository.save_config(self._checked(change, base, stored), by=by)
        await self.refresh()
        return self._priced(saved)

    async def _stored(self, agent_id: int) -> list[AgentConfig]:
        """As they were said, in the same order."""
        await self.get(agent_id)
        return in_tried_order(await self._repository.configs(agent_id))

    def _checked(self, change: ConfigChange, base: AgentConfig, stored: AgentConfig | None) -> AgentConfig:
        """What the change makes of the base, complete with its key; raises with every wrong field."""
        given = _stated(change)
        missing = [name for name in ("provider", "model_name") if not getattr(base, name) and name not in given]
        raise_for([Violation(name, "required") for name in missing])
        given.pop("api_key", None)
        config = replace(base, **given)
        wrong_key = key_violations(change.api_key) if isinstance(change.api_key, SecretStr) else []
        raise_for([*(config_violations(config) or self._unknown_names(config)), *wrong_key])
        return self._with_key(config, change.api_key, stored)

    def _unknown_names(self, config: AgentConfig) -> list[Violation]:
        found = self._unknown("provider", config.provider, "model_name", config.model_name)
        if config.fallback_provider is not None or config.fallback_model is not None:
            fallback = config.fallback_provider or config.provider
            found += self._unknown("fallback_provider", fallback, "fallback_model", config.fallback_model)
        return found

    def _unknown(self, provider_field: str, provider: str, model_field: str, model: str | None) -> list[Violation]:
        if self._providers.resolve_provider(provider) is None:
            return [Violation(provider_field, f"{provider!r} is no configured provider's name or type")]
        if model is not None and self._providers.serves(provider, model) is False:
            return [Violation(model_field, f"{provider!r} serves no model {model!r}")]
        return []

    def _with_key(self, config: AgentConfig, api_key: object, stored: AgentConfig | None) -> AgentConfig:
        """The configuration with the key it shall have from now on; a kept key must stay where it was given for."""
        origin = self._providers.origin_of(config.provider)
        if isinstance(api_key, SecretStr):
            return replace(
                config, api_key=api_key, api_key_hint=hint_of(api_key), key_origin=origin, undecryptable=False
            )
        if api_key is None or stored is None or not (stored.api_key or stored.undecryptable):
            return replace(config, api_key=None, api_key_hint=None, key_origin=None, undecryptable=False)
        if stored.key_origin != origin:
            told = f"the stored key is for {stored.key_origin}: give one for {origin}, or null to remove it"
            raise_for([Violation("api_key", told)])
        if stored.undecryptable and config.provider != stored.provider:
            told = "the stored key cannot be read: give it again, or null to remove it"
            raise_for([Violation("api_key", told)])
        return replace(
            config,
            api_key=stored.api_key,
            api_key_hint=stored.api_key_hint,
            key_origin=stored.key_origin,
            undecryptable=stored.undecryptable,
        )

    def _priced(self, config: AgentConfig) -> AgentConfig:
        return with_listed_prices(config, self._providers.card(config.provider, config.model_name))


def _named(configs: Sequence[AgentConfig], agent_id: int, config_id: int) -> AgentConfig:
    found = next((config for config in configs if config.id == config_id), None)
    if found is None:
        raise _unknown_config(agent_id, config_id)
    return found


def _moves(change: ConfigChange, stored: AgentConfig) -> bool:
    """Whether the change leads to another provider or model."""
    return change.provider not in (UNSET, stored.provider) or change.model_name not in (UNSET, stored.model_name)


def _stated(change: ConfigChange) -> dict[str, Any]:
    """What the caller said, by field."""
    return {field.name: value for field in fields(change) if (value := getattr(change, field.name)) is not UNSET}


def _blank(agent_id: int, replaced: AgentConfig | None = None) -> AgentConfig:
    """A configuration with defaults only; one that replaces another keeps its identity and its place."""
    if replaced is None:
        return AgentConfig(0, agent_id, "", "")
    return AgentConfig(
        replaced.id,
        agent_id,
        "",
        "",
        priority=replaced.priority,
        created_at=replaced.created_at,
        updated_at=replaced.updated_at,
    )


def _unknown(agent_id: int) -> NotFound:
    return NotFound(f"no agent has the id {agent_id}", code=Code.UNKNOWN_AGENT)


def _unknown_config(agent_id: int, config_id: int | None) -> NotFound:
    which = "no configuration" if config_id is None else f"no configuration {config_id}"
    return NotFound(f"the agent {agent_id} has {which}")
