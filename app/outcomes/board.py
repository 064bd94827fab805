"""Leaderboards on request: read in pages, counted off the loop, one at a time, kept as long as they are dear."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio
import anyio.to_thread

from app.domain.outcome import ScoreWindow
from app.domain.ports import Scores
from app.outcomes.book import Page, ScoreBook
from app.outcomes.leaderboard import By, Leaderboard, Row
from app.outcomes.pages import pages

USUAL: Final = timedelta(days=90)
"""How far a leaderboard looks back that is not told since when."""
KEPT: Final = 10.0
"""A leaderboard that took long is kept so many times as long: large ones are never a load."""
QUICK: Final = 1.0
"""Seconds: one that took less is not kept, so that small ones are always fresh."""
LONGEST: Final = 60.0
MOST_KEPT: Final = 32
_EPOCH: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Board:
    """The rows of a window; `window` has both ends."""

    by: By
    window: ScoreWindow
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class _Kept:
    board: Board
    until: float


class Boards:
    """Makes leaderboards, and shows the curves in force. Raises StorageUnavailable."""

    def __init__(
        self,
        scores: Scores,
        book: ScoreBook,
        *,
        wall: Callable[[], datetime],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._scores = scores
        self._book = book
        self._wall = wall
        self._now = now
        self._kept: dict[tuple[By, ScoreWindow], _Kept] = {}
        self._turn = anyio.Lock()

    def curves(self) -> Page:
        """What this process read last."""
        return self._book.page

    async def board(self, by: By, window: ScoreWindow) -> Board:
        """The board of a window; since 90 days before its end where it does not say, and until now."""
        async with self._turn:
            kept = self._kept.get((by, window))
            if kept is not None and self._now() < kept.until:
                return kept.board
            began = self._now()
            board = await self._counted(by, window)
            took = self._now() - began
            if took >= QUICK:
                self._keep((by, window), _Kept(board, self._now() + min(took * KEPT, LONGEST)))
            return board

    async def _counted(self, by: By, window: ScoreWindow) -> Board:
        end = window.until or self._wall()
        whole = replace(window, since=window.since or max(end, _EPOCH + USUAL) - USUAL, until=end)
        counted = Leaderboard(by)
        async for votes in pages(self._scores, whole, end):
            await anyio.to_thread.run_sync(counted.add, votes)
        return Board(by, whole, await anyio.to_thread.run_sync(counted.rows))

    def _keep(self, key: tuple[By, ScoreWindow], kept: _Kept) -> None:
        self._kept = {other: it for other, it in self._kept.items() if self._now() < it.until}
        if len(self._kept) >= MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[key] = kept
