"""Routing policies: the order in which targets are tried, one class per policy."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Final, Protocol

from app.domain.routing import Candidate, PolicyName, RoutingQuery
from app.domain.target import Circuit, Target
from app.routing.expectations import QUALITY_FLOOR, accuracy, dependability, expected_cost

READ_THE_PAST: Final = frozenset(
    {PolicyName.HEALTH_BASED, PolicyName.COST_AWARE, PolicyName.LATENCY_AWARE, PolicyName.ACCURACY_FIRST}
)
"""The policies that go by success rates and latencies: figures that cost something to read off a window."""

_MOST_ROTATIONS: Final = 1000
_PRIORITY: Final = attrgetter("priority")


class RoutingPolicy(Protocol):
    """An order of candidates. `says` tells a reader why one came first."""

    says: str

    def order(self, candidates: Sequence[Candidate], query: RoutingQuery, /) -> list[Candidate]:
        """The candidates, best first; none is dropped."""
        ...

    def score(self, candidate: Candidate, query: RoutingQuery, /) -> float | None:
        """The figure the order came from; None where it came from none."""
        ...


def build_policies(rng: random.Random, exploration: float = 0.0) -> Mapping[PolicyName, RoutingPolicy]:
    """Every policy under its name. `exploration` is the share of requests by which accuracy finds out about others."""
    return {
        PolicyName.PRIORITY: PriorityOrder(),
        PolicyName.ROUND_ROBIN: RoundRobin(),
        PolicyName.HEALTH_BASED: HealthBased(),
        PolicyName.LEAST_RECENTLY_USED: LeastRecentlyUsed(),
        PolicyName.WEIGHTED: Weighted(rng),
        PolicyName.COST_AWARE: CostAware(),
        PolicyName.LATENCY_AWARE: LatencyAware(),
        PolicyName.ACCURACY_FIRST: AccuracyFirst(rng, exploration),
    }


class PriorityOrder:
    """The operator's order: lowest priority first."""

    says = "lowest configured priority first"

    def order(self, candidates: Sequence[Candidate], _query: RoutingQuery) -> list[Candidate]:
        return sorted(candidates, key=_PRIORITY)

    def score(self, candidate: Candidate, _query: RoutingQuery) -> float | None:
        return float(candidate.priority)


class RoundRobin:
    """Everyone in turn. Each set of candidates has its own turn, so that one set does not skew another's."""

    says = "each in turn"

    def __init__(self) -> None:
        self._turns: dict[tuple[Target, ...], int] = {}

    def order(self, candidates: Sequence[Candidate], query: RoutingQuery) -> list[Candidate]:
        if not candidates:
            return []
        key = tuple(candidate.target for candidate in candidates)
        if len(self._turns) >= _MOST_ROTATIONS and key not in self._turns:
            self._turns.clear()
        turn = self._turns.get(key, 0)
        if not query.is_rehearsal:
            self._turns[key] = (turn + 1) % len(candidates)
        return [*candidates[turn:], *candidates[:turn]]

    def score(self, _candidate: Candidate, _query: RoutingQuery) -> float | None:
        return None


class LeastRecentlyUsed:
    """The one that rested longest."""

    says = "least recently used first"

    def order(self, candidates: Sequence[Candidate], _query: RoutingQuery) -> list[Candidate]:
        return sorted(candidates, key=lambda candidate: (candidate.last_used, candidate.priority))

    def score(self, candidate: Candidate, _query: RoutingQuery) -> float | None:
        return candidate.last_used


class Weighted:
    """At random, in proportion to the configured weights; a weight of 0 comes last."""

    says = "at random by weight"

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def order(self, candidates: Sequence[Candidate], _query: RoutingQuery) -> list[Candidate]:
        return sorted(candidates, key=self._lot)

    def score(self, candidate: Candidate, _query: RoutingQuery) -> float | None:
        return candidate.weight

    def _lot(self, candidate: Candidate) -> float:
        """The first of several exponential clocks rings in proportion to its rate."""
        return self._rng.expovariate(candidate.weight) if candidate.weight > 0 else math.inf


