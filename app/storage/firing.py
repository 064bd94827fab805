"""Which alerts fire in which process, so that one of them tells what all of them see."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import delete, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.clock import shared_clock
from app.storage.database import Database, writes
from app.storage.tables import FIRING_ALERTS

_F: Final = FIRING_ALERTS.c
# Any number that nobody else on the same PostgreSQL locks: "alerts" in ASCII.
_LOCK: Final = 0x616C65727473


class SqlFiringRepository:
    """One row per alert and process that sees it; a process that is gone is believed for `life` seconds more."""

    def __init__(self, database: Database, *, life: float = 30.0) -> None:
        self._database = database
        self._life = life

    @writes
    async def fired(self, session: AsyncSession, key: str, holder: str) -> bool:
        """Note that it fires here; whether it did nowhere before."""
        clock = await self._begin(session)
        await self._put(session, [key], holder, clock)
        return await _others(session, key, holder) == 0

    @writes
    async def resolved(self, session: AsyncSession, key: str, holder: str) -> bool:
        """Note that it does not fire here any more; whether it does nowhere."""
        await self._begin(session)
        await session.execute(delete(FIRING_ALERTS).where(_F.alert == key, _F.holder == holder))
        return await _others(session, key, holder) == 0

    @writes
    async def renew(self, session: AsyncSession, keys: Collection[str], holder: str) -> None:
        """These still fire here."""
        await self._put(session, keys, holder, await self._begin(session))

    async def _begin(self, session: AsyncSession) -> float:
        if not self._database.is_sqlite:
            await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        clock = await shared_clock(self._database, session)
        await session.execute(delete(FIRING_ALERTS).where(_F.expires < clock))
        return clock

    async def _put(self, session: AsyncSession, keys: Collection[str], holder: str, clock: float) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = dialect.insert(FIRING_ALERTS)
        rows: list[dict[str, Any]] = [
            {"alert": key, "holder": holder, "expires": clock + self._life} for key in sorted(keys)
        ]
        renewed = row.on_conflict_do_update(
            index_elements=["alert", "holder"], set_={"expires": row.excluded["expires"]}
        )
        await session.execute(renewed, rows)


async def _others(session: AsyncSession, key: str, holder: str) -> int:
    others = select(func.count()).select_from(FIRING_ALERTS).where(_F.alert == key, _F.holder != holder)
    return int(await session.scalar(others) or 0)
