"""Agents and their model configurations in the database; keys are ciphertext there and SecretStr outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.agent import Agent, AgentConfig
from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import Code, Conflict, NotFound
from app.ledger.changes import agent_fields, changed, config_changed
from app.storage.database import Database, reads, writes
from app.storage.errors import Undecryptable
from app.storage.revision import count_up, current_revision
from app.storage.tables import AgentLLMConfigRow, AgentRow
from app.storage.vault import Vault, binding_of

_LARGEST_ID: Final = 2**63 - 1
_COLUMNS: Final = {"name": "name", "description": "description", "metadata": "metadata_json", "enabled": "enabled"}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlAgentRepository:
    """Agents and configurations. Every change counts the configuration's revision up in the same transaction."""

    def __init__(self, database: Database, vault: Vault, wall: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._vault = vault
        self._wall = wall

    @writes
    async def create(
        self,
        session: AsyncSession,
        name: str,
        description: str | None,
        metadata: dict[str, Any],
        *,
        by: Author = THE_GATEWAY,
    ) -> Agent:
        await self._count_up(session)
        now = self._wall()
        row = AgentRow(name=name, description=description, metadata_json=metadata, created_at=now, updated_at=now)
        session.add(row)
        await session.flush()
        agent = _agent(row)
        self._database.chain.append(
            session, changed(_subject(agent.id), by, what="agent_created", before=None, after=agent_fields(agent))
        )
        return agent

    @reads
    async def get(self, session: AsyncSession, agent_id: int) -> Agent | None:
        row = await _row(session, agent_id)
        return None if row is None else _agent(row)

    @reads
    async def page(self, session: AsyncSession, *, limit: int, after: int = 0) -> list[Agent]:
        wanted = select(AgentRow).where(col(AgentRow.id) > after).order_by(col(AgentRow.id)).limit(limit)
        return [_agent(row) for row in await session.scalars(wanted)]

    @writes
    async def update(
        self, session: AsyncSession, agent_id: int, changes: dict[str, Any], *, by: Author = THE_GATEWAY
    ) -> Agent | None:
        await self._count_up(session)
        row = await _row(session, agent_id)
        if row is None:
            await session.rollback()
            return None
        before = agent_fields(_agent(row))
        for name, value in changes.items():
            setattr(row, _COLUMNS[name], value)
        row.updated_at = self._later_than(row.updated_at)
        await session.flush()
        agent = _agent(row)
        entry = changed(_subject(agent_id), by, what="agent_changed", before=before, after=agent_fields(agent))
        self._database.chain.append(session, entry)
        return agent

    @writes
    async def delete(self, session: AsyncSession, agent_id: int, *, by: Author = THE_GATEWAY) -> bool:
        await self._count_up(session)
        row = await _row(session, agent_id)
        if row is None:
            await session.rollback()
            return False
        configs = await session.scalars(_configs_of(agent_id))
        gone = [config_changed(by, before=self._config(config), after=None) for config in configs]
        last = changed(_subject(agent_id), by, what="agent_deleted", before=agent_fields(_agent(row)), after=None)
        self._database.chain.append(session, *gone, last)
        await session.delete(row)
        return True

    @reads
    async def configs(self, session: AsyncSession, agent_id: int) -> list[AgentConfig]:
        if not _is_id(agent_id):
            return []
        return [self._config(row) for row in await session.scalars(_configs_of(agent_id))]

    @writes
    async def save_config(self, session: AsyncSession, config: AgentConfig, *, by: Author = THE_GATEWAY) -> AgentConfig:
        """Insert a configuration whose id is 0, else replace the one that was read.

        An unreadable key stays as it is when `undecryptable` is kept, and goes when it is not. Raises Conflict when
        the row has changed since `config.updated_at`, NotFound when agent or row are gone.
        """
        await self._count_up(session)
        if await _row(session, config.agent_id) is None:
            raise NotFound(f"no agent has the id {config.agent_id}", code=Code.UNKNOWN_AGENT)
        before = None
        if config.id == 0:
            now = self._wall()
            row = AgentLLMConfigRow(agent_id=config.agent_id, created_at=now, updated_at=now, **self._values(config))
            session.add(row)
        else:
            row = await self._expected(session, config)
            before = self._config(row)
            for name, value in self._values(config).items():
                setattr(row, name, value)
            row.updated_at = self._later_than(row.updated_at)
        await session.flush()
        saved = replace(config, id=row.id or 0, created_at=row.created_at, updated_at=row.updated_at)
        self._database.chain.append(session, config_changed(by, before=before, after=saved))
        return saved

    @writes
    async def delete_config(
        self, session: AsyncSession, agent_id: int, config_id: int, *, by: Author = THE_GATEWAY
    ) -> bool:
        if not (_is_id(agent_id) and _is_id(config_id)):
            return False
        await self._count_up(session)
        row = (await session.scalars(_configs_of(agent_id).where(col(AgentLLMConfigRow.id) == config_id))).first()
        if row is None:
            await session.rollback()
            return False
        self._database.chain.append(session, config_changed(by, before=self._config(row), after=None))
        await session.delete(row)
        return True

    @reads
    async def everything(self, session: AsyncSession) -> tuple[int, list[Agent], list[AgentConfig]]:
        """The revision, all agents and all configurations; the rows are at least as new as the revision."""
        revision = await current_revision(session)
        agents = [_agent(row) for row in await session.scalars(select(AgentRow).order_by(col(AgentRow.id)))]
        configs = await session.scalars(select(AgentLLMConfigRow).order_by(col(AgentLLMConfigRow.id)))
        return revision, agents, [self._config(row) for row in configs]

    @reads
    async def revision(self, session: AsyncSession) -> int:
        return await current_revision(session)

    async def _count_up(self, session: AsyncSession) -> None:
        await count_up(session, self._database)

    async def _expected(self, session: AsyncSession, config: AgentConfig) -> AgentLLMConfigRow:
        row = await session.get(AgentLLMConfigRow, config.id) if _is_id(config.id) else None
        if row is None or row.agent_id != config.agent_id:
            raise NotFound(f"the agent {config.agent_id} has no configuration {config.id}")
        if config.updated_at is not None and row.updated_at != config.updated_at:
            raise Conflict(f"the configuration {config.id} was changed meanwhile")
        return row

    def _later_than(self, moment: datetime) -> datetime:
        """Now, but never the same moment again: `updated_at` tells one state of a row from the next."""
        return max(self._wall(), moment + timedelta(microseconds=1))

    def _values(self, config: AgentConfig) -> dict[str, Any]:
        """The columns of a configuration; those of an unreadable key are left out and so stay."""
        values = {
            "provider": config.provider,
            "model_name": config.model_name,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "top_p": config.top_p,
            "fallback_provider": config.fallback_provider,
            "fallback_model": config.fallback_model,
            "priority": config.priority,
            "cost_per_1k_input_tokens": config.cost_per_1k_input_tokens,
            "cost_per_1k_output_tokens": config.cost_per_1k_output_tokens,
            "enabled": config.enabled,
            "metadata_json": dict(config.metadata),
        }
        if config.undecryptable and config.api_key is None:
            return values
        return values | self._key_values(config)

    def _key_values(self, config: AgentConfig) -> dict[str, Any]:
        if config.api_key is None:
            return dict.fromkeys(("api_key_encrypted", "key_id", "api_key_hint", "key_origin"))
        binding = binding_of(config.agent_id, config.provider, config.key_origin)
        ciphertext, key_id = self._vault.encrypt(config.api_key, binding=binding)
        return {
            "api_key_encrypted": ciphertext,
            "key_id": key_id,
            "api_key_hint": config.api_key_hint,
            "key_origin": config.key_origin,
        }

    def _config(self, row: AgentLLMConfigRow) -> AgentConfig:
        secret, undecryptable = None, False
        if row.api_key_encrypted is not None:
            try:
                binding = binding_of(row.agent_id, row.provider, row.key_origin)
                secret = self._vault.decrypt(row.api_key_encrypted, binding=binding)
            except Undecryptable:
                undecryptable = True
        return AgentConfig(
            id=row.id or 0,
            agent_id=row.agent_id,
            provider=row.provider,
            model_name=row.model_name,
            temperature=row.temperature,
            max_tokens=row.max_tokens,
            top_p=row.top_p,
            api_key=secret,
            api_key_hint=row.api_key_hint,
            key_origin=row.key_origin,
            undecryptable=undecryptable,
            fallback_provider=row.fallback_provider,
            fallback_model=row.fallback_model,
            priority=row.priority,
            cost_per_1k_input_tokens=row.cost_per_1k_input_tokens,
            cost_per_1k_output_tokens=row.cost_per_1k_output_tokens,
            enabled=row.enabled,
            metadata=row.metadata_json,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


async def _row(session: AsyncSession, agent_id: int) -> AgentRow | None:
    # Numbers beyond the column's are nobody's id, and the drivers refuse them.
    return await session.get(AgentRow, agent_id) if _is_id(agent_id) else None


def _configs_of(agent_id: int) -> Select[AgentLLMConfigRow]:
    wanted = select(AgentLLMConfigRow).where(col(AgentLLMConfigRow.agent_id) == agent_id)
    return wanted.order_by(col(AgentLLMConfigRow.id))


def _subject(agent_id: int) -> str:
    return f"agent:{agent_id}"


def _is_id(number: int) -> bool:
    return 0 < number <= _LARGEST_ID


def _agent(row: AgentRow) -> Agent:
    return Agent(
        id=row.id or 0,
        name=row.name,
        description=row.description,
        metadata=row.metadata_json,
        enabled=row.enabled,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
