"""One request under way: its walk, what was recorded of it, and how far down the ladder each target was asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.domain.attempt import Ask, AttemptKind, AttemptOutcome, AttemptRecord, spent_on
from app.domain.errors import FailureKind, ProviderError, Trail
from app.domain.routing import Candidate
from app.domain.structured import Rung
from app.domain.target import Target
from app.gateway.attempt import Attempt
from app.gateway.planning import Itinerary
from app.gateway.tape import Tape
from app.gateway.walk import Walk
from app.resilience.limits import Permit


@dataclass(slots=True)
class Leg:
    """One step of a journey, on the way; `attempt` is there once it has begun. `rung`: ask for JSON by this one."""

    step: Candidate
    kind: AttemptKind
    attempt: Attempt | None = None
    rung: Rung | None = None


@dataclass(slots=True)
class Journey:
    """`begun` are its attempts so far. `paused` are the seconds it waited between them, `overlap` those that two ran.

    `rungs` has the rung at which each target was asked last, where JSON was.
    `refused` has the lowest rung of the ladder that each target turned out to have no words for.
    `permit` is what a wait at a limit ended with, for the next attempt. `tape` hears its calls, where it is recorded.
    """

    ask: Ask
    itinerary: Itinerary
    walk: Walk
    records: list[AttemptRecord]
    arrived: float
    begun: int = 0
    paused: float = 0.0
    overlap: float = 0.0
    rungs: dict[Target, Rung] = field(default_factory=dict)
    refused: dict[Target, Rung] = field(default_factory=dict)
    permit: Permit | None = None
    tape: Tape | None = None

    def overhead(self, now: float) -> float:
        """What the gateway itself took, in seconds: neither attempts nor the pauses between them."""
        attempts = sum([one.duration for one in self.records]) - self.overlap
        return max(now - self.arrived - self.paused - attempts, 0.0)

    def goes_on(self, error: BaseException) -> bool:
        """Whether another attempt follows this error: one rung lower at the same target, or what the walk says."""
        return self._steps_down(error) or self.walk.goes_on(error)

    def note(self, attempt: Attempt) -> None:
        """Keep the record of a finished attempt."""
        if attempt.record is not None and attempt.record not in self.records:
            self.records.append(attempt.record)

    def take_permit(self) -> Permit | None:
        """The permit that was waited for; whoever takes it settles or refunds it."""
        permit, self.permit = self.permit, None
        return permit

    def trail(self, now: float, *, under_way: int = 0) -> Trail:
        """What was done so far, for headers and the record."""
        step, plan = self.walk.step, self.itinerary.plan
        return Trail(
            target=step.target,
            attempts=sum(one.outcome is not AttemptOutcome.SKIPPED for one in self.records) + under_way,
            is_fallback=step.target != plan.steps[0].target,
            is_final=True,
            has_plan=True,
            overhead=self.overhead(now),
            is_live=self.tape is not None,
            cost_usd=spent_on(self.records),
        )

    def _steps_down(self, error: BaseException) -> bool:
        """Some formats are impossible only beside other things in the request; which ones, the codec knows."""
        if not isinstance(error, ProviderError) or error.kind is not FailureKind.UNSUPPORTED:
            return False
        rung = self.rungs.get(self.walk.step.target)
        if rung in (None, Rung.PROMPT) or not (error.param or "").startswith("response_format"):
            return False
        self.refused[self.walk.step.target] = rung
        self.walk.kind, self.walk.pause = AttemptKind.RETRY, 0.0
        return True
