"""Calls of tools in the database: written in batches, listed newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.tools import ToolCallRecord, ToolCallStatus, ToolFailure
from app.storage.columns import storable
from app.storage.cursors import cursor_at, older_than
from app.storage.database import Database, reads, writes
from app.storage.tables import TOOL_CALLS

_C: Final = TOOL_CALLS.c


class SqlToolCallRepository:
    """One row per call, also for those that were never sent."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def append(self, session: AsyncSession, records: Sequence[ToolCallRecord]) -> None:
        """Store what is not stored yet: a record that comes again, by its id, changes nothing."""
        if not records:
            return
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(TOOL_CALLS).on_conflict_do_nothing(index_elements=["id"])
        await session.execute(statement, [_columns(record) for record in records])

    @reads
    async def page(
        self, session: AsyncSession, tool: str, *, limit: int, cursor: str | None
    ) -> tuple[list[ToolCallRecord], str | None]:
        """A page of one tool's calls, newest first, and the cursor of the next one; None at the end."""
        wanted = select(TOOL_CALLS).where(_C.tool == storable(tool)).order_by(_C.started_at.desc(), _C.id.desc())
        if cursor is not None:
            wanted = wanted.where(older_than(cursor, _C.started_at, _C.id))
        rows = (await session.execute(wanted.limit(limit + 1))).mappings().all()
        found = [_record(row) for row in rows[:limit]]
        return found, cursor_at(found[-1].started_at, found[-1].id) if len(rows) > limit else None


def _columns(record: ToolCallRecord) -> dict[str, Any]:
    texts = {name: storable(getattr(record, name)) for name in ("request_id", "tool", "call_id", "key_id")}
    message = None if record.message is None else storable(record.message)
    return asdict(record) | texts | {"message": message}


def _record(row: Any) -> ToolCallRecord:  # noqa: ANN401 - a RowMapping, whose values have any type
    code = None if row["code"] is None else ToolFailure(row["code"])
    return ToolCallRecord(**dict(row) | {"status": ToolCallStatus(row["status"]), "code": code})
