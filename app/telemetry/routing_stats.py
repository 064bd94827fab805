"""What routing did since the process started: attempts, retries and fallbacks by code and by target."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.telemetry.causes import FallbackCauses

MOST_TARGETS: Final = 1000


class RoutingStats:
    """Counts the attempts it hears of; the targets least recently heard of are forgotten beyond 1,000."""

    def __init__(self, wall: Callable[[], datetime]) -> None:
        self._since = wall()
        self._causes = FallbackCauses()
        self._all: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()
        self._fallbacks: Counter[str] = Counter()
        self._targets: OrderedDict[str, Counter[str]] = OrderedDict()

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Count one attempt."""
        cause = self._causes.of(record)
        if cause is not None:
            self._fallbacks[cause or "unknown"] += 1
        if record.code is not None and record.outcome is not AttemptOutcome.OK:
            self._failures[record.code] += 1
        for counts in (self._all, self._counts(str(record.target))):
            counts[record.outcome] += 1
            if record.outcome is not AttemptOutcome.SKIPPED:
                counts["attempts"] += 1
            if record.kind is not AttemptKind.FIRST:
                counts[record.kind] += 1

    def report(self) -> dict[str, Any]:
        """The body of `GET /routing/stats`."""
        return {
            "since": self._since.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **_row(self._all),
            "failures_by_code": dict(self._failures.most_common()),
            "fallbacks_by_code": dict(self._fallbacks.most_common()),
            "targets": [{"target": target, **_row(counts)} for target, counts in sorted(self._targets.items())],
        }

    def _counts(self, target: str) -> Counter[str]:
        counts = self._targets.get(target)
        if counts is None:
            counts = self._targets[target] = Counter()
            if len(self._targets) > MOST_TARGETS:
                self._targets.popitem(last=False)
        else:
            self._targets.move_to_end(target)
        return counts


def _row(counts: Counter[str]) -> dict[str, int]:
    """`skipped` sent nothing and are no attempts; the other outcomes add up to `attempts`."""
    return {
        "attempts": counts["attempts"],
        **{outcome.value: counts[outcome] for outcome in AttemptOutcome if outcome is not AttemptOutcome.CACHED},
        "retries": counts[AttemptKind.RETRY],
        "fallbacks": counts[AttemptKind.FALLBACK],
    }
