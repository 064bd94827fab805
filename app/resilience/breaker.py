"""Circuit breaker: closed -> open -> half-open -> closed.

closed ──(failures in a row, or a share of the window)──> open
  ^                                                        │  time is up, or a free probe succeeded,
  │                                                        v  or the last resort was asked for
  └──(successes)── half-open: one call at a time ──(a failure)──> open, longer than before
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Final

from app.domain.target import Circuit
from app.resilience.window import Tally

_JITTER: Final = 0.1


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens and closes; durations in seconds.

    It opens after `failures` in a row, or when `ratio` of at least `minimum` calls within `window` failed; for
    `open_seconds` times the number of ejections, at most `max_open_seconds`. `successes` in half-open close it.
    `last_resort` is how often an open circuit may be tried early when nothing else is left.
    """

    failures: int = 5
    ratio: float = 0.5
    minimum: int = 20
    window: float = 10.0
    open_seconds: float = 30.0
    max_open_seconds: float = 300.0
    successes: int = 2
    last_resort: float = 5.0


class Breaker:
    """Keeps calls away from what is failing. Whoever acquires reports exactly once: succeeded, failed or released.

    Reports may say when their call `started`: one that went out before the last change of state says nothing about
    the present state, and is not mistaken for the probe's. `resorted_at` is when it was last half-opened early.
    """

    __slots__ = (
        "_calls",
        "_circuit",
        "_closed_at",
        "_faults",
        "_in_a_row",
        "_last_resort_at",
        "_open_until",
        "_probe_since",
        "_resume_until",
        "_rng",
        "_rules",
        "_since",
        "_successes",
        "ejections",
        "resorted_at",
    )

    def __init__(self, rules: BreakerRules, rng: random.Random) -> None:
        self._rules = rules
        self._rng = rng
        self._calls = Tally(rules.window)
        self._faults = Tally(rules.window)
        self._last_resort_at = -math.inf
        self.resorted_at = -math.inf
        self._open_until = -math.inf
        self._resume_until = -math.inf
        self._probe_since: float | None = None
        self.ejections = 0
        self._enter(Circuit.CLOSED, -math.inf)

    def circuit(self, now: float) -> Circuit:
        """The state at this moment."""
        if self._circuit is Circuit.OPEN and now >= self._open_until:
            self._enter(Circuit.HALF_OPEN, self._open_until)
        return self._circuit

    def try_acquire(self, now: float) -> bool:
        """Whether one call may go out now. In half-open, only one caller at a time hears yes.

        A caller that never reports back is given up after `open_seconds`: a lost probe must not lock the door.
        """
        if self._circuit is Circuit.CLOSED:
            return True
        if self.circuit(now) is Circuit.OPEN or self._has_probe(now):
            return False
        self._probe_since = now
        return True

    def succeeded(self, now: float, *, started: float | None = None) -> None:
        """The call went well."""
        if self._is_stale(now, started):
            return
        if self._circuit is Circuit.CLOSED:
            self._in_a_row = 0
            self._calls.add(now)
            return
        self._probe_since = None
        self._successes += 1
        if self._successes >= self._rules.successes:
            self._enter(Circuit.CLOSED, now)

    def failed(self, now: float, *, started: float | None = None) -> None:
        """The call failed by the provider's fault."""
        if self._is_stale(now, started):
            return
        if self._circuit is Circuit.HALF_OPEN:
            self._reopen(now)
            return
        self._in_a_row += 1
        self._calls.add(now)
        self._faults.add(now)
        if self._is_too_much(now):
            self._eject(now)

    def released(self, now: float, *, started: float | None = None) -> None:
        """The call says nothing about the provider's health (4xx, 429, a cancelled one): its slot comes back."""
        if not self._is_stale(now, started):
            self._probe_since = None

    def probed(self, now: float) -> None:
        """A free probe succeeded: an open circuit need not wait any longer."""
        if self.circuit(now) is Circuit.OPEN:
            self._enter(Circuit.HALF_OPEN, now)

    def try_last_resort(self, now: float) -> bool:
        """Half-open an open circuit early because no other target is left; at most once in `last_resort` seconds.

        The ejection counts as the first: whoever comes right after it would only hear the same failure again.
        A failure then costs nothing but the rest of the time that was to wait anyway.
        """
        if self.circuit(now) is not Circuit.OPEN or now - self._last_resort_at < self._rules.last_resort:
            return False
        self._last_resort_at = self.resorted_at = now
        resume_until = self._open_until
        self._enter(Circuit.HALF_OPEN, now)
        self._resume_until = resume_until
        return True

    def retry_after(self, now: float) -> float:
        """Seconds until a call may be let through; 0 when one may go now."""
        circuit = self.circuit(now)
        if circuit is Circuit.OPEN:
            return self._open_until - now
        # When the probe ends is anybody's guess; a second is what a typical answer takes.
        return 1.0 if circuit is Circuit.HALF_OPEN and self._has_probe(now) else 0.0

    def open_until(self, now: float) -> float:
        """Until when it is open; negative infinity when it is not."""
        return self._open_until if self.circuit(now) is Circuit.OPEN else -math.inf

    def ejected_elsewhere(self, until: float, now: float) -> None:
        """Another process has ejected it until then: open as long here. A trial that is under way here goes on.

        It counts as no ejection: the next one here lasts as long as if this had not been.
        """
        circuit = self.circuit(now)
        if until <= now or circuit is Circuit.HALF_OPEN:
            return
        if circuit is Circuit.CLOSED:
            self._last_resort_at = now
            self._enter(Circuit.OPEN, now)
        self._open_until = max(self._open_until, until)

    def reset(self, now: float) -> None:
        """Close and forget, by hand."""
        self.ejections = 0
        self._enter(Circuit.CLOSED, now)

    def _is_stale(self, now: float, started: float | None) -> bool:
        """Whether a report is about an earlier state than the present one."""
        if self._circuit is Circuit.CLOSED:
            return started is not None and started < self._since
        circuit = self.circuit(now)
        if started is not None and started < self._since:
            return True
        return circuit is Circuit.OPEN or (circuit is Circuit.HALF_OPEN and self._probe_since is None)

    def _has_probe(self, now: float) -> bool:
        return self._probe_since is not None and now < self._probe_since + self._rules.open_seconds

    def _is_too_much(self, now: float) -> bool:
        if self._in_a_row >= self._rules.failures:
            return True
        calls = self._calls.total(now)
        return calls >= self._rules.minimum and self._faults.total(now) >= self._rules.ratio * calls

    def _reopen(self, now: float) -> None:
        if self._resume_until > now:
            self._open_until = self._resume_until
            self._enter(Circuit.OPEN, now)
        else:
            self._eject(now)

    def _eject(self, now: float) -> None:
        # Ejections of an outage long past should not lengthen today's first one.
        if self._circuit is Circuit.CLOSED and now - self._closed_at >= self._rules.max_open_seconds:
            self.ejections = 0
        self.ejections += 1
        seconds = min(self._rules.open_seconds * self.ejections, self._rules.max_open_seconds)
        # Jittered downwards only, so that replicas spread and the promised ceiling holds.
        self._open_until = now + seconds * (1 - _JITTER * self._rng.random())
        self._last_resort_at = now
        self._enter(Circuit.OPEN, now)

    def _enter(self, circuit: Circuit, now: float) -> None:
        self._circuit = circuit
        self._since = now
        self._in_a_row = 0
        self._successes = 0
        self._probe_since = None
        self._resume_until = -math.inf
        if circuit is Circuit.CLOSED:
            self._closed_at = now
            self._calls.clear()
            self._faults.clear()
