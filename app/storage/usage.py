"""Attempts in the database, written in batches; `usage_queries.py` asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.attempt import AttemptRecord
from app.storage.attempts import insert
from app.storage.database import Database, writes


class SqlUsageRepository:
    """One row per attempt, also for those that failed or sent nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def append(self, session: AsyncSession, records: Sequence[AttemptRecord]) -> None:
        """Store what is not stored yet: a record that comes again, by its id, changes nothing."""
        if not records:
            return
        await insert(session, records, is_sqlite=self._database.is_sqlite)
