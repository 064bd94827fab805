"""Arms of an experiment side by side: what each came to, and which differences are more than chance.

Votes of one decision are about one market and one moment, so that an interval counts decisions, not votes: as though
the votes of a decision all said the same, which is the careful side. Decisions are taken to be independent of each
other. The differences are simultaneous (Bonferroni: each at 1 - 0.05 / m of m comparisons): all of them together are
wrong one time in twenty at most. That holds for one look; who looks every hour until a difference shows will see one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import groupby

from app.domain.decision import VoteStatus
from app.domain.experiment import ArmRequest
from app.domain.outcome import CastVote, ScoredVote
from app.outcomes.intervals import Interval, Mean, means_apart, shares_apart, wilson
from app.outcomes.leaderboard import LEAST_RESOLVED
from app.outcomes.panels import UNFINISHED, VALID

LEVEL = 0.95


class Metric(StrEnum):
    """What arms are compared by. The first three are shares, the others means."""

    VALIDITY = "validity"
    HIT_RATE = "hit_rate"
    ANSWERED = "answered"
    DECISION_COST = "decision_cost_usd"
    DECISION_LATENCY = "decision_latency_ms"
    REQUEST_COST = "request_cost_usd"
    REQUEST_LATENCY = "request_latency_ms"


class Verdict(StrEnum):
    """What a difference's interval says of the arm beside the first one."""

    HIGHER = "higher"
    LOWER = "lower"
    NOTHING = "no difference shown"
    TOO_FEW = "insufficient data"


@dataclass(slots=True)
class Share:
    """So many of so many: votes for what they are, `units` (decisions or requests) for how sure that is."""

    hits: int = 0
    total: int = 0
    units: int = 0

    def add(self, hits: int, total: int) -> None:
        """What one more unit came to; one of which there is nothing to say does not count."""
        if total:
            self.hits, self.total, self.units = self.hits + hits, self.total + total, self.units + 1

    @property
    def rate(self) -> float | None:
        """The share, 0..1."""
        return self.hits / self.total if self.total else None

    @property
    def counted(self) -> tuple[float, float]:
        """Hits and n as an interval counts them."""
        return (self.hits * self.units / self.total if self.total else 0.0), self.units

    @property
    def interval(self) -> Interval:
        """Wilson's, 95 %."""
        return wilson(*self.counted)


@dataclass(slots=True)
class ShadowResult:
    """What a model said that was asked beside the decisions."""

    validity: Share = field(default_factory=Share)
    hit_rate: Share = field(default_factory=Share)
    latency: Mean = field(default_factory=Mean)
    cost: Decimal = Decimal(0)
    unpriced: int = 0


