"""What a prompt would be in tokens and dollars at the target that would be asked first; nobody is called."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import anyio.to_thread

from app.domain.attempt import Ask, CountSource
from app.domain.target import Target
from app.domain.usage import Usage, cost_of
from app.gateway.counting import TokenCounter
from app.gateway.planning import Itinerary


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens of a prompt, and dollars for these alone: what is written in answer comes on top. None is unknown."""

    target: Target
    input_tokens: int
    source: CountSource
    cost_usd: Decimal | None
    warnings: tuple[str, ...] = ()


class Rehearsal(Protocol):
    """Plans without anything being used up: the planner."""

    def rehearse(self, ask: Ask) -> Itinerary: ...


class Estimates:
    """Estimates by the plan that the next such request would get."""

    def __init__(self, planner: Rehearsal, counter: TokenCounter) -> None:
        self._planner = planner
        self._counter = counter

    async def of(self, ask: Ask) -> Estimate:
        """The estimate; raises OutcryError where the ask has no target now."""
        itinerary = self._planner.rehearse(ask)
        first = itinerary.plan.steps[0]
        # A long prompt, or a vocabulary that is read for the first time, would be felt by everybody on the loop.
        messages = ask.chat.messages
        tokens, source = await anyio.to_thread.run_sync(self._counter.count, first.target.model, messages, ())
        cost = cost_of(Usage(input_tokens=tokens), first.price)
        return Estimate(first.target, tokens, source, cost, itinerary.warnings)
