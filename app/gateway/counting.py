"""How many tokens a prompt has at the target that would be asked first; always said by whom it was counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import anyio.to_thread

from app.domain.attempt import Ask, CountSource, TokenCount
from app.domain.chat import Call, ChatRequest
from app.domain.errors import NotAdmitted, ProviderError
from app.domain.routing import Candidate
from app.gateway.planning import Itinerary, Planner
from app.gateway.timers import TimerRules, cut
from app.providers.pool import Pool

log = logging.getLogger(__name__)


class TokenCounter(Protocol):
    """Counts offline, in whichever thread; may take a part of a second."""

    def count(
        self, model: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] = ()
    ) -> tuple[int, CountSource]:
        """Tokens of a prompt, and whether a tokenizer or an estimate said so."""
        ...


class Counting:
    """Asks the provider where that is free, and counts by itself where it is not, or where the provider is away."""

    def __init__(
        self, pool: Pool, planner: Planner, timers: TimerRules, counter: TokenCounter, now: Callable[[], float]
    ) -> None:
        self._pool = pool
        self._planner = planner
        self._timers = timers
        self._counter = counter
        self._now = now

    async def count(self, ask: Ask, remaining: float) -> TokenCount:
        """The count for an ask of which `remaining` seconds are left; raises OutcryError where it has no target."""
        arrived = self._now()
        itinerary, is_away = self._way(ask)
        step, request = itinerary.plan.steps[0], itinerary.chat_for(itinerary.plan.steps[0].target)
        asked = self._now()
        counted, attempts = (None, 0) if is_away else await self._asked(ask, step, request, remaining)
        waited = self._now() - asked
        if counted is None:
            tokens, source = await self._offline(step.target.model, request)
        else:
            tokens, source = counted, CountSource.PROVIDER
        overhead = self._now() - arrived - waited
        return TokenCount(tokens, source, step.target, attempts, overhead, tuple(itinerary.warnings))

    def _way(self, ask: Ask) -> tuple[Itinerary, bool]:
        """Where the ask would go, and whether nobody is to be asked there: every target is ejected or pauses."""
        try:
            return self._planner.rehearse(ask), False
        except NotAdmitted:
            return self._planner.unhindered(ask), True

    async def _asked(self, ask: Ask, step: Candidate, request: ChatRequest, remaining: float) -> tuple[int | None, int]:
        """What the provider counted, and how often it was asked: not at all where it has no free count."""
        provider = self._pool.provider(step.target.provider)
        if provider is None:
            return None, 0
        timeouts = cut(self._timers.of_target(provider.config.timeouts, is_reasoning=False), remaining, share=0.8)
        call = Call(step.target.model, request, timeouts, step.credential, ask.request_id)
        try:
            counted = await provider.adapter.count_tokens(call)
        except ProviderError as error:
            log.info("a provider did not count", extra={"target": str(step.target), "reason": error.message})
            return None, 1
        return counted, 0 if counted is None else 1

    async def _offline(self, model: str, request: ChatRequest) -> tuple[int, CountSource]:
        tools = request.parameters.get("tools")
        offered = tools if isinstance(tools, list) else ()
        # A long prompt, or a vocabulary that is read for the first time, would be felt by everybody on the loop.
        return await anyio.to_thread.run_sync(self._counter.count, model, request.messages, offered)
