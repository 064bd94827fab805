"""Retries: how long to wait before one, and how many a target may be burdened with."""

from __future__ import annotations

import random
from dataclasses import dataclass

from app.resilience.window import Tally


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How a request is tried again; durations in seconds.

    `max_retries`: attempts after the first, over all targets. `base`, `cap`: the backoff before jitter. Retries may
    be `budget_ratio` of a target's first attempts in `budget_window`, plus `budget_floor`. `patience`: the longest
    Retry-After waited for while another target is healthy. `least_remaining`: below it no further attempt starts.
    `share`: the most of the remaining time that one attempt may take while an untried target is left.
    """

    max_retries: int = 2
    base: float = 0.2
    cap: float = 5.0
    budget_ratio: float = 0.2
    budget_floor: int = 3
    budget_window: float = 10.0
    patience: float = 2.0
    least_remaining: float = 0.5
    share: float = 0.6


def full_jitter(attempt: int, rules: RetryRules, rng: random.Random) -> float:
    """Seconds to wait after the `attempt`-th attempt (1 is the first): anything up to the exponential backoff."""
    # 2 ** 30 times any base is over any cap; a larger power would only grow the integer.
    return rng.uniform(0.0, min(rules.cap, rules.base * 2.0 ** min(max(attempt - 1, 0), 30)))


class RetryBudget:
    """Keeps retries and hedges from multiplying the load on a target that is in trouble.

    Only first attempts earn budget: were retries to earn it too, each one would pay a part of the next.
    """

    __slots__ = ("_attempts", "_rules", "_spent")

    def __init__(self, rules: RetryRules) -> None:
        self._rules = rules
        self._attempts = Tally(rules.budget_window)
        self._spent = Tally(rules.budget_window)

    def record(self, now: float) -> None:
        """An attempt goes out: every one, also a retry that was paid for."""
        self._attempts.add(now)

    def try_spend(self, now: float) -> bool:
        """Whether a retry or hedge may go out now; yes pays for it."""
        spent = self._spent.total(now)
        first_attempts = self._attempts.total(now) - spent
        # The next one included: 20 % of five attempts is one retry, plus the floor.
        if spent + 1 > self._rules.budget_ratio * first_attempts + self._rules.budget_floor:
            return False
        self._spent.add(now)
        return True
