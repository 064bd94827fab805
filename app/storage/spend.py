"""What each process spent of each budget, in the database that all of them have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import delete, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.budget import Amount, Spend, SpendKey, SpendWord, Spent
from app.ledger.accounts import LEASE
from app.storage.bell import ring
from app.storage.clock import shared_clock
from app.storage.database import Database, reads, writes
from app.storage.leases import CHANNEL
from app.storage.tables import BUDGET_SPEND

LIFE: Final = 15.0
"""Seconds that a process counts as alive after it was heard of; on a busy machine a word may take some."""
_S: Final = BUDGET_SPEND.c
# Any number that nobody else on the same PostgreSQL locks: "budget" in ASCII.
_LOCK: Final = 0x627564676574
# Calls that began in a window may end after it, and be put on record then.
_KEPT: Final = timedelta(minutes=10)
_CLEAN_EVERY: Final = 60.0
_KEYS: Final = ("budget_id", "begins", "holder")
# Whatever a provider states has to fit its column.
_MOST: Final = 10**15


class SqlSpendRepository:
    """One row per budget, window and process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._clean_at = 0.0

    @reads
    async def everything(self, session: AsyncSession) -> Spent:
        """What everyone spent in the windows that last, or have hardly ended."""
        return await _spent(session, await shared_clock(self._database, session))

    @writes
    async def exchange(self, session: AsyncSession, decide: Callable[[Spent], SpendWord]) -> None:
        """Put on record what `decide` says, while nobody else does."""
        if not self._database.is_sqlite:
            await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        clock = await shared_clock(self._database, session)
        spent = await _spent(session, clock)
        word = decide(spent)
        if word.said:
            if clock >= self._clean_at:
                self._clean_at = clock + _CLEAN_EVERY
                await session.execute(delete(BUDGET_SPEND).where(_S.ends < _moment(clock) - _KEPT))
            await self._put(session, word, clock)
        if word.rings:
            await ring(self._database, session, CHANNEL)

    async def _put(self, session: AsyncSession, word: SpendWord, clock: float) -> None:
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = dialect.insert(BUDGET_SPEND)
        values = {column.name: row.excluded[column.name] for column in _S if column.name not in _KEYS}
        await session.execute(
            row.on_conflict_do_update(index_elements=list(_KEYS), set_=values),
            [_row_of(key, spend, ends, clock) for key, (spend, ends) in word.said.items()],
        )


async def _spent(session: AsyncSession, clock: float) -> dict[SpendKey, list[Spend]]:
    found: dict[SpendKey, list[Spend]] = {}
    rows = await session.execute(select(BUDGET_SPEND).where(_S.ends >= _moment(clock) - _KEPT))
    for row in rows.mappings():
        wants = None if row["wants_usd"] is None else Amount(row["wants_usd"], row["wants_tokens"])
        spent, used, granted = (Amount(row[f"{one}_usd"], row[f"{one}_tokens"]) for one in ("spent", "used", "granted"))
        silent = clock - row["alive_until"]
        spend = Spend(row["holder"], spent, used, granted, wants, is_alive=silent <= 0, is_gone=silent >= LEASE - LIFE)
        found.setdefault((row["budget_id"], row["begins"]), []).append(spend)
    return found


def _row_of(key: SpendKey, spend: Spend, ends: datetime, clock: float) -> dict[str, Any]:
    wants = spend.wants
    row: dict[str, Any] = {
        "budget_id": key[0],
        "begins": key[1],
        "holder": spend.holder,
        "ends": ends,
        "wants_usd": None if wants is None else wants.cost,
        "wants_tokens": None if wants is None else _bounded(wants.tokens),
        "alive_until": clock + LIFE,
    }
    for name, amount in (("spent", spend.spent), ("used", spend.used), ("granted", spend.granted)):
        row |= {f"{name}_usd": _money(amount.cost), f"{name}_tokens": _bounded(amount.tokens)}
    return row


def _money(dollars: Decimal) -> Decimal:
    return dollars if dollars.is_finite() else Decimal(0)


def _bounded(tokens: int) -> int:
    return min(max(tokens, -_MOST), _MOST)


def _moment(clock: float) -> datetime:
    return datetime.fromtimestamp(clock, UTC)
