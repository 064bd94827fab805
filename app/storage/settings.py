"""What is changed while the service runs, by name; every change counts the configuration's revision up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.audit import THE_GATEWAY, Author, Entry
from app.domain.settings import Setting
from app.ledger.changes import changed
from app.storage.database import Database, reads, writes
from app.storage.revision import count_up
from app.storage.tables import RuntimeSettingRow


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlSettingsRepository:
    """One row per setting that is not as the files and the environment have it."""

    def __init__(self, database: Database, wall: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._wall = wall

    @reads
    async def get(self, session: AsyncSession, name: str) -> Setting | None:
        row = await session.get(RuntimeSettingRow, name)
        return None if row is None else Setting(row.value, row.changed_at)

    @writes
    async def put(
        self, session: AsyncSession, name: str, value: Mapping[str, Any], *, by: Author = THE_GATEWAY
    ) -> None:
        # The revision's lock comes first: whoever else writes the same name waits there.
        await count_up(session, self._database)
        before = await session.get(RuntimeSettingRow, name)
        entry = _entry(name, by, None if before is None else before.value, value)
        self._database.chain.append(session, entry)
        await session.merge(RuntimeSettingRow(name=name, value=dict(value), changed_at=self._wall()))

    @writes
    async def remove(self, session: AsyncSession, name: str, *, by: Author = THE_GATEWAY) -> None:
        await count_up(session, self._database)
        column = col(RuntimeSettingRow.value)
        gone = delete(RuntimeSettingRow).where(col(RuntimeSettingRow.name) == name).returning(column)
        self._database.chain.append(session, _entry(name, by, await session.scalar(gone), None))


def _entry(name: str, by: Author, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Entry | None:
    return changed(f"setting:{name}", by, what="setting", before=before, after=after)
