"""The series that attempts are counted in, looked up once for each kind of attempt."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cached_property
from typing import Final

from prometheus_client import Counter, Histogram

from app.domain.attempt import AttemptOutcome
from app.telemetry.families import Families

EMBEDDINGS: Final = "embeddings"
"""The route of Ask that is no chat; its name is also OpenTelemetry's for the operation."""

Count = Callable[[float], None]


class AttemptSeries:
    """How attempts of one operation at one target that ended in one way are counted.

    A series is made when it is first counted in: until then nobody is told of it.
    """

    def __init__(
        self, families: Families, operation: str, target: tuple[str, str], outcome: AttemptOutcome, code: str
    ) -> None:
        self._families = families
        self._target = target
        self._outcome = (*target, outcome, code)
        error = code or ("" if outcome is AttemptOutcome.OK else outcome)
        self._labels = (operation, *target, error)

    @cached_property
    def attempts(self) -> Count:
        """Counts attempts."""
        return counting(self._families.attempts.labels(*self._outcome))

    @cached_property
    def duration(self) -> Count:
        """Observes seconds."""
        return observing(self._families.duration.labels(*self._labels))

    @cached_property
    def first_chunk(self) -> Count:
        """Observes seconds to the first content."""
        return observing(self._families.first_chunk.labels(*self._labels))

    @cached_property
    def input_tokens(self) -> Count:
        """Observes tokens of a prompt."""
        return observing(self._families.tokens.labels(*self._labels, "input"))

    @cached_property
    def output_tokens(self) -> Count:
        """Observes tokens of an answer."""
        return observing(self._families.tokens.labels(*self._labels, "output"))

    @cached_property
    def spend(self) -> Counter:
        """The dollars of its target, however attempts end."""
        return self._families.spend.labels(*self._target)


def counting(counter: Counter) -> Count:
    """What `counter.inc` does, without asking each time whether it has labels left to fill in."""
    count: Count = counter._value.inc  # noqa: SLF001
    return count


def observing(histogram: Histogram) -> Count:
    """What `histogram.observe` does, without that question and without a walk over all its bounds."""
    total: Count = histogram._sum.inc  # noqa: SLF001
    bounds = histogram._upper_bounds  # noqa: SLF001
    buckets: list[Count] = [bucket.inc for bucket in histogram._buckets]  # noqa: SLF001

    def observe(amount: float) -> None:
        total(amount)
        buckets[bisect_left(bounds, amount)](1)

    return observe
