"""Attempts in the database, written in batches; `usage_queries.py` asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.attempt import AttemptRecord
from app.storage.attempts import row_of
from app.storage.database import Database, writes
from app.storage.tables import ATTEMPTS


class SqlUsageRepository:
    """One row per attempt, also for those that failed or sent nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def append(self, session: AsyncSession, records: Sequence[AttemptRecord]) -> None:
        """Store what is not stored yet: a record that comes again, by its id, changes nothing."""
        if not records:
            return
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(ATTEMPTS).on_conflict_do_nothing(index_elements=["id"])
        await session.execute(statement, [row_of(record) for record in records])
