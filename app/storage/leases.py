"""What each process holds of the limits that processes share, in the database that all of them have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import delete, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.leases import Claim, Decide, Held, Holding, LimitKey
from app.storage.bell import ring
from app.storage.clock import shared_clock
from app.storage.database import Database, reads, writes
from app.storage.tables import LIMIT_LEASES

CHANNEL: Final = "outcry_leases"
_L: Final = LIMIT_LEASES.c
# Any number that nobody else on the same PostgreSQL locks: "leases" in ASCII.
_LOCK: Final = 0x6C6561736573
# What was used may be more than any limit, by what a provider states, and has to fit its column.
_MOST: Final = 10**15


class SqlLeaseRepository:
    """One row per limit and process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    async def everything(self, session: AsyncSession) -> tuple[Held, float]:
        """What everyone holds, and the clock."""
        clock = await shared_clock(self._database, session)
        return await _held(session, clock), clock

    @writes
    async def exchange(self, session: AsyncSession, decide: Decide, *, forgets: bool) -> None:
        """Put on record what `decide` says, while nobody else does."""
        if not self._database.is_sqlite:
            await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        clock = await shared_clock(self._database, session)
        if forgets:
            await session.execute(delete(LIMIT_LEASES).where(_L.expires < clock))
        word = decide(await _held(session, clock), clock)
        if word.claims:
            await self._put(session, word.claims, clock)
        if word.rings:
            await ring(self._database, session, CHANNEL)

    async def _put(self, session: AsyncSession, claims: Mapping[LimitKey, Claim], clock: float) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = dialect.insert(LIMIT_LEASES)
        values = {name: row.excluded[name] for name in ("share", "used", "wants", "least", "alive_until", "expires")}
        keys = ["provider", "limit_name", "holder"]
        await session.execute(
            row.on_conflict_do_update(index_elements=keys, set_=values),
            [_row_of(key, claim, clock) for key, claim in claims.items()],
        )


async def _held(session: AsyncSession, clock: float) -> dict[LimitKey, list[Holding]]:
    columns = (_L.provider, _L.limit_name, _L.holder, _L.share, _L.used, _L.wants, _L.least, _L.alive_until >= clock)
    held: dict[LimitKey, list[Holding]] = {}
    for provider, limit, *holding in await session.execute(select(*columns)):
        held.setdefault((provider, limit), []).append(Holding(*holding))
    return held


def _row_of(key: LimitKey, claim: Claim, clock: float) -> dict[str, Any]:
    provider, limit = key
    one = claim.holding
    counts = {"share": one.share, "used": one.used, "wants": one.wants, "least": one.least}
    return {
        "provider": provider,
        "limit_name": limit,
        "holder": one.holder,
        "alive_until": clock + claim.lives,
        "expires": clock + claim.lives + claim.lasts,
        **{name: min(count, _MOST) for name, count in counts.items()},
    }
