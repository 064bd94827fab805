"""What a provider was asked on the present UTC day, by this process and, as far as was told, by others."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from app.domain.day import DayUse

# Clocks run apart a little: a day that is about to end is the next one already.
_SKEW: Final = timedelta(seconds=1)
_DAY: Final = 86_400.0


class DayCount:
    """Requests and tokens that start anew with each UTC day.

    The wall clock is read once, at a day's start; from then on the day ends at a monotonic moment, so that a jump of
    the wall clock gives nobody a second day. A clock that was set back meanwhile makes the day longer, by its own
    length at most: it is never counted anew. The count is what is on record plus what is not recorded yet.
    """

    __slots__ = ("_day", "_known_requests", "_known_tokens", "_requests", "_tokens", "ends")

    def __init__(self) -> None:
        self.ends = -math.inf
        self._day = date.min
        self._requests = self._tokens = self._known_requests = self._known_tokens = 0

    def add(self, requests: int, tokens: int, now: float, wall: datetime) -> None:
        """Count what happens now."""
        if now >= self.ends:
            self._begin(now, wall)
        self._requests += requests
        self._tokens += tokens

    def turn(self, now: float, wall: datetime) -> None:
        """Begin the next day if this one is over; whoever reads the counts before adding to them calls it."""
        if now >= self.ends:
            self._begin(now, wall)

    def adjust(self, requests: int, tokens: int, now: float, ends: float) -> None:
        """Correct what was counted in the day that ends at `ends`.

        Of a day that is over nothing comes back, but what turns out to have been more is charged to the present one.
        """
        if now >= self.ends:
            return
        if ends == self.ends:
            self._requests += requests
            self._tokens += tokens
        else:
            self._requests += max(requests, 0)
            self._tokens += max(tokens, 0)

    def requests(self, now: float) -> int:
        """Requests of the present day."""
        return max(self._known_requests + self._requests, 0) if now < self.ends else 0

    def tokens(self, now: float) -> int:
        """Tokens of the present day."""
        return max(self._known_tokens + self._tokens, 0) if now < self.ends else 0

    def left(self, now: float) -> float:
        """Seconds to the end of the present day; 0 before a day was ever counted."""
        return max(self.ends - now, 0.0)

    def unrecorded(self, now: float) -> DayUse | None:
        """What is to be added to the record, which `recorded` confirms; None when there is nothing."""
        if now >= self.ends or not (self._requests or self._tokens):
            return None
        return DayUse(self._day, self._requests, self._tokens)

    def recorded(self, added: DayUse | None, total: DayUse, now: float, wall: datetime) -> None:
        """The record says `total`, in which `added` is in; of a day that is over both are forgotten."""
        self.turn(now, wall)
        if added is not None and added.day == self._day:
            self._requests -= added.requests
            self._tokens -= added.tokens
        if total.day == self._day:
            self._known_requests, self._known_tokens = total.requests, total.tokens

    def _begin(self, now: float, wall: datetime) -> None:
        today = day_of(wall)
        if today < self._day:
            # A clock that is off by days tells none: one follows the other without it.
            self._day, self.ends = self._day + timedelta(days=1), now + _DAY
        else:
            is_same = today == self._day
            self._day, self.ends = today, now + (_end_of_day(wall) - wall).total_seconds()
            if is_same:
                return
        self._requests = self._tokens = self._known_requests = self._known_tokens = 0


def day_of(wall: datetime) -> date:
    """The UTC day of a moment; its last second belongs to the next one."""
    return (wall.astimezone(UTC) + _SKEW).date()


def _end_of_day(wall: datetime) -> datetime:
    return datetime.combine(day_of(wall) + timedelta(days=1), time(), UTC)
