"""Votes with their grades, as statistics read them: one join, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import anyio.lowlevel
from sqlalchemy import ColumnElement, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.decision import Action
from app.domain.outcome import ScoredVote, ScoreWindow
from app.domain.symbols import same_symbol
from app.storage.database import Database, reads
from app.storage.tables import GRADES, OUTCOMES, VOTES
from app.storage.votes import vote_in

_V: Final = VOTES.c
_O: Final = OUTCOMES.c
_G: Final = GRADES.c
_PAGE: Final = 2_000
_AT_ONCE: Final = 50
"""Rows made into votes without giving way to anybody else: half a millisecond."""

_Place = tuple[Any, str, int]


class SqlScores:
    """The port `Scores`. Each page is a transaction: what is graded while it is read may be in it or not."""

    def __init__(self, database: Database, page: int = _PAGE) -> None:
        self._database = database
        self._length = page

    async def scored(self, window: ScoreWindow) -> Sequence[ScoredVote]:
        """Every vote of the window's decisions, in the order they were made."""
        found: list[ScoredVote] = []
        after: _Place | None = None
        while True:
            page = await self._page(window, after)
            found += page
            if len(page) < self._length:
                break
            last = page[-1]
            after = (last.decided_at, last.vote.decision_id, last.vote.number)
        if window.symbol is None:
            return found
        wanted = {symbol for symbol in {vote.symbol for vote in found} if same_symbol(symbol, window.symbol)}
        return [vote for vote in found if vote.symbol in wanted]

    @reads
    async def _page(self, session: AsyncSession, window: ScoreWindow, after: _Place | None) -> list[ScoredVote]:
        counting = and_(_O.decision_id == _V.decision_id, _O.counts)
        grade = and_(
            _G.decision_id == _V.decision_id,
            _G.outcome_id == _O.id,
            _G.version == _O.version,
            _G.number == _V.number,
        )
        place = (_V.decided_at, _V.decision_id, _V.number)
        wanted = (
            select(VOTES, _O.measured_return, _O.threshold, _O.recorded_at, _G.correct)
            .join_from(VOTES, OUTCOMES, counting, isouter=True)
            .join(GRADES, grade, isouter=True)
            .where(*_inside(window))
            .order_by(*place)
            .limit(self._length)
        )
        if after is not None:
            wanted = wanted.where(tuple_(*place) > tuple_(*after))
        found: list[ScoredVote] = []
        for rows in (await session.execute(wanted)).mappings().partitions(_AT_ONCE):
            found += map(_scored, rows)
            await anyio.lowlevel.checkpoint()
        return found


def _inside(window: ScoreWindow) -> list[ColumnElement[bool]]:
    bounds = [_V.is_replayed.is_(False)]
    if window.since is not None:
        bounds.append(_V.decided_at >= window.since)
    if window.until is not None:
        bounds.append(_V.decided_at < window.until)
    if window.agent_id is not None:
        bounds.append(_V.agent_id == window.agent_id)
    if window.variants is not None:
        bounds.append(_V.variant.in_(window.variants))
    return bounds


def _scored(row: Mapping[Any, Any]) -> ScoredVote:
    return ScoredVote(
        vote_in(row),
        row["decided_at"],
        row["symbol"],
        row["agent_id"],
        row["method"],
        Action(row["consensus"]),
        row["correct"],
        row["measured_return"],
        row["threshold"],
        row["recorded_at"],
        row["variant"],
    )
