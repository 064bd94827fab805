"""What routing did since the process started: attempts, retries, fallbacks and hedges, by code and by target."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord, HedgeOutcome
from app.telemetry.causes import FallbackCauses

MOST_TARGETS: Final = 1000


class RoutingStats:
    """Counts the attempts it hears of; the targets least recently heard of are forgotten beyond 1,000."""

    def __init__(self, wall: Callable[[], datetime]) -> None:
        self._wall = wall
        self._since = wall()
        self._panics: Counter[bool] = Counter()
        self._last_panic: datetime | None = None
        self._causes = FallbackCauses()
        self._all: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._fallbacks: Counter[str] = Counter()
        self._hedges: Counter[HedgeOutcome] = Counter()
        self._targets: OrderedDict[tuple[str, str], Counter[str]] = OrderedDict()

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Count one attempt."""
        cause = self._causes.of(record)
        if cause is not None:
            self._fallbacks[cause or "unknown"] += 1
        if record.code is not None and record.outcome is not AttemptOutcome.OK:
            self._failures[record.code] += 1
        outcome, kind, target = record.outcome, record.kind, record.target
        for counts in (self._all, self._counts((target.provider, target.model))):
            counts[outcome] += 1
            if outcome is not AttemptOutcome.SKIPPED:
                counts["attempts"] += 1
            if kind is not AttemptKind.FIRST:
                counts[kind] += 1

    def panicked(self, is_admitted: bool) -> None:  # noqa: FBT001 - what the planner tells
        """Count a request for which only ejected targets were left."""
        self._panics[is_admitted] += 1
        self._last_panic = self._wall()

    def hedge_ended(self, outcome: HedgeOutcome) -> None:
        """Count what became of a hedge."""
        self._hedges[outcome] += 1

    def report(self) -> dict[str, Any]:
        """The body of `GET /routing/stats`."""
        named = {f"{provider}/{model}": counts for (provider, model), counts in self._targets.items()}
        return {
            "since": _iso(self._since),
            **_row(self._all),
            "failures_by_code": dict(self._failures.most_common()),
            "fallbacks_by_code": dict(self._fallbacks.most_common()),
            "panic": {
                "requests": self._panics.total(),
                "admitted": self._panics[True],
                "last_at": None if self._last_panic is None else _iso(self._last_panic),
            },
            "hedges_by_outcome": {outcome.value: self._hedges[outcome] for outcome in HedgeOutcome},
            "targets": [{"target": target, **_row(counts)} for target, counts in sorted(named.items())],
        }

    def _counts(self, target: tuple[str, str]) -> Counter[str]:
        counts = self._targets.get(target)
        if counts is None:
            counts = self._targets[target] = Counter()
            if len(self._targets) > MOST_TARGETS:
                self._targets.popitem(last=False)
        else:
            self._targets.move_to_end(target)
        return counts


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _row(counts: Counter[str]) -> dict[str, int]:
    """`skipped` sent nothing and are no attempts; the other outcomes add up to `attempts`."""
    return {
        "attempts": counts["attempts"],
        **{outcome.value: counts[outcome] for outcome in AttemptOutcome if outcome is not AttemptOutcome.CACHED},
        "retries": counts[AttemptKind.RETRY],
        "fallbacks": counts[AttemptKind.FALLBACK],
        "hedges": counts[AttemptKind.HEDGE],
    }
