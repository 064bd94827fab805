"""What happened lately: counts and samples that forget after a while, in bounded memory."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import Final

_SLICES: Final = 20
_UNREAD: Final = 16
"""Successes after which latencies that nobody asks about are not kept in order: to sort them anew takes 20 us."""


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

    Latencies are those of successes only: a provider that fails at once is not fast. They are kept sorted while
    percentiles are asked for, which may be for every candidate of every request; most windows are hardly looked at.
    """

    __slots__ = ("_max_samples", "_samples", "_seconds", "_sorted", "_successes", "_unread")

    def __init__(self, seconds: float, max_samples: int) -> None:
        self._seconds = seconds
        self._max_samples = max_samples
        self._samples: deque[tuple[float, bool, float]] = deque()
        self._successes = 0
        self._sorted: list[float] | None = None
        self._unread = 0

    def add(self, now: float, ok: bool, latency: float) -> None:  # noqa: FBT001 - an outcome is what this is about
        """One outcome; `latency` in seconds is kept for a success."""
        samples = self._samples
        while samples and (len(samples) >= self._max_samples or samples[0][0] + self._seconds <= now):
            self._drop()
        samples.append((now, ok, latency))
        if ok:
            self._successes += 1
            if self._sorted is not None:
                self._keep_sorted(self._sorted, latency)

    def count(self, now: float) -> int:
        """How many outcomes are in the window."""
        self._forget(now)
        return len(self._samples)

    def success_rate(self, now: float) -> float | None:
        """Share of successes, 0..1; None without any outcome."""
        self._forget(now)
        return self._successes / len(self._samples) if self._samples else None

    def percentile(self, q: float, now: float, *, least: int = 1) -> float | None:
        """The nearest-rank percentile of the successes' latencies, `q` in 0..1; None with fewer than `least`."""
        self._forget(now)
        if self._successes < least:
            return None
        self._unread = 0
        if self._sorted is None:
            self._sorted = sorted([latency for _, ok, latency in self._samples if ok])
        return self._sorted[max(math.ceil(q * self._successes) - 1, 0)]

    def _keep_sorted(self, latencies: list[float], latency: float) -> None:
        self._unread += 1
        if self._unread > _UNREAD:
            self._sorted = None
        else:
            insort(latencies, latency)

    def _forget(self, now: float) -> None:
        while self._samples and self._samples[0][0] + self._seconds <= now:
            self._drop()

    def _drop(self) -> None:
        _, ok, latency = self._samples.popleft()
        if ok:
            self._successes -= 1
            if self._sorted is not None:
                del self._sorted[bisect_left(self._sorted, latency)]