@dataclass(slots=True)
class ArmResult:
    """What one arm came to. Costs are dollars, latencies milliseconds; `unpriced` ones are in no mean of costs."""

    decisions: int = 0
    requests: int = 0
    unpriced_decisions: int = 0
    unpriced_requests: int = 0
    decisions_cost: Decimal = Decimal(0)
    requests_cost: Decimal = Decimal(0)
    shares: dict[Metric, Share] = field(
        default_factory=lambda: {m: Share() for m in (Metric.VALIDITY, Metric.HIT_RATE, Metric.ANSWERED)}
    )
    means: dict[Metric, Mean] = field(
        default_factory=lambda: {
            m: Mean()
            for m in (Metric.DECISION_COST, Metric.DECISION_LATENCY, Metric.REQUEST_COST, Metric.REQUEST_LATENCY)
        }
    )

    def decided(self, votes: Sequence[ScoredVote]) -> None:
        """One more decision, by its members' votes; a decision's latency is that of its slowest answer."""
        cast = [scored.vote for scored in votes]
        finished = [vote for vote in cast if vote.status not in UNFINISHED]
        graded = [scored.correct for scored in votes if scored.correct is not None]
        self.decisions += 1
        self.shares[Metric.VALIDITY].add(sum(vote.status in VALID for vote in finished), len(finished))
        self.shares[Metric.HIT_RATE].add(sum(graded), len(graded))
        answered = [vote.latency for vote in finished if vote.latency is not None]
        if answered:
            self.means[Metric.DECISION_LATENCY].add(max(answered) * 1000)
        costs = [vote.cost_usd for vote in cast if vote.cost_usd is not None]
        self.decisions_cost += sum(costs, Decimal(0))
        if any(_is_unpriced(vote) for vote in cast):
            self.unpriced_decisions += 1
        elif costs:
            self.means[Metric.DECISION_COST].add(float(sum(costs)))

    def asked(self, request: ArmRequest) -> None:
        """One more completion; latencies are of answered ones."""
        self.requests += 1
        self.requests_cost += request.cost_usd
        self.shares[Metric.ANSWERED].add(int(request.is_answered), 1)
        if request.is_answered:
            self.means[Metric.REQUEST_LATENCY].add(request.duration * 1000)
        if request.is_unpriced:
            self.unpriced_requests += 1
        else:
            self.means[Metric.REQUEST_COST].add(float(request.cost_usd))


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm's figure less the first one's; `n` are the decisions or requests behind either."""

    metric: Metric
    variant: str
    baseline: str
    n: tuple[int, int]
    difference: float | None
    interval: Interval | None
    verdict: Verdict


class ArmTally:
    """Counts what came of each arm; the votes of one decision come side by side."""

    def __init__(self, variants: Sequence[str]) -> None:
        self.arms: Mapping[str, ArmResult] = {variant: ArmResult() for variant in variants}
        self.shadows: dict[tuple[str, str], ShadowResult] = {}

    def add(self, votes: Iterable[ScoredVote]) -> None:
        """Count these; of other variants nothing."""
        for _, group in groupby(votes, key=lambda vote: vote.vote.decision_id):
            decision = list(group)
            result = self.arms.get(decision[0].variant or "")
            if result is None:
                continue
            members = [vote for vote in decision if not vote.vote.is_shadow]
            if members:
                result.decided(members)
            for vote in decision:
                if vote.vote.is_shadow:
                    self._shadow(vote)

    def _shadow(self, scored: ScoredVote) -> None:
        vote = scored.vote
        result = self.shadows.setdefault((vote.provider, vote.model), ShadowResult())
        is_finished = vote.status not in UNFINISHED
        result.validity.add(int(vote.status in VALID), int(is_finished))
        result.hit_rate.add(int(scored.correct or False), int(scored.correct is not None))
        if is_finished and vote.latency is not None:
            result.latency.add(vote.latency * 1000)
        result.cost += vote.cost_usd or Decimal(0)
        result.unpriced += _is_unpriced(vote)


def differences(arms: Mapping[str, ArmResult], metrics: Sequence[Metric]) -> list[Difference]:
    """Each arm beside the first, by each of these."""
    (baseline, first), *others = arms.items()
    level = 1 - (1 - LEVEL) / max(len(others) * len(metrics), 1)
    return [
        _difference(metric, (variant, result), (baseline, first), level)
        for variant, result in others
        for metric in metrics
    ]


def _difference(metric: Metric, arm: tuple[str, ArmResult], first: tuple[str, ArmResult], level: float) -> Difference:
    (variant, result), (baseline, base) = arm, first
    apart: float | None
    interval: Interval | None
    if metric in result.shares:
        one, other = base.shares[metric], result.shares[metric]
        n = one.units, other.units
        apart = None if one.rate is None or other.rate is None else other.rate - one.rate
        interval = None if apart is None else shares_apart(one.counted, other.counted, level)
    else:
        before, after = base.means[metric], result.means[metric]
        n = before.n, after.n
        apart = after.mean - before.mean if before.n and after.n else None
        interval = means_apart(before, after, level)
    return Difference(metric, variant, baseline, n, apart, interval, _verdict(n, interval))


def _verdict(n: tuple[int, int], interval: Interval | None) -> Verdict:
    if min(n) < LEAST_RESOLVED or interval is None:
        return Verdict.TOO_FEW
    if interval[0] > 0:
        return Verdict.HIGHER
    return Verdict.LOWER if interval[1] < 0 else Verdict.NOTHING


def _is_unpriced(vote: CastVote) -> bool:
    """Whether something was said at a price that nobody knows."""
    answered = VALID | {VoteStatus.INVALID, VoteStatus.TRUNCATED, VoteStatus.REFUSED}
    return vote.cost_usd is None and vote.status in answered
