"""Request limits: exactly N in any minute, N in a UTC day, taken all or nothing."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from app.domain.provider import RateLimit
from app.resilience.window import Tally

_MINUTE: Final = 60.0


class SlidingWindow:
    """Admits exactly `limit` in any `seconds`, by remembering when each one was admitted."""

    __slots__ = ("_limit", "_seconds", "_stamps")

    def __init__(self, limit: int, seconds: float) -> None:
        self._limit = limit
        self._seconds = seconds
        self._stamps: deque[float] = deque()

    def try_acquire(self, now: float) -> bool:
        """Take one place; `now` never goes backwards and names the place in a refund."""
        if self.used(now) >= self._limit:
            return False
        self._stamps.append(now)
        return True

    def refund(self, stamp: float) -> None:
        """Give the place taken at `stamp` back; one that has left the window already is nothing to give back."""
        # From the right: what is refunded was taken a moment ago.
        for index in range(len(self._stamps) - 1, -1, -1):
            if self._stamps[index] == stamp:
                del self._stamps[index]
                return
            if self._stamps[index] < stamp:
                return

    def available_at(self, now: float) -> float:
        """The earliest moment at which one may be admitted, `now` when there is room."""
        if self.used(now) < self._limit:
            return now
        return self._stamps[-self._limit] + self._seconds if self._limit > 0 else now + self._seconds

    def used(self, now: float) -> int:
        """How many are in the window that ends now."""
        while self._stamps and self._stamps[0] + self._seconds <= now:
            self._stamps.popleft()
        return len(self._stamps)


class DayCount:
    """A count that starts anew with each UTC day.

    The wall clock is read once, at a day's start; from then on the day ends at a monotonic moment, so that a jump of
    the wall clock gives nobody a second day.
    """

    __slots__ = ("_count", "ends")

    def __init__(self) -> None:
        self._count = 0
        self.ends = 0.0

    def add(self, count: int, now: float, wall: datetime) -> None:
        """Count what happened now."""
        if now >= self.ends:
            self._count, self.ends = 0, now + _rest_of_day(wall)
        self._count += count

    def take_back(self, count: int, ends: float) -> None:
        """Undo an addition made in the day that ends at `ends`."""
        if ends == self.ends:
            self._count -= count

    def total(self, now: float) -> int:
        """The count of the present day."""
        return self._count if now < self.ends else 0


@dataclass(frozen=True, slots=True)
class Denial:
    """No: which limit says so, and how many seconds until it may say yes."""

    limit: str
    retry_after: float


class Permit:
    """One reserved request. Refunding it twice gives back once."""

    __slots__ = ("_day_ends", "_is_refunded", "_limits", "_stamp")

    def __init__(self, limits: RequestLimits, stamp: float, day_ends: float) -> None:
        self._limits = limits
        self._stamp = stamp
        self._day_ends = day_ends
        self._is_refunded = False

    def refund(self) -> None:
        """Nothing was sent: give everything back."""
        if not self._is_refunded:
            self._is_refunded = True
            self._limits.give_back(self._stamp, self._day_ends)


class RequestLimits:
    """The request limits of one provider, and its request counts even where nothing is limited."""

    __slots__ = ("_day", "_minute", "_per_day", "_unlimited")

    def __init__(self, rate: RateLimit) -> None:
        self._minute = None if rate.requests_per_minute is None else SlidingWindow(rate.requests_per_minute, _MINUTE)
        self._unlimited = Tally(_MINUTE)
        self._per_day = rate.requests_per_day
        self._day = DayCount()

    def reserve(self, now: float, wall: datetime) -> Permit | Denial:
        """One request of every limit, or of none."""
        if (denial := self._denial(now)) is not None:
            return denial
        if self._minute is None:
            self._unlimited.add(now)
        else:
            self._minute.try_acquire(now)
        self._day.add(1, now, wall)
        return Permit(self, now, self._day.ends)

    def give_back(self, stamp: float, day_ends: float) -> None:
        """What a permit calls; callers refund the permit."""
        if self._minute is None:
            self._unlimited.add(stamp, -1)
        else:
            self._minute.refund(stamp)
        self._day.take_back(1, day_ends)

    def has_room(self, now: float) -> bool:
        """Whether a reservation would succeed now."""
        return self._denial(now) is None

    def used_this_minute(self, now: float) -> int:
        """Requests of the last 60 seconds."""
        return self._unlimited.total(now) if self._minute is None else self._minute.used(now)

    def used_today(self, now: float) -> int:
        """Requests of the present UTC day, as far as this process knows."""
        return self._day.total(now)

    def _denial(self, now: float) -> Denial | None:
        if self._minute is not None and (free_at := self._minute.available_at(now)) > now:
            return Denial("requests_per_minute", free_at - now)
        if self._per_day is not None and self._day.total(now) >= self._per_day:
            # A limit of zero a day is full before a day was ever counted.
            return Denial("requests_per_day", self._day.ends - now if self._day.ends > now else _MINUTE)
        return None


def _rest_of_day(wall: datetime) -> float:
    today = wall.astimezone(UTC)
    midnight = datetime.combine(today.date() + timedelta(days=1), time(), UTC)
    return (midnight - today).total_seconds()
