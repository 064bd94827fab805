"""One step of a journey, made: the call of its attempt, and what becomes of the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType

from app.domain.attempt import Completion, EmbeddingCompletion
from app.domain.chat import Call, Timeouts
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind, ProviderError
from app.domain.ports import AttemptObserver
from app.domain.routing import Candidate
from app.gateway.attempt import Attempt, Clock
from app.gateway.journey import Journey
from app.gateway.rendition import Renderer, Rendition
from app.gateway.stream import CompletionStream, commit
from app.gateway.timers import TimerRules, cut
from app.providers.pool import Pool
from app.providers.state import ProviderState
from app.waiting import Waiting

GRACE = 0.05
"""Seconds an adapter's own timers may fire late before the attempt is cut from outside."""


class Calls:
    """Makes the attempt that a journey's walk stands at. Raises OutcryError: ProviderError when the attempt failed."""

    def __init__(
        self,
        pool: Pool,
        observers: Sequence[AttemptObserver],
        *,
        timers: TimerRules,
        renderer: Renderer,
        clock: Clock,
    ) -> None:
        self._pool = pool
        self._observers = tuple(observers)
        self._timers = timers
        self._renderer = renderer
        self._clock = clock

    async def complete(self, journey: Journey) -> Completion:
        """A whole answer."""
        attempt, call, rendition = self._chat_attempt(journey, streamed=False)
        try:
            with attempt:
                with _Bound(call.timeouts.total):
                    response = await attempt.adapter.complete(call)
                    attempt.usage, attempt.length = response.usage, len(response.text)
                    attempt.allow(response.allowance)
                    response = await rendition.settled(response)
                usage = attempt.answered(response.usage)
        finally:
            journey.note(attempt)
        self._renderer.answered(journey.ask, attempt.candidate, response)
        now = self._clock.now()
        return Completion(
            response=response,
            target=attempt.candidate.target,
            plan=journey.itinerary.plan,
            attempts=tuple(journey.records),
            latency=now - journey.arrived,
            overhead=journey.overhead(now),
            usage=usage,
            cost_usd=journey.records[-1].cost_usd,
            warnings=(
                *journey.itinerary.warnings_for(attempt.candidate),
                *rendition.warnings,
                *response.warnings,
            ),
            rung=rendition.rung,
        )

    async def open(self, journey: Journey) -> CompletionStream:
        """A stream that has committed; whoever takes it closes it."""
        attempt, call, rendition = self._chat_attempt(journey, streamed=True)
        try:
            async with AsyncExitStack() as stack:
                stack.enter_context(attempt)
                with _Bound(call.timeouts.total):
                    chunks = await stack.enter_async_context(attempt.adapter.stream(call))
                    chunks = self._renderer.remembering(journey.ask, attempt.candidate, rendition.bare(chunks))
                    opening = await commit(chunks, attempt, self._clock.now)
                return CompletionStream(
                    opening,
                    chunks,
                    stack.pop_all(),
                    attempt,
                    plan=journey.itinerary.plan,
                    warnings=(*journey.itinerary.warnings_for(attempt.candidate), *rendition.warnings),
                    rung=rendition.rung,
                    trail=journey.trail(self._clock.now(), under_way=1),
                    earlier=journey.records,
                    overhead=journey.overhead(self._clock.now() - (attempt.first_token or 0.0)),
                    deadline=journey.ask.deadline,
                    now=self._clock.now,
                    arrived=journey.arrived,
                )
        finally:
            journey.note(attempt)

    async def embed(self, journey: Journey) -> EmbeddingCompletion:
        """One vector per input."""
        request = journey.ask.request
        assert isinstance(request, EmbedRequest)  # noqa: S101 - only embed() walks with this
        timeouts, is_cut = self._timeouts(journey)
        step = journey.walk.step
        call = EmbedCall(step.target.model, request, timeouts, step.credential, journey.ask.request_id)
        attempt = self._attempt(journey, call, streamed=False, is_cut=is_cut)
        try:
            with attempt:
                with _Bound(timeouts.total):
                    response = await attempt.adapter.embed(call)
                usage = attempt.answered(response.usage)
        finally:
            journey.note(attempt)
        now = self._clock.now()
        return EmbeddingCompletion(
            response=response,
            target=step.target,
            plan=journey.itinerary.plan,
            attempts=tuple(journey.records),
            latency=now - journey.arrived,
            overhead=journey.overhead(now),
            usage=usage,
            cost_usd=journey.records[-1].cost_usd,
            warnings=(*journey.itinerary.warnings_for(step), *response.warnings),
        )

    def _chat_attempt(self, journey: Journey, *, streamed: bool) -> tuple[Attempt, Call, Rendition]:
        timeouts, is_cut = self._timeouts(journey)
        step = journey.walk.step
        rendition = self._renderer.rendition(
            journey.ask, journey.itinerary, step, below=journey.refused.get(step.target)
        )
        journey.rung = rendition.rung
        call = Call(step.target.model, rendition.request, timeouts, step.credential, journey.ask.request_id)
        return self._attempt(journey, call, streamed=streamed, is_cut=is_cut), call, rendition

    def _timeouts(self, journey: Journey) -> tuple[Timeouts, bool]:
        """The current step's timers, and whether the deadline cut them short."""
        walk = journey.walk
        own = self._timers.of_target(self.provider(walk.step).config.timeouts, is_reasoning=walk.step.is_reasoning)
        timeouts = cut(own, walk.remaining, share=walk.share)
        return timeouts, timeouts is not own

    def provider(self, step: Candidate) -> ProviderState:
        """Who a step asks; raises ProviderError for one that a reload took away."""
        provider = self._pool.provider(step.target.provider)
        if provider is None:
            raise ProviderError(FailureKind.UNREACHABLE, f"provider {step.target.provider} was removed meanwhile")
        return provider

    def _attempt(self, journey: Journey, call: Call | EmbedCall, *, streamed: bool, is_cut: bool) -> Attempt:
        step = journey.walk.step
        return Attempt(
            journey.ask,
            call,
            step,
            ordinal=len(journey.records) + 1,
            kind=journey.walk.kind,
            streamed=streamed,
            provider=self.provider(step),
            target=self._pool.state(step.target, step.credential.id),
            observers=self._observers,
            clock=self._clock,
            is_cut=is_cut,
            permit=journey.take_permit(),
        )


class _Bound:
    """Bounds an attempt in seconds whatever its adapter does; the adapter's own timers are finer and fire first."""

    __slots__ = ("_seconds", "_waiting")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting = Waiting()

    def __enter__(self) -> None:
        self._waiting.until(asyncio.get_running_loop().time() + self._seconds + GRACE).__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._waiting.__exit__(kind, error, trace)
        except TimeoutError:
            raise ProviderError(FailureKind.TIMEOUT, f"no answer within {self._seconds:.3g} s") from None
        finally:
            self._waiting.close()
