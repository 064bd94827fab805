"""What routing did, as it is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord, HedgeOutcome
from app.domain.errors import Code
from app.domain.target import Target
from app.telemetry.routing_stats import MOST_TARGETS, RoutingStats

THEN = datetime(2026, 11, 21, 9, tzinfo=UTC)


def attempt(request: str, provider: str, kind: AttemptKind, outcome: AttemptOutcome, **more: Any) -> AttemptRecord:
    return AttemptRecord(request, 1, Target(provider, "m"), kind, outcome, THEN, 0.1, **more)


def stats(*records: AttemptRecord) -> dict[str, Any]:
    counting = RoutingStats(lambda: THEN)
    for record in records:
        counting.attempt_finished(record)
    return counting.report()


def test_retries_and_fallbacks_are_told_by_what_failed_and_by_target() -> None:
    told = stats(
        attempt("r1", "a", AttemptKind.FIRST, AttemptOutcome.ERROR, code=Code.PROVIDER_OVERLOADED),
        attempt("r2", "a", AttemptKind.FIRST, AttemptOutcome.OK),
        attempt("r1", "b", AttemptKind.FALLBACK, AttemptOutcome.ERROR, code=Code.PROVIDER_TIMEOUT),
        attempt("r1", "a", AttemptKind.RETRY, AttemptOutcome.OK),
        attempt("r3", "a", AttemptKind.FIRST, AttemptOutcome.SKIPPED, code=Code.RATE_LIMIT),
        attempt("r3", "b", AttemptKind.FALLBACK, AttemptOutcome.CANCELLED, code=Code.CANCELLED),
    )

    assert told["since"] == "2026-11-21T09:00:00.000Z"
    assert told["fallbacks_by_code"] == {"provider_overloaded": 1, "policy_rate_limit": 1}
    assert told["failures_by_code"]["provider_timeout"] == 1
    assert told["targets"] == [
        {
            "target": "a/m", "attempts": 3, "ok": 2, "error": 1, "cancelled": 0, "skipped": 1, "retries": 1,
            "fallbacks": 0, "hedges": 0,
        },
        {
            "target": "b/m", "attempts": 2, "ok": 0, "error": 1, "cancelled": 1, "skipped": 0, "retries": 0,
            "fallbacks": 2, "hedges": 0,
        },
    ]  # fmt: skip
    totals = ("attempts", "ok", "error", "cancelled", "skipped", "retries", "fallbacks")
    assert all(told[name] == sum(row[name] for row in told["targets"]) for name in totals)


def test_requests_for_which_only_ejected_targets_were_left_are_told() -> None:
    counting = RoutingStats(lambda: THEN)
    assert counting.report()["panic"] == {"requests": 0, "admitted": 0, "last_at": None}

    for is_admitted in (True, False, False):
        counting.panicked(is_admitted)

    assert counting.report()["panic"] == {"requests": 3, "admitted": 1, "last_at": "2026-11-21T09:00:00.000Z"}


def test_hedges_are_told_by_target_and_by_what_became_of_them() -> None:
    counting = RoutingStats(lambda: THEN)
    counting.attempt_finished(attempt("r1", "a", AttemptKind.FIRST, AttemptOutcome.CANCELLED))
    counting.attempt_finished(attempt("r1", "b", AttemptKind.HEDGE, AttemptOutcome.OK))
    counting.hedge_ended(HedgeOutcome.WON)
    counting.hedge_ended(HedgeOutcome.DENIED)

    told = counting.report()

    assert (told["hedges"], [row["hedges"] for row in told["targets"]]) == (1, [0, 1])
    assert told["hedges_by_outcome"] == {"won": 1, "lost": 0, "failed": 0, "denied": 1}
    assert told["fallbacks"] == 0


def test_targets_that_callers_make_up_do_not_fill_the_memory() -> None:
    told = stats(*(attempt("r", f"p{i}", AttemptKind.FIRST, AttemptOutcome.OK) for i in range(MOST_TARGETS + 5)))

    assert len(told["targets"]) == MOST_TARGETS
    assert told["attempts"] == MOST_TARGETS + 5
