"""The limits of one provider: requests and tokens per minute and UTC day, calls at once; taken all or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.provider import RateLimit
from app.domain.routing import Priority
from app.resilience.days import DayCount
from app.resilience.line import Line, Place
from app.resilience.meters import MINUTE, UNKNOWN, Meter, SlidingWindow, Slots, Taken, meter_of
from app.resilience.shares import Portion
from app.resilience.window import Tally

REQUESTS: Final = "requests_per_minute"
TOKENS: Final = "tokens_per_minute"
MAX_CONCURRENT: Final = "max_concurrent"
# Low priority leaves this part of every limit to the others.
_KEPT_FREE: Final = 5


@dataclass(frozen=True, slots=True)
class Denial:
    """No: which limit says so, and how many seconds until it may say yes, infinity when it never will.

    `may_end_early`: a call that is under way may make room before that.
    """

    limit: str
    retry_after: float
    may_end_early: bool = False

    @property
    def patience(self) -> float | None:
        """Seconds after which asking again makes sense; None for never."""
        return self.retry_after if self.retry_after < math.inf else None

    @property
    def why(self) -> str:
        """The denial in a person's words."""
        if self.retry_after < math.inf:
            return f"limit {self.limit} is reached"
        return f"the request is larger than limit {self.limit} allows at its priority"

    def says(self, target: str) -> str:
        """The denial in a person's words, with the target that it is about."""
        return f"{target}: {self.why}"


class Permit:
    """One reserved request with the tokens it is expected to take. What is done with it after the first time is void.

    Whoever holds one either refunds it, when nothing was sent, or settles it.
    """

    __slots__ = ("_day_ends", "_limits", "_requests", "_spent", "_tokens", "expected")

    def __init__(self, limits: Limits, requests: Taken | None, tokens: Taken | None, expected: int) -> None:
        self._limits = limits
        self._requests = requests
        self._tokens = tokens
        self._day_ends = limits.day.ends
        self._spent = False
        self.expected = expected

    def refund(self, now: float) -> None:
        """Nothing was sent: give everything back."""
        if not self._spent:
            self._spent = True
            self._limits.give_back(self._requests, now, self._day_ends)
            self._limits.correct(self._tokens, -self.expected, now, self._day_ends)
            self._limits.released()

    def settle(self, tokens: int | None, now: float) -> None:
        """It took so many tokens; None when nobody knows, and what was expected stands."""
        if not self._spent:
            self._spent = True
            if tokens is not None and tokens != self.expected:
                self._limits.correct(self._tokens, tokens - self.expected, now, self._day_ends)
            self._limits.released()


