"""Keeping the book of scores true: the record read again, the last days often and older ones in turn."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from typing import Final

import anyio
import anyio.to_thread

from app.domain.errors import StorageUnavailable
from app.domain.outcome import ScoreWindow
from app.domain.ports import Scores
from app.outcomes.book import Page, ScoreBook, ScoreRules, page_of
from app.outcomes.days import Day
from app.outcomes.pages import FIRST, WANTED, pages

log = logging.getLogger(__name__)

RECENT: Final = 2
"""Days that are read at every look: today and yesterday, where most grades come in."""
IN_TURN: Final = 2
"""Older days that are read beside them: 180 days have had their turn after 90 looks."""
RESTS: Final = 20.0
"""A look that took long is followed by a rest so many times as long: reading takes a twentieth of the time at most."""
LONGEST_REST: Final = 60.0
"""Seconds: grades come in with minutes to spare, not with hours."""


class ScoreReader:
    """Reads the record into the book. Nothing is kept elsewhere: a new process reads everything once.

    An outcome shows within `refresh` seconds where its decision is of today or yesterday, else when its day comes up.
    """

    def __init__(self, scores: Scores, book: ScoreBook, rules: ScoreRules, wall: Callable[[], datetime]) -> None:
        self._scores = scores
        self._book = book
        self._rules = rules
        self._wall = wall
        self._days: dict[date, Day] = {}
        self._read: set[date] = set()
        self._turned_on: date | None = None
        self._span = FIRST
        self._older = RECENT
        self._is_away = False
        self._is_stale = False

    async def run(self) -> None:
        """The job: never returns. A start over keeps what was read."""
        rest = self._rules.refresh
        while True:
            began, is_first = time.monotonic(), not self._read
            await self.look()
            # Once, everything is read; that says nothing of how long the next look takes.
            took = 0.0 if is_first else time.monotonic() - began
            await anyio.sleep(max(rest, min(RESTS * took, LONGEST_REST)))

    async def look(self) -> None:
        """Read what is due and turn the page; a database that is away changes nothing but the log."""
        now = self._wall()
        try:
            for day in self._due(now.date()):
                # Kept beyond this look: it may end half way, and what it read is not new to the next one.
                self._is_stale |= await self._read_day(day, now)
        except StorageUnavailable as error:
            if not self._is_away:
                log.warning("scores wait for the database", extra={"reason": error.message})
            self._is_away = True
            return
        self._is_away = False
        if self._is_stale or self._turned_on != now.date():
            self._book.turn(await anyio.to_thread.run_sync(self._page, now.date()))
            self._turned_on, self._is_stale = now.date(), False

    def _due(self, today: date) -> list[date]:
        """Everything at first, then the last days and the next of the older ones."""
        oldest = today - timedelta(days=self._rules.lookback_days)
        for day in [day for day in self._days if day < oldest]:
            del self._days[day]
        every = [today - timedelta(days=age) for age in range(self._rules.lookback_days + 1)]
        self._read = {day for day in self._read if day >= oldest}
        unread = [day for day in every if day not in self._read]
        older = every[RECENT:]
        start = (self._older - RECENT) % len(older) if older else 0
        self._older = RECENT + start + IN_TURN
        in_turn = older[start : start + IN_TURN]
        return list(dict.fromkeys([*every[:RECENT], *unread, *in_turn]))

    async def _read_day(self, day: date, now: datetime) -> bool:
        """Whether the day says something else than it did."""
        start = datetime.combine(day, clock_time(), UTC)
        found, count = Day(), 0
        async for votes in pages(self._scores, ScoreWindow(start, start + timedelta(days=1)), now, self._span):
            await anyio.to_thread.run_sync(found.add, votes)
            count += len(votes)
        # The day before it will be about as busy.
        self._span = timedelta(days=1) * min(WANTED / max(count, 1), 1.0)
        has_changed = found != self._days.get(day, Day())
        if found.targets or found.methods:
            self._days[day] = found
        else:
            self._days.pop(day, None)
        self._read.add(day)
        return has_changed

    def _page(self, today: date) -> Page:
        return page_of(self._days, today, self._rules)
