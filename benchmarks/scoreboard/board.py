"""A row of the scoreboard, and what a group of rows gets to work with.

A group is a function that takes a `Stage` and yields rows; its docstring says what it does. `groups.py` lists them by
name.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


class Rule(StrEnum):
    """How a figure has to stand to its bound."""

    AT_MOST = "at most"
    AT_LEAST = "at least"
    EXACTLY = "exactly"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its bound, in `unit`.

    `section` is where it was promised, `fault` what was done to produce it, `seen` how often and what else.
    """

    section: str
    promise: str
    fault: str
    measured: float
    bound: float
    unit: str = ""
    seen: str = ""
    rule: Rule = Rule.AT_MOST

    @property
    def holds(self) -> bool:
        """Whether the promise was kept. What is no number was not measured, and so does not hold."""
        match self.rule:
            case Rule.AT_MOST:
                return self.measured <= self.bound
            case Rule.AT_LEAST:
                return self.measured >= self.bound
            case Rule.EXACTLY:
                return self.measured == self.bound

    @property
    def is_count(self) -> bool:
        """Whether it counts things, which is the same on every machine; times, sizes and ratios are not."""
        return not self.unit


def unmeasured(name: str, error: Exception) -> Row:
    """The row of a group that could not go on: never hidden, never kept."""
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return Row("-", f"the group `{name}` can be measured", "-", float("nan"), 0, "", said)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where and how much a group measures: a folder of its own, full or short, and chance that can be repeated."""

    folder: Path
    is_full: bool
    rng: random.Random

    def pick(self, full: T, short: T) -> T:
        """How much of something."""
        return full if self.is_full else short


Group = Callable[[Stage], Iterator[Row]]


def spread(samples: Sequence[float], unit: str = "ms", scale: float = 1e3) -> str:
    """Median, worst and how many; seconds become milliseconds unless told otherwise."""
    middle, worst = statistics.median(samples) * scale, max(samples) * scale
    return f"median {middle:.1f} {unit}, worst {worst:.1f} {unit}, n = {len(samples)}"


def percentile(samples: Sequence[float], share: float) -> float:
    """The nearest-rank percentile, `share` in 0..1; nan without any."""
    if not samples:
        return float("nan")
    ordered = sorted(samples)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]