class Limits:
    """What one provider may be asked, and what it was asked even where nothing is limited.

    It lives as long as the provider is configured: `change` puts other limits in force and forgets nothing.

    With `short`, other processes share them: of those per minute, and of calls at once, there is nothing here but
    what `portions` are given, and `short` is called when something is refused that the others may have room for.
    """

    __slots__ = (
        "_is_limited", "_max_concurrent", "_rate", "_recent", "_requests", "_short", "_slots", "_tokens",
        "counts_tokens", "day", "in_flight", "line", "portions",
    )  # fmt: skip

    def __init__(
        self,
        rate: RateLimit | None = None,
        max_concurrent: int | None = None,
        *,
        short: Callable[[], None] | None = None,
    ) -> None:
        self.in_flight = 0
        self.portions: dict[str, Portion] = {}
        self.day = DayCount()
        self.line = Line()
        self._recent = Tally(MINUTE)
        self._requests: Meter | None = None
        self._tokens: Meter | None = None
        self._slots: Slots | None = None
        self._short = short
        self._put(rate or RateLimit(), max_concurrent)

    def change(self, rate: RateLimit, max_concurrent: int | None, now: float) -> None:
        """Other limits from now on; what the old ones counted this minute counts as of now."""
        if (rate, max_concurrent) == (self._rate, self._max_concurrent):
            return
        requests = self.used_this_minute(now)
        tokens = 0 if self._tokens is None else self._tokens.used(now)
        held = {name: portion.meter.capacity for name, portion in self.portions.items()}
        self._put(rate, max_concurrent)
        for name, portion in self.portions.items():
            # The share on record does not change with the limit; what is more has to be asked for.
            portion.keep(held.get(name, 0), now)
        if self._requests is not None and requests > 0:
            self._requests.take(requests, now)
        if self._tokens is not None and tokens > 0:
            self._tokens.take(tokens, now)
        self.line.wake()

    def reserve(
        self,
        now: float,
        wall: datetime,
        *,
        tokens: int = 0,
        priority: Priority = Priority.NORMAL,
        place: Place | None = None,
    ) -> Permit | Denial:
        """One request with the tokens that are expected of it, from every limit or from none.

        Whoever waits in the line gives its `place`; the others do not get past those who wait.
        """
        if self._is_limited:
            self.day.turn(now, wall)
            denial = self.denial(now, tokens, priority, place)
            if denial is not None:
                return denial
        self.in_flight += 1
        self._recent.add(now)
        self.day.add(1, tokens, now, wall)
        return Permit(
            self,
            None if self._requests is None else self._requests.take(1, now),
            None if self._tokens is None else self._tokens.take(tokens, now),
            tokens,
        )

    def denial(self, now: float, tokens: int, priority: Priority, place: Place | None = None) -> Denial | None:
        """What such a request would hear now; None when it would be admitted without a wait."""
        if not self._is_limited:
            return None
        denial = self._denial(now, tokens, priority)
        if denial is None and self.line and (first := self.line.ahead_of(priority, place)) is not None:
            return Denial(first.limit, UNKNOWN, may_end_early=True)
        return denial

    def has_room(self, now: float, tokens: int = 1, priority: Priority = Priority.NORMAL) -> bool:
        """Whether such a request would be admitted now, without a wait."""
        return self.denial(now, tokens, priority) is None

    def used_this_minute(self, now: float) -> int:
        """Requests of the last 60 seconds; without a sliding window to the twentieth of a minute."""
        return self._requests.used(now) if isinstance(self._requests, SlidingWindow) else self._recent.total(now)

    def used_today(self, now: float) -> int:
        """Requests of the present UTC day."""
        return self.day.requests(now)

    def give_back(self, taken: Taken | None, now: float, day_ends: float) -> None:
        """What a permit calls: the request was not sent."""
        self._recent.add(now, -1)
        self.day.adjust(-1, 0, now, day_ends)
        if taken is not None:
            taken.give_back(taken.amount, now)

    def correct(self, taken: Taken | None, difference: int, now: float, day_ends: float) -> None:
        """What a permit calls: it took so many tokens more, or less, than were reserved.

        Less goes back to where it came from; more counts from now on, when it has become known.
        """
        self.day.adjust(0, difference, now, day_ends)
        if difference < 0:
            if taken is not None:
                taken.give_back(-difference, now)
        elif self._tokens is not None:
            self._tokens.take(difference, now)

    def released(self) -> None:
        """What a permit calls: one call less is under way."""
        self.in_flight -= 1
        if self.line:
            self.line.wake()

    def _put(self, rate: RateLimit, max_concurrent: int | None) -> None:
        self._rate = rate
        self._max_concurrent = max_concurrent
        self._slots = None if max_concurrent is None else Slots(max_concurrent, lambda: self.in_flight)
        self._requests = meter_of(rate.strategy, rate.requests_per_minute, rate.burst_limit)
        self._tokens = meter_of(rate.strategy, rate.tokens_per_minute)
        self.counts_tokens = rate.tokens_per_minute is not None or rate.tokens_per_day is not None
        self._is_limited = self.counts_tokens or (
            rate.requests_per_minute is not None or rate.requests_per_day is not None or max_concurrent is not None
        )
        if self._short is not None:
            shared = ((REQUESTS, self._requests), (TOKENS, self._tokens), (MAX_CONCURRENT, self._slots))
            self.portions = {name: Portion(meter) for name, meter in shared if meter is not None}
            for portion in self.portions.values():
                portion.keep(0, -math.inf)

    def _denial(self, now: float, tokens: int, priority: Priority) -> Denial | None:
        """The limit that takes longest to say yes; None when all do."""
        is_low, rate, day = priority is Priority.LOW, self._rate, self.day
        worst: Denial | None = None
        if (slots := self._slots) is not None and self.in_flight >= slots.capacity - (
            spare := _spare(slots.capacity, is_low=is_low)
        ):
            self._lacks(MAX_CONCURRENT, 1, now, spare)
            worst = Denial(MAX_CONCURRENT, UNKNOWN, may_end_early=True)
        for name, meter, amount in ((REQUESTS, self._requests, 1), (TOKENS, self._tokens, tokens)):
            if meter is not None and not meter.fits(amount, now, spare := _spare(meter.capacity, is_low=is_low)):
                worst = _longer(worst, self._refusal(name, meter, amount, now, spare, is_low=is_low))
        for name, limit, used, amount in (
            ("requests_per_day", rate.requests_per_day, day.requests(now), 1),
            ("tokens_per_day", rate.tokens_per_day, day.tokens(now), tokens),
        ):
            if limit is not None and used + amount > (most := limit - _spare(limit, is_low=is_low)):
                worst = _longer(worst, Denial(name, math.inf if amount > most else day.left(now)))
        return worst

    def _refusal(self, name: str, meter: Meter, amount: int, now: float, spare: int, *, is_low: bool) -> Denial:
        if amount > meter.limit - _spare(meter.limit, is_low=is_low):
            return Denial(name, math.inf)
        if self._lacks(name, amount, now, spare):
            return Denial(name, UNKNOWN, may_end_early=True)
        wait = meter.available_at(amount, now, spare) - now
        return Denial(name, wait, may_end_early=meter is self._tokens and self.in_flight > 0)

    def _lacks(self, name: str, amount: int, now: float, spare: int) -> bool:
        """Whether room that is missing here may be had from other processes, who are asked for it."""
        portion = self.portions.get(name)
        if portion is None or not portion.lacks(amount, now, spare) or self._short is None:
            return False
        self._short()
        return True


def _spare(limit: int, *, is_low: bool) -> int:
    return limit // _KEPT_FREE if is_low else 0


def _longer(one: Denial | None, other: Denial) -> Denial:
    return other if one is None or other.retry_after > one.retry_after else one
