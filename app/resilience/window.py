"""What happened lately: counts and samples that forget after a while, in bounded memory."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Final

_SLICES: Final = 20


class Tally:
    """How often something happened in the last `seconds`, in constant memory.

    Counted in slices of a twentieth, so that what is between `seconds` and 1.05 times as old may still count.
    """

    __slots__ = ("_slice", "_slices", "_total")

    def __init__(self, seconds: float) -> None:
        self._slice = seconds / _SLICES
        self._slices: deque[list[int]] = deque()
        self._total = 0

    def add(self, now: float, count: int = 1) -> None:
        """It happened `count` times; a negative count takes back."""
        slices = self._slices
        index = math.floor(now / self._slice)
        if slices and slices[-1][0] >= index:
            # What is too old for the newest slice was forgotten when that began.
            slices[-1][1] += count
        else:
            self._forget(now)
            slices.append([index, count])
        self._total += count

    def total(self, now: float) -> int:
        """How often, lately; never negative."""
        self._forget(now)
        return max(self._total, 0)

    def clear(self) -> None:
        """Forget everything."""
        self._slices.clear()
        self._total = 0

    def _forget(self, now: float) -> None:
        oldest = math.floor(now / self._slice) - _SLICES
        while self._slices and self._slices[0][0] < oldest:
            self._total -= self._slices.popleft()[1]


class RollingWindow:
    """The outcomes of the last `seconds`, at most the newest `max_samples` of them.

    Latencies are those of successes only: a provider that fails at once is not fast. They are kept sorted, because a
    percentile is read for every candidate of every request.
    """

    __slots__ = ("_latencies", "_max_samples", "_samples", "_seconds")

    def __init__(self, seconds: float, max_samples: int) -> None:
        self._seconds = seconds
        self._max_samples = max_samples
        self._samples: deque[tuple[float, bool, float]] = deque()
        self._latencies: list[float] = []

    def add(self, now: float, ok: bool, latency: float) -> None:  # noqa: FBT001 - an outcome is what this is about
        """One outcome; `latency` in seconds is kept for a success."""
        samples = self._samples
        while samples and (len(samples) >= self._max_samples or samples[0][0] + self._seconds <= now):
            self._drop()
        samples.append((now, ok, latency))
        if ok:
            insort(self._latencies, latency)

    def count(self, now: float) -> int:
        """How many outcomes are in the window."""
        self._forget(now)
        return len(self._samples)

    def success_rate(self, now: float) -> float | None:
        """Share of successes, 0..1; None without any outcome."""
        self._forget(now)
        return len(self._latencies) / len(self._samples) if self._samples else None

    def percentile(self, q: float, now: float, *, least: int = 1) -> float | None:
        """The nearest-rank percentile of the successes' latencies, `q` in 0..1; None with fewer than `least`."""
        self._forget(now)
        if len(self._latencies) < least:
            return None
        return self._latencies[max(math.ceil(q * len(self._latencies)) - 1, 0)]

    def _forget(self, now: float) -> None:
        while self._samples and self._samples[0][0] + self._seconds <= now:
            self._drop()

    def _drop(self) -> None:
        _, ok, latency = self._samples.popleft()
        if ok:
            del self._latencies[bisect_left(self._latencies, latency)]
