"""What each provider was asked per UTC day, in the database, where every process adds its share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.day import DayUse
from app.storage.database import Database, reads, writes
from app.storage.tables import PROVIDER_DAYS

_D: Final = PROVIDER_DAYS.c
# Of what is added at once. Providers state any count of tokens, and the sum of a day has to fit its column.
_MOST: Final = 10**12


class SqlDayRepository:
    """One row per provider and day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    async def of_day(self, session: AsyncSession, day: date) -> dict[str, DayUse]:
        """What each provider was asked that day, by name; one that was not asked is not there."""
        return await _of_day(session, day)

    @writes
    async def add(self, session: AsyncSession, used: Mapping[str, DayUse], day: date) -> dict[str, DayUse]:
        """Add to what is there, then `of_day`, in one transaction."""
        dialect = sqlite if self._database.is_sqlite else postgresql
        # In one order everywhere, so that two processes never wait for each other's rows.
        for provider, use in sorted(used.items()):
            row = dialect.insert(PROVIDER_DAYS).values(
                day=use.day, provider=provider, requests=_bounded(use.requests), tokens=_bounded(use.tokens)
            )
            sums = {"requests": _D.requests + row.excluded.requests, "tokens": _D.tokens + row.excluded.tokens}
            await session.execute(row.on_conflict_do_update(index_elements=["day", "provider"], set_=sums))
        return await _of_day(session, day)


async def _of_day(session: AsyncSession, day: date) -> dict[str, DayUse]:
    rows = await session.execute(select(_D.provider, _D.requests, _D.tokens).where(_D.day == day))
    return {provider: DayUse(day, requests, tokens) for provider, requests, tokens in rows}


def _bounded(count: int) -> int:
    return min(max(count, -_MOST), _MOST)
