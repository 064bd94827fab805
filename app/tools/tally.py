"""What the rounds of one request come to, together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from app.domain.attempt import AttemptOutcome, AttemptRecord
from app.domain.errors import OutcryError, Trail
from app.domain.routing import Plan
from app.domain.usage import Usage, UsageSource, summed


@dataclass(slots=True)
class Tally:
    """Sums over rounds; one that is unknown of any round is unknown. `plan` is the first round's.

    `rounds` counts those that were added; `overhead` is seconds.
    """

    plan: Plan | None = None
    rounds: int = 0
    attempts: tuple[AttemptRecord, ...] = ()
    warnings: tuple[str, ...] = ()
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    overhead: float = 0.0

    def add(
        self,
        attempts: Sequence[AttemptRecord],
        warnings: Iterable[str],
        usage: Usage | None,
        cost_usd: Decimal | None,
        overhead: float,
    ) -> None:
        """One round more."""
        self.usage = usage if not self.rounds else added(self.usage, usage)
        self.cost_usd = cost_usd if not self.rounds else summed((self.cost_usd, cost_usd))
        self.attempts = (*self.attempts, *attempts)
        self.overhead += overhead
        self.rounds += 1
        self.warn(*warnings)

    def warn(self, *warnings: str) -> None:
        """Say something, once."""
        self.warnings = tuple(dict.fromkeys((*self.warnings, *warnings)))

    def followed(self, error: OutcryError) -> OutcryError:
        """The error of a later round, whose trail counts what went before it."""
        before = sum(one.outcome is not AttemptOutcome.SKIPPED for one in self.attempts)
        trail = error.trail
        error.trail = replace(
            trail,
            attempts=trail.attempts + before,
            overhead=trail.overhead + self.overhead,
            has_plan=trail.has_plan or self.plan is not None,
            cost_usd=self._with(trail),
        )
        return error

    def _with(self, trail: Trail) -> Decimal | None:
        """Dollars up to an error; a round that was billed nothing adds nothing."""
        if not self.rounds:
            return trail.cost_usd
        return self.cost_usd if trail.cost_usd is None else summed((self.cost_usd, trail.cost_usd))


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    """Both together; None when either is unknown."""
    if one is None or other is None:
        return None
    is_estimate = UsageSource.ESTIMATED in (one.source, other.source)
    return Usage(
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
        cached_tokens=one.cached_tokens + other.cached_tokens,
        cache_write_tokens=one.cache_write_tokens + other.cache_write_tokens,
        reasoning_tokens=one.reasoning_tokens + other.reasoning_tokens,
        source=UsageSource.ESTIMATED if is_estimate else UsageSource.REPORTED,
        reported_cost=summed((one.reported_cost, other.reported_cost)),
    )