class HealthBased:
    """The healthiest: success rate of the last minutes in steps of a tenth, then priority, then latency."""

    says = "healthiest first, by recent success rate"

    def order(self, candidates: Sequence[Candidate], _query: RoutingQuery) -> list[Candidate]:
        return sorted(candidates, key=_illness)

    def score(self, candidate: Candidate, _query: RoutingQuery) -> float | None:
        return candidate.success_rate


class LatencyAware:
    """The one that most surely answers this request before its deadline; in steps of a hundredth, then the fastest.

    One never measured goes first, or it never would be; one that only failed goes last.
    """

    says = "least likely to miss the deadline first, then lowest p95 latency"

    def order(self, candidates: Sequence[Candidate], _query: RoutingQuery) -> list[Candidate]:
        return sorted(candidates, key=lambda one: (_risk(one), _slowness(one), one.priority))

    def score(self, candidate: Candidate, _query: RoutingQuery) -> float | None:
        return candidate.miss_chance


class CostAware:
    """The one with which this request is expected to cost least.

    Whoever fails too often goes behind all others, and behind a known price what is not known: it is not free.
    """

    says = "lowest expected cost of this request first"

    def order(self, candidates: Sequence[Candidate], query: RoutingQuery) -> list[Candidate]:
        def key(candidate: Candidate) -> tuple[bool, bool, Decimal, int]:
            cost = expected_cost(candidate, query)
            is_poor = dependability(candidate) < QUALITY_FLOOR
            return is_poor, cost is None, Decimal(0) if cost is None else cost, candidate.priority

        return sorted(candidates, key=key)

    def score(self, candidate: Candidate, query: RoutingQuery) -> float | None:
        cost = expected_cost(candidate, query)
        return None if cost is None else float(cost)


class AccuracyFirst:
    """The one most likely to answer usably and right. Who has no record of graded decisions counts with the prior.

    Once somebody has one, a small share of requests goes to another all the same: who is never asked is never graded,
    and whoever was unlucky first would stay behind for good.
    """

    says = "most often right in graded decisions first, now and then another to learn about it"

    def __init__(self, rng: random.Random, exploration: float) -> None:
        self._rng = rng
        self._exploration = exploration

    def order(self, candidates: Sequence[Candidate], query: RoutingQuery) -> list[Candidate]:
        best = sorted(candidates, key=lambda candidate: (-_right(candidate), candidate.priority))
        if query.is_rehearsal or len(best) < 2 or not any(map(_is_proven, best)):
            return best
        if self._rng.random() >= self._exploration:
            return best
        return [best.pop(self._rng.randrange(1, len(best))), *best]

    def score(self, candidate: Candidate, _query: RoutingQuery) -> float | None:
        is_heard_of = candidate.success_rate is not None or candidate.grade is not None
        return _right(candidate) if is_heard_of else None


def _right(candidate: Candidate) -> float:
    """The chance of a right answer; who has no record yet has at least to answer."""
    chance = accuracy(candidate.grade)
    return chance if _is_proven(candidate) else chance * _rate(candidate)


def _is_proven(candidate: Candidate) -> bool:
    return candidate.grade is not None and candidate.grade.is_proven


def _illness(candidate: Candidate) -> tuple[bool, float, int, float]:
    is_on_trial = candidate.circuit is not Circuit.CLOSED
    return is_on_trial, -round(_rate(candidate), 1), candidate.priority, candidate.p95 or 0.0


def _rate(candidate: Candidate) -> float:
    # Nothing known speaks for a target: it has not failed anybody.
    return 1.0 if candidate.success_rate is None else candidate.success_rate


def _slowness(candidate: Candidate) -> float:
    if candidate.p95 is not None:
        return candidate.p95
    return 0.0 if candidate.success_rate is None else math.inf


def _risk(candidate: Candidate) -> float:
    if candidate.miss_chance is not None:
        return round(candidate.miss_chance, 2)
    return 0.0 if candidate.success_rate is None else 1.0
