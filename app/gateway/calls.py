"""One step of a journey, made: the call of its attempt, and what came back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Final, Protocol, TypeVar

from app.domain.chat import Call, Timeouts
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind, ProviderError
from app.domain.kill import NO_STOPS, Stops
from app.domain.ports import Adapter, AttemptObserver
from app.domain.routing import Candidate
from app.domain.target import Target
from app.gateway.attempt import Attempt, Clock
from app.gateway.expected import expected_spend
from app.gateway.finishing import Answered, Embedded, Opened
from app.gateway.journey import Journey, Leg
from app.gateway.rendition import Renderer, Rendition
from app.gateway.stream import commit
from app.gateway.timers import TimerRules, cut
from app.gateway.walk import GRACE
from app.ledger.spending import Payer, Spending
from app.providers.state import ProviderState, TargetState
from app.waiting import Waiting

C = TypeVar("C", Call, EmbedCall)
_NOTABLE: Final = 0.01
"""Seconds of waiting for a budget from which on a call's timers are set anew."""


class Providers(Protocol):
    """The providers and targets that calls are made at: the pool."""

    def provider(self, name: str) -> ProviderState | None: ...
    def state(self, target: Target, credential_id: str) -> TargetState: ...


class Calls:
    """Makes the attempt of one leg of a journey. Raises OutcryError: ProviderError when the attempt failed."""

    def __init__(
        self,
        pool: Providers,
        observers: Sequence[AttemptObserver],
        *,
        timers: TimerRules,
        renderer: Renderer,
        clock: Clock,
        stops: Stops = NO_STOPS,
        spending: Spending | None = None,
    ) -> None:
        self._pool = pool
        self._spending = spending
        self._observers = tuple(observers)
        self._timers = timers
        self._renderer = renderer
        self._clock = clock
        self._stops = stops

    async def complete(self, journey: Journey, leg: Leg) -> Answered:
        """A whole answer."""
        attempt, call, rendition = self._chat_attempt(journey, leg, streamed=False)
        try:
            if self._spending is not None and self._spending.is_set:
                call = await self._reserve(self._spending, journey, leg, attempt, call)
            with attempt:
                with _Bound(attempt, call.timeouts.total):
                    response = await _adapter(journey, attempt, rendition).complete(call)
                    attempt.usage, attempt.length = response.usage, len(response.text)
                    attempt.allow(response.allowance)
                    response = await rendition.settled(response)
                usage = attempt.answered(response.usage)
        finally:
            journey.note(attempt)
        return Answered(attempt, response, usage, rendition)

    async def open(self, journey: Journey, leg: Leg) -> Opened:
        """A stream that has committed; whoever takes it closes it."""
        attempt, call, rendition = self._chat_attempt(journey, leg, streamed=True)
        try:
            if self._spending is not None and self._spending.is_set:
                call = await self._reserve(self._spending, journey, leg, attempt, call)
            async with AsyncExitStack() as stack:
                stack.enter_context(attempt)
                with _Bound(attempt, call.timeouts.total):
                    chunks = await stack.enter_async_context(_adapter(journey, attempt, rendition).stream(call))
                    chunks = self._renderer.remembering(journey.ask, attempt.candidate, rendition.bare(chunks))
                    opening = await commit(chunks, attempt, self._clock.now)
                return Opened(attempt, opening, chunks, stack.pop_all(), rendition)
        finally:
            journey.note(attempt)

    async def embed(self, journey: Journey, leg: Leg) -> Embedded:
        """One vector per input."""
        request = journey.ask.request
        assert isinstance(request, EmbedRequest)  # noqa: S101 - only embed() walks with this
        provider = self.provider(leg.step)
        timeouts, is_cut = self._timeouts(journey, leg, provider)
        call = EmbedCall(leg.step.target.model, request, timeouts, leg.step.credential, journey.ask.request_id)
        attempt = self._attempt(journey, leg, provider, call, streamed=False, is_cut=is_cut)
        try:
            if self._spending is not None and self._spending.is_set:
                call = await self._reserve(self._spending, journey, leg, attempt, call)
            with attempt:
                with _Bound(attempt, call.timeouts.total):
                    response = await attempt.adapter.embed(call)
                usage = attempt.answered(response.usage)
        finally:
            journey.note(attempt)
        return Embedded(attempt, response, usage)

    async def _reserve(self, spending: Spending, journey: Journey, leg: Leg, attempt: Attempt, call: C) -> C:
        """Have the attempt hold what it may cost of every budget that it falls under; the call with the time left."""
        ask, step, began = attempt.ask, attempt.candidate, self._clock.now()
        payer = Payer(step.target.provider, ask.caller.key_id, ask.agent_id)
        try:
            estimate = expected_spend(call.request, step)
            attempt.hold = await spending.reserve(payer, estimate, within=call.timeouts.total)
        except BaseException:
            attempt.forgo()
            raise
        if self._clock.now() - began > _NOTABLE:
            timeouts, is_cut = self._timeouts(journey, leg, self.provider(leg.step))
            call = replace(call, timeouts=timeouts)
            attempt.retime(call, is_cut=is_cut)
        return call

    def _chat_attempt(self, journey: Journey, leg: Leg, *, streamed: bool) -> tuple[Attempt, Call, Rendition]:
        step = leg.step
        provider = self.provider(step)
        timeouts, is_cut = self._timeouts(journey, leg, provider)
        refused = journey.refused.get(step.target) if journey.refused else None
        rendition = self._renderer.rendition(journey.ask, journey.itinerary, step, below=refused, at=leg.rung)
        if rendition.rung is not None:
            journey.rungs[step.target] = rendition.rung
        call = Call(step.target.model, rendition.request, timeouts, step.credential, journey.ask.request_id)
        return self._attempt(journey, leg, provider, call, streamed=streamed, is_cut=is_cut), call, rendition

    def _timeouts(self, journey: Journey, leg: Leg, provider: ProviderState) -> tuple[Timeouts, bool]:
        """The step's timers, and whether the deadline cut them short."""
        walk = journey.walk
        own = self._timers.of_target(provider.config.timeouts, is_reasoning=leg.step.is_reasoning)
        timeouts = cut(own, walk.remaining, share=walk.share)
        return timeouts, timeouts is not own

    def provider(self, step: Candidate) -> ProviderState:
        """Who a step asks; raises ProviderError for one that a reload took away."""
        provider = self._pool.provider(step.target.provider)
        if provider is None:
            raise ProviderError(FailureKind.UNREACHABLE, f"provider {step.target.provider} was removed meanwhile")
        return provider

    def _attempt(
        self,
        journey: Journey,
        leg: Leg,
        provider: ProviderState,
        call: Call | EmbedCall,
        *,
        streamed: bool,
        is_cut: bool,
    ) -> Attempt:
        step = leg.step
        journey.begun += 1
        attempt = leg.attempt = Attempt(
            journey.ask,
            call,
            step,
            ordinal=journey.begun,
            kind=leg.kind,
            streamed=streamed,
            provider=provider,
            target=self._pool.state(step.target, step.credential.id),
            observers=self._observers,
            clock=self._clock,
            is_cut=is_cut,
            permit=journey.take_permit(),
            stops=self._stops,
        )
        return attempt


def _adapter(journey: Journey, attempt: Attempt, rendition: Rendition) -> Adapter:
    """Who speaks to the attempt's target, overheard where the journey is recorded."""
    if journey.tape is None:
        return attempt.adapter
    target = attempt.candidate.target
    return journey.tape.over(attempt.adapter, target, journey.itinerary.chat_for(target), attempt.kind, rendition.rung)


class _Bound(Waiting):
    """Bounds an attempt in seconds whatever its adapter does; the adapter's own timers are finer and fire first."""

    __slots__ = ("_seconds",)

    def __init__(self, attempt: Attempt, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        attempt.waits_in(self)

    def __enter__(self) -> None:
        self.within(self._seconds + GRACE)
        super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            super().__exit__(kind, error, trace)
        except TimeoutError:
            raise ProviderError(FailureKind.TIMEOUT, f"no answer within {self._seconds:.3g} s") from None
        finally:
            self.close()
