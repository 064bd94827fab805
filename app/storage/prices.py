"""Prices in the database, and the decisions that wait for one.

A decision's row in `horizons` is locked by whoever grades it, and by whoever posts a bar that may change its grade: so
each bar is seen by one of the two, and a process that is killed in between has changed nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, literal_column, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import THE_GATEWAY, Author
from app.domain.decision import Action
from app.domain.errors import RequestRejected
from app.domain.outcome import Basis, DuePrice, HorizonState, Measured, Outcome, PriceBar, StoredBars
from app.domain.ports import Measure
from app.domain.symbols import market_of, squeezed
from app.storage.columns import storable
from app.storage.database import Database, reads, writes
from app.storage.outcomes import newest_versions, outcome_entry, write_outcomes
from app.storage.tables import DECISIONS, HORIZONS, PRICE_BARS
from app.storage.votes import venue_key

_H: Final = HORIZONS.c
_B: Final = PRICE_BARS.c
_FIGURES: Final = ("open", "high", "low", "close")
_LATEST: Final = timedelta(days=5)
"""Longer than any bar may be late: how far back a new bar may matter."""
_AT_ONCE: Final = 500
"""Ids in one statement."""


class SqlPriceRepository:
    """Bars, and the decisions whose horizon they are at."""

    def __init__(self, database: Database, wall: Callable[[], datetime]) -> None:
        self._database = database
        self._wall = wall

    @writes
    async def put(self, session: AsyncSession, bars: Sequence[PriceBar]) -> StoredBars:
        """Store bars, correct those that are known with other figures; who was graded by such a one waits again."""
        batch = secrets.token_hex(16)
        rows = {(row["symbol"], row["venue"], row["at"]): row for row in (_row(bar, batch) for bar in bars)}
        if not rows:
            return StoredBars(0, 0, 0)
        # In one order, so that two who post the same bars wait for each other rather than for ever.
        ordered = [rows[key] for key in sorted(rows)]
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(PRICE_BARS)
        posted = statement.excluded
        differs = or_(*(_B[name].is_distinct_from(posted[name]) for name in _FIGURES))
        changes = {name: posted[name] for name in (*_FIGURES, "batch")} | {"revision": _B.revision + 1}
        upsert = statement.on_conflict_do_update(index_elements=["symbol", "venue", "at"], set_=changes, where=differs)
        await session.execute(upsert, ordered)
        # A literal: the same expression has to be in SELECT and GROUP BY, and two parameters are not the same.
        is_known = _B.revision > literal_column("1")
        counted = select(is_known, func.count()).where(*_in_batch(ordered, batch)).group_by(is_known)
        written = {bool(was_there): count for was_there, count in (await session.execute(counted)).all()}
        if written:
            await self._wake(session, ordered, batch)
        added, corrected = written.get(False, 0), written.get(True, 0)
        return StoredBars(added, corrected, len(rows) - added - corrected)

    @reads
    async def is_due(self, session: AsyncSession) -> bool:
        """Whether anybody waits whose bar is there."""
        wanted = select(_H.decision_id).where(_waits_with_a_bar()).limit(1)
        return (await session.execute(wanted)).one_or_none() is not None

    @writes
    async def settle(
        self,
        session: AsyncSession,
        outcome_at: Callable[[DuePrice], Outcome],
        measure: Measure,
        *,
        limit: int,
        by: Author = THE_GATEWAY,
    ) -> tuple[int, int]:
        """Grade at most `limit` decisions whose bar is there, each once, whoever else is at it.

        How many those were, and how many new outcomes or versions they made.
        """
        first_bar = select(_B.at).where(_matches()).order_by(_B.at).limit(1).correlate(HORIZONS).scalar_subquery()
        wanted = (
            select(HORIZONS, first_bar.label("first_at"))
            .where(_waits_with_a_bar())
            .order_by(_H.due_at, _H.decision_id)
            .limit(limit)
            .with_for_update(skip_locked=True, of=HORIZONS)
        )
        rows = (await session.execute(wanted)).mappings().all()
        rows = [row for row in rows if row["first_at"] is not None]
        if not rows:
            return 0, 0
        ids = sorted(row["decision_id"] for row in rows)
        locked = select(DECISIONS.c.id).where(DECISIONS.c.id.in_(ids)).order_by(DECISIONS.c.id).with_for_update()
        await session.execute(locked)
        bars = await _bars_at(session, rows)
        known = await newest_versions(session, ids)
        made: list[tuple[Outcome, Measured | None]] = []
        for row in rows:
            outcome = outcome_at(DuePrice(row["decision_id"], row["length"], row["entry_price"], _best(row, bars)))
            newest = known.get((outcome.decision_id, outcome.id))
            values: dict[str, Any] = {"state": HorizonState.GRADED.value, "bar_at": row["first_at"]}
            if newest is None or replace(newest, version=1) != outcome:
                versioned = replace(outcome, version=1 if newest is None else newest.version + 1)
                try:
                    made.append((versioned, measure(_basis(row), versioned)))
                except RequestRejected:
                    # Prices so far apart that no float is their ratio: waiting longer would not help.
                    values |= {"state": HorizonState.NONE.value, "reason": "unmeasurable"}
            await session.execute(update(HORIZONS).where(_H.decision_id == row["decision_id"]).values(values))
        if made:
            await write_outcomes(session, made, self._wall())
            self._database.chain.append(session, *(outcome_entry(*one, by) for one in made))
        return len(rows), len(made)

    @writes
    async def expire(self, session: AsyncSession, now: datetime) -> int:
        """Let go of decisions whose bar nobody posted in time; how many it were."""
        vain = and_(_H.state == HorizonState.WAITING.value, _H.expires_at < now, ~_has_a_bar())
        values = {"state": HorizonState.EXPIRED.value, "reason": "no_price_in_time"}
        expired: Any = await session.execute(update(HORIZONS).where(vain).values(values))
        return int(expired.rowcount)

    async def _wake(self, session: AsyncSession, rows: Sequence[Mapping[Any, Any]], batch: str) -> None:
        """Have those wait again whose first bar one of these is, or is before.

        Also those who wait already are locked: one of them may be graded at this moment by somebody who does not see
        these bars yet.
        """
        is_ours = and_(_matches(), _B.batch == batch, or_(_H.bar_at.is_(None), _B.at <= _H.bar_at))
        moments = [row["at"] for row in rows]
        wanted = (
            select(_H.decision_id, _H.state)
            .where(
                _H.state.in_((HorizonState.WAITING.value, HorizonState.GRADED.value)),
                _H.base.in_(sorted({row["base"] for row in rows})),
                _H.due_at >= _before(min(moments)),
                _H.due_at <= max(moments),
                exists().where(is_ours),
            )
            .order_by(_H.decision_id)
            .with_for_update(of=HORIZONS)
        )
        found = (await session.execute(wanted)).all()
        graded = [row.decision_id for row in found if row.state == HorizonState.GRADED.value]
        for start in range(0, len(graded), _AT_ONCE):
            again = _H.decision_id.in_(graded[start : start + _AT_ONCE])
            await session.execute(update(HORIZONS).where(again).values(state=HorizonState.WAITING.value))


def _before(moment: datetime) -> datetime:
    """How far back a bar of this moment may matter; the calendar has a first day."""
    try:
        return moment - _LATEST
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC)


def _row(bar: PriceBar, batch: str) -> dict[str, Any]:
    base, quote = market_of(bar.symbol)
    return {
        "symbol": storable(squeezed(bar.symbol)),
        "venue": venue_key(bar.venue),
        "at": bar.at,
        "base": storable(base),
        "quote": storable(quote),
        **{name: getattr(bar, name) for name in _FIGURES},
        "revision": 1,
        "batch": batch,
    }


def _in_batch(rows: Sequence[Mapping[Any, Any]], batch: str) -> list[ColumnElement[bool]]:
    moments = [row["at"] for row in rows]
    bases = sorted({row["base"] for row in rows})
    return [_B.base.in_(bases), _B.at >= min(moments), _B.at <= max(moments), _B.batch == batch]


def _matches() -> ColumnElement[bool]:
    """The bars that a decision may be graded by: of its market and venue, where both name one, and in time."""
    return and_(
        _B.base == _H.base,
        or_(_B.quote == "", _H.quote == "", _B.quote == _H.quote),
        or_(_B.venue == "", _H.venue == "", _B.venue == _H.venue),
        _B.at >= _H.due_at,
        _B.at <= _H.latest_at,
    )


def _has_a_bar() -> ColumnElement[bool]:
    return exists().where(_matches()).correlate(HORIZONS)


def _waits_with_a_bar() -> ColumnElement[bool]:
    return and_(_H.state == HorizonState.WAITING.value, _has_a_bar())


async def _bars_at(session: AsyncSession, rows: Sequence[Mapping[Any, Any]]) -> Sequence[Mapping[Any, Any]]:
    wanted = select(PRICE_BARS).where(
        _B.base.in_(sorted({row["base"] for row in rows})), _B.at.in_(sorted({row["first_at"] for row in rows}))
    )
    return (await session.execute(wanted)).mappings().all()


def _best(row: Mapping[Any, Any], bars: Sequence[Mapping[Any, Any]]) -> PriceBar:
    """Of the bars at that moment the one that names the decision's venue and quote, then the first by name."""

    def may(bar: Mapping[Any, Any]) -> bool:
        return (
            bar["at"] == row["first_at"]
            and bar["base"] == row["base"]
            and all(bar[name] == row[name] or not bar[name] or not row[name] for name in ("quote", "venue"))
        )

    def rank(bar: Mapping[Any, Any]) -> tuple[bool, bool, str, str]:
        return bar["venue"] != row["venue"], bar["quote"] != row["quote"], bar["venue"], bar["symbol"]

    best = min((bar for bar in bars if may(bar)), key=rank)
    return PriceBar(best["symbol"], best["at"], best["close"])


def _basis(row: Mapping[Any, Any]) -> Basis:
    return Basis(**{name: row[name] for name in Basis.__dataclass_fields__} | {"action": Action(row["action"])})
