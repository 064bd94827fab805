"""Retries wait with jitter and never multiply the load."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from app.resilience.retry import RetryBudget, RetryRules, full_jitter

RULES = RetryRules()


@given(st.integers(1, 10_000), st.integers(0, 2**32))
def test_backoff_is_anything_up_to_the_capped_exponential(attempt: int, seed: int) -> None:
    wait = full_jitter(attempt, RULES, random.Random(seed))

    assert 0.0 <= wait <= min(RULES.cap, RULES.base * 2 ** min(attempt - 1, 30))


def test_backoff_spreads_over_its_whole_range() -> None:
    rng = random.Random(7)
    waits = [full_jitter(3, RULES, rng) for _ in range(500)]

    assert min(waits) < 0.05
    assert max(waits) > 0.75


def _tried(budget: RetryBudget, now: float, retries: int) -> int:
    """The attempts of one call that always fails."""
    budget.record(now)
    attempts = 1
    while attempts <= retries and budget.try_spend(now):
        budget.record(now)
        attempts += 1
    return attempts


@given(st.integers(0, 2**32), st.floats(0.0, 0.16))
def test_500_calls_to_one_failing_upstream_make_at_most_620_attempts(seed: int, longest_gap: float) -> None:
    budget, rng, attempts, now = RetryBudget(RULES), random.Random(seed), 0, 0.0
    for _ in range(500):
        now += rng.uniform(0.0, longest_gap)
        attempts += _tried(budget, now, RULES.max_retries)

    assert attempts <= 620
    # Nor does the budget forbid what it allows: a fifth of the calls may be tried again.
    assert attempts >= 598


def test_calls_that_fail_together_share_the_budget() -> None:
    budget = RetryBudget(RULES)
    for _ in range(500):
        budget.record(1000.0)

    assert _tried(budget, 1000.0, 1000) - 1 == 103


def test_a_quiet_target_may_be_retried() -> None:
    assert _tried(RetryBudget(RULES), 1000.0, 10) == 1 + 3


def test_the_budget_comes_back_after_its_window() -> None:
    budget = RetryBudget(RULES)
    _tried(budget, 1000.0, 10)
    assert _tried(budget, 1009.0, 10) == 1

    assert _tried(budget, 1011.0, 10) > 1
