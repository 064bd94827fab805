"""Idempotency keys in the database: one row per caller and key, so that one process of all holds it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Code, Conflict
from app.domain.idempotency import Claim, Holding, RequestKey, Reservation, Standing, Term
from app.ledger.sealing import Sealer
from app.storage.database import Database, reads, writes
from app.storage.payloads import latest_answers
from app.storage.sheaf import Demand
from app.storage.tables import DECISIONS, IDEMPOTENCY_KEYS

_K: Final = IDEMPOTENCY_KEYS.c
_SETTLE: Final = (
    "UPDATE idempotency_keys SET decision_id = :decision "
    'WHERE caller = :caller AND "key" = :key AND owner = :owner AND decision_id IS NULL'
)


class SqlIdempotencyRepository:
    """Reservations of keys. That a key has its decision is written by the transaction that stores the decision."""

    def __init__(self, database: Database, sealer: Sealer | None = None) -> None:
        self._database = database
        self._sealer = sealer or Sealer()

    @writes
    async def claim(self, session: AsyncSession, wanted: Reservation, term: Term) -> Claim:
        """Take the key if it is free, else say how it stands. Saying that an outcome is unknown frees it."""
        if await self._inserted(session, wanted, term):
            return Claim(Standing.TAKEN)
        row = (await session.execute(select(IDEMPOTENCY_KEYS).where(_is(wanted.key)).with_for_update())).one_or_none()
        if row is None:
            # Given back between the two statements: whoever looks again finds it free.
            return Claim(Standing.IN_PROGRESS)
        is_lost = row.decision_id is None and row.leased_until <= term.now
        if row.expires_at <= term.now or (is_lost and row.is_told):
            await session.execute(update(IDEMPOTENCY_KEYS).where(_is(wanted.key)).values(_row(wanted, term)))
            return Claim(Standing.TAKEN)
        if row.body_hash != wanted.key.body_hash:
            return Claim(Standing.MISMATCH)
        if is_lost:
            await session.execute(update(IDEMPOTENCY_KEYS).where(_is(wanted.key)).values(is_told=True))
            return Claim(Standing.UNKNOWN)
        if row.decision_id is None:
            return Claim(Standing.IN_PROGRESS, owner=row.owner)
        answer = await session.scalar(select(DECISIONS.c.answer).where(DECISIONS.c.id == row.decision_id))
        if answer is None:
            return Claim(Standing.UNKNOWN)
        payloads = await latest_answers(session, [row.decision_id])
        return Claim(Standing.STORED, self._sealer.answer(answer, payloads.get(row.decision_id)))

    @reads
    async def look(self, session: AsyncSession, key: RequestKey) -> Holding | None:
        """Who holds the key; None when it is free."""
        wanted = select(_K.owner, _K.decision_id, _K.leased_until).where(_is(key))
        row = (await session.execute(wanted)).one_or_none()
        return None if row is None else Holding(row.owner, row.decision_id is not None, row.leased_until)

    @writes
    async def give_up(self, session: AsyncSession, lost: Reservation, now: datetime) -> bool:
        """Whether that holder is gone without an outcome; then the key is free from here on."""
        gone = and_(_held(lost), _K.leased_until <= now)
        told: Any = await session.execute(update(IDEMPOTENCY_KEYS).where(gone).values(is_told=True))
        return bool(told.rowcount)

    @writes
    async def release(self, session: AsyncSession, held: Reservation) -> None:
        """Give back a key for which nothing was decided; one that has its decision keeps it."""
        await session.execute(delete(IDEMPOTENCY_KEYS).where(_held(held)))

    @writes
    async def reopen(self, session: AsyncSession, wanted: Reservation, decision_id: str, term: Term) -> bool:
        """Whether the key was that decision's and is taken now; the decision itself stays on record."""
        its = and_(_is(wanted.key), _K.decision_id == decision_id)
        taken: Any = await session.execute(update(IDEMPOTENCY_KEYS).where(its).values(_row(wanted, term)))
        return bool(taken.rowcount)

    @writes
    async def renew(self, session: AsyncSession, owners: Collection[str], until: datetime) -> None:
        """Hold these for longer."""
        theirs = and_(_K.owner.in_(owners), _K.decision_id.is_(None))
        await session.execute(update(IDEMPOTENCY_KEYS).where(theirs).values(leased_until=until))

    @writes
    async def forget(self, session: AsyncSession, now: datetime, limit: int) -> int:
        """Delete at most `limit` keys that have expired; how many it were."""
        oldest = select(_K.owner).where(_K.expires_at <= now).order_by(_K.expires_at).limit(limit)
        deleted: Any = await session.execute(delete(IDEMPOTENCY_KEYS).where(_K.owner.in_(oldest)))
        return int(deleted.rowcount)

    async def _inserted(self, session: AsyncSession, wanted: Reservation, term: Term) -> bool:
        dialect = sqlite if self._database.is_sqlite else postgresql
        row = dialect.insert(IDEMPOTENCY_KEYS).values(_row(wanted, term))
        inserted: Any = await session.execute(row.on_conflict_do_nothing(index_elements=["caller", "key"]))
        return bool(inserted.rowcount)


def settling(held: Reservation, decision_id: str) -> Demand:
    """That the key points to its decision with the transaction that stores it; nobody else may hold it by now."""
    parameters = {"decision": decision_id, "caller": held.key.caller, "key": held.key.key, "owner": held.owner}
    return Demand(_SETTLE, parameters, _taken_over)


def _taken_over() -> Conflict:
    return Conflict("another request took this key over", code=Code.IDEMPOTENCY_UNKNOWN_OUTCOME)


def _is(key: RequestKey) -> ColumnElement[bool]:
    return and_(_K.caller == key.caller, _K.key == key.key)


def _held(by: Reservation) -> ColumnElement[bool]:
    return and_(_is(by.key), _K.owner == by.owner, _K.decision_id.is_(None))


def _row(wanted: Reservation, term: Term) -> dict[str, Any]:
    return {
        "caller": wanted.key.caller,
        "key": wanted.key.key,
        "body_hash": wanted.key.body_hash,
        "owner": wanted.owner,
        "leased_until": term.leased_until,
        "decision_id": None,
        "is_told": False,
        "expires_at": term.expires_at,
    }
