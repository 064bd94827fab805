"""The three ways a limit per minute counts: fixed window, sliding window, token bucket.

All of them count amounts (a request is 1, a prompt its tokens), take `now` as monotonic seconds that never go
backwards, and know nothing of who asks. What is taken is handed out as a `Taken`, through which it may come back:
into the window it came from, never into a later one, so that a refund makes no room beyond the limit.

Where several processes share a limit, each one's meter has a part of it as its capacity, which `hold` changes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from app.domain.provider import LimitStrategy

MINUTE: Final = 60.0
# Nobody knows when a part grows; a second is how often parts are looked at.
UNKNOWN: Final = 1.0
# Refilling adds up fractions; what is short by less than this is rounding.
_ROUNDING: Final = 1e-6


class Taken:
    """An amount taken from a meter at a moment; `amount` shrinks when part of it comes back."""

    __slots__ = ("_meter", "amount", "since")

    def __init__(self, meter: Meter, since: float, amount: int) -> None:
        self._meter = meter
        self.since = since
        self.amount = amount

    def give_back(self, amount: int, now: float) -> None:
        """Undo so much of it, where it was taken: a meter put in its place meanwhile owes it nothing."""
        self._meter.give_back(self, amount, now)


class Divisible(Protocol):
    """A limit of which this process may use `capacity`. What was used stays with it for `lasts` seconds at most."""

    capacity: int

    @property
    def limit(self) -> int:
        """The whole, of which the capacity is a part."""
        ...

    @property
    def lasts(self) -> float:
        """Seconds after which what was used is free for anybody, if nothing else is used."""
        ...

    def used(self, now: float) -> int:
        """How much counts against the limit now."""
        ...

    def pinned(self, now: float) -> int:
        """How much of the limit nobody else may have yet, because it was used here."""
        ...

    def hold(self, capacity: int, share: int, now: float) -> None:
        """Use so much from now on. `share` is what the others leave to this process: never less than what is pinned.

        A capacity below what is used admits nothing until enough of that has passed.
        """
        ...


class Meter(Divisible, Protocol):
    """One limit per minute. `spare` is a part of it that this taker may not touch."""

    def fits(self, amount: int, now: float, spare: int = 0) -> bool:
        """Whether so much may be taken now."""
        ...

    def available_at(self, amount: int, now: float, spare: int = 0) -> float:
        """The earliest moment at which so much fits if nothing else happens: `now` at once, infinity never."""
        ...

    def take(self, amount: int, now: float) -> Taken:
        """Count it, whether it fits or not."""
        ...

    def give_back(self, taken: Taken, amount: int, now: float) -> None:
        """Undo `amount` of what was taken, if it still counts."""
        ...


class FixedWindow:
    """At most `capacity` in a minute that starts with the first taker after the last one ended."""

    __slots__ = ("_ends", "_past", "_past_pins", "_used", "capacity", "lasts", "limit")

    def __init__(self, capacity: int) -> None:
        self.capacity = self.limit = capacity
        self.lasts = MINUTE
        self._used = self._past = 0
        self._ends = self._past_pins = -math.inf

    def fits(self, amount: int, now: float, spare: int = 0) -> bool:
        return self.used(now) + amount <= self.capacity - spare

    def available_at(self, amount: int, now: float, spare: int = 0) -> float:
        if amount > self.capacity - spare:
            return math.inf if amount > self.limit - spare else now + UNKNOWN
        return now if self.fits(amount, now, spare) else self._ends

    def take(self, amount: int, now: float) -> Taken:
        if now >= self._ends:
            self._past, self._past_pins = self._used, self._ends + MINUTE
            self._used, self._ends = 0, now + MINUTE
        self._used += amount
        return Taken(self, self._ends, amount)

    def give_back(self, taken: Taken, amount: int, now: float) -> None:  # noqa: ARG002 - the window names its moment
        if taken.since == self._ends:
            taken.amount -= amount
            self._used -= amount

    def used(self, now: float) -> int:
        return self._used if now < self._ends else 0

    def pinned(self, now: float) -> int:
        # Windows of two processes begin at different moments: what was used at the end of one here must not be used
        # again at the end of another elsewhere, and so on from process to process within one minute.
        if now >= self._ends:
            return self._used if now < self._ends + MINUTE else 0
        return max(self._used, self._past) if now < self._past_pins else self._used

    def hold(self, capacity: int, share: int, now: float) -> None:  # noqa: ARG002 - only a bucket's refill follows it
        self.capacity = capacity


class SlidingWindow:
    """At most `capacity` in any 60 seconds, by remembering when each amount was taken."""

    __slots__ = ("_taken", "_used", "capacity", "lasts", "limit")

    def __init__(self, capacity: int) -> None:
        self.capacity = self.limit = capacity
        self.lasts = MINUTE
        self._taken: deque[Taken] = deque()
        self._used = 0

    def fits(self, amount: int, now: float, spare: int = 0) -> bool:
        return self.used(now) + amount <= self.capacity - spare

    def available_at(self, amount: int, now: float, spare: int = 0) -> float:
        if amount > self.capacity - spare:
            return math.inf if amount > self.limit - spare else now + UNKNOWN
        missing = self.used(now) + amount - self.capacity + spare
        for taken in self._taken:
            if missing <= 0:
                break
            missing -= taken.amount
            if missing <= 0:
                return taken.since + MINUTE
        return now

    def take(self, amount: int, now: float) -> Taken:
        taken = Taken(self, now, amount)
        self._taken.append(taken)
        self._used += amount
        return taken

    def give_back(self, taken: Taken, amount: int, now: float) -> None:
        if taken.since + MINUTE <= now:
            return
        taken.amount -= amount
        self._used -= amount
        while self._taken and not self._taken[-1].amount:
            self._taken.pop()

    def used(self, now: float) -> int:
        while self._taken and self._taken[0].since + MINUTE <= now:
            self._used -= self._taken.popleft().amount
        return self._used

    def pinned(self, now: float) -> int:
        return self.used(now)

    def hold(self, capacity: int, share: int, now: float) -> None:  # noqa: ARG002 - only a bucket's refill follows it
        self.capacity = capacity


class TokenBucket:
    """A bucket of `capacity` that refills by `per_minute` sixtieths a second: at most their sum in any 60 seconds.

    A part of it has its part of the refill, and what is handed over is handed over full: the level here falls by it.
    """

    __slots__ = ("_level", "_rate", "_seen", "_whole_rate", "capacity", "lasts", "limit")

    def __init__(self, per_minute: int, capacity: int) -> None:
        self.capacity = self.limit = capacity
        self.lasts = MINUTE * max(capacity / per_minute, 1.0)
        self._rate = self._whole_rate = per_minute / MINUTE
        self._level = float(capacity)
        self._seen = -math.inf

    def fits(self, amount: int, now: float, spare: int = 0) -> bool:
        return self._filled(now) + _ROUNDING >= amount + spare

    def available_at(self, amount: int, now: float, spare: int = 0) -> float:
        if amount > self.capacity - spare:
            return math.inf if amount > self.limit - spare else now + UNKNOWN
        missing = amount + spare - self._filled(now)
        if missing <= _ROUNDING:
            return now
        return now + (missing / self._rate if self._rate > 0 else UNKNOWN)

    def take(self, amount: int, now: float) -> Taken:
        self._level = self._filled(now) - amount
        return Taken(self, now, amount)

    def give_back(self, taken: Taken, amount: int, now: float) -> None:
        taken.amount -= amount
        self._level = min(self._filled(now) + amount, self.capacity)

    def used(self, now: float) -> int:
        return self.capacity - math.floor(self._filled(now) + _ROUNDING)

    def pinned(self, now: float) -> int:
        return max(self.used(now), 0)

    def hold(self, capacity: int, share: int, now: float) -> None:
        self._level = self._filled(now) + capacity - self.capacity
        self.capacity = capacity
        # By what nobody else has, not by what may be used: otherwise what was used before a part shrank never passes.
        self._rate = self._whole_rate * min(share / self.limit, 1.0)

    def _filled(self, now: float) -> float:
        if now > self._seen:
            refill = 0.0 if self._seen == -math.inf else (now - self._seen) * self._rate
            self._level = min(self._level + refill, self.capacity)
            self._seen = now
        return self._level


class Slots:
    """At most `capacity` at once; `count` tells how many there are."""

    __slots__ = ("_count", "capacity", "lasts", "limit")

    def __init__(self, capacity: int, count: Callable[[], int]) -> None:
        self.capacity = self.limit = capacity
        self.lasts = MINUTE
        self._count = count

    def used(self, now: float) -> int:  # noqa: ARG002 - what is under way is so at any time
        return self._count()

    def pinned(self, now: float) -> int:  # noqa: ARG002
        return self._count()

    def hold(self, capacity: int, share: int, now: float) -> None:  # noqa: ARG002
        self.capacity = capacity


def meter_of(strategy: LimitStrategy, per_minute: int | None, burst: int | None = None) -> Meter | None:
    """The meter of a limit per minute, None where nothing is limited; only a bucket has a burst."""
    if per_minute is None:
        return None
    match strategy:
        case LimitStrategy.FIXED_WINDOW:
            return FixedWindow(per_minute)
        case LimitStrategy.SLIDING_WINDOW:
            return SlidingWindow(per_minute)
        case LimitStrategy.TOKEN_BUCKET:
            return TokenBucket(per_minute, per_minute if burst is None else burst)
