"""Attempts in the database, written in batches; `usage_queries.py` asks for them."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.attempt import AttemptRecord
from app.storage.attempts import insert_in_postgresql, insert_in_sqlite
from app.storage.database import Database


class SqlUsageRepository:
    """One row per attempt, also for those that failed or sent nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, records: Sequence[AttemptRecord]) -> None:
        """Store what is not stored yet: a record that comes again, by its id, changes nothing."""
        if not records:
            return
        if self._database.is_sqlite:
            await self._database.write_in_sqlite(lambda connection: insert_in_sqlite(connection, records))
        else:
            await self._database.write(lambda session: insert_in_postgresql(session, records))
