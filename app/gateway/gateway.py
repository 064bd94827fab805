"""The gateway: an ask becomes a plan, the plan is walked, an answer or one error comes back."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import TypeVar

import anyio
from tenacity import AsyncRetrying, retry_if_exception, stop_never

from app.domain.attempt import Ask, Completion, EmbeddingCompletion, TokenCount
from app.domain.chat import Call, Timeouts
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind, OutcryError, ProviderError
from app.domain.ports import AttemptObserver
from app.domain.routing import Candidate
from app.gateway.attempt import Attempt, Clock
from app.gateway.counting import Counting, TokenCounter
from app.gateway.journey import Journey
from app.gateway.planning import Planner
from app.gateway.reasoning import ReasoningMemory
from app.gateway.rendition import Renderer, Rendition
from app.gateway.stream import CompletionStream, commit
from app.gateway.timers import TimerRules, cut
from app.gateway.walk import Walk
from app.providers.pool import Pool
from app.providers.state import ProviderState
from app.resilience.retry import RetryRules
from app.waiting import Waiting

T = TypeVar("T")

GRACE = 0.05
"""Seconds an adapter's own timers may fire late before the attempt is cut from outside."""


class Gateway:
    """Answers asks: plans, attempts, retries, falls over; one walk for answers and streams alike."""

    def __init__(
        self,
        pool: Pool,
        planner: Planner,
        observers: Sequence[AttemptObserver],
        *,
        retry: RetryRules,
        timers: TimerRules,
        counter: TokenCounter,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._pool = pool
        self._planner = planner
        self._observers = tuple(observers)
        self._retry = retry
        self._timers = timers
        self._clock = clock
        self._rng = rng
        self._renderer = Renderer(ReasoningMemory(clock.now))
        self._counting = Counting(pool, planner, timers, counter, clock.now)
        self._retrying = AsyncRetrying(sleep=anyio.sleep, stop=stop_never, reraise=True)

    async def complete(self, ask: Ask) -> Completion:
        """One whole answer. Raises OutcryError: the one that decides when every attempt failed."""
        journey = self._journey(ask)
        return await self._walked(journey, self._complete_once)

    @asynccontextmanager
    async def stream(self, ask: Ask) -> AsyncGenerator[CompletionStream]:
        """A committed stream; entering raises OutcryError when every attempt failed before its first content."""
        stream = await self._walked(self._journey(ask), self._open_once)
        try:
            yield stream
        finally:
            await stream.aclose()

    async def embed(self, ask: Ask) -> EmbeddingCompletion:
        """One vector per input. Raises OutcryError as `complete` does; the ask's request is an EmbedRequest."""
        return await self._walked(self._journey(ask), self._embed_once)

    async def count_tokens(self, ask: Ask) -> TokenCount:
        """Tokens of the prompt at the target that would be asked first; nothing is generated."""
        return await self._counting.count(ask, ask.deadline - self._clock.now())

    def _journey(self, ask: Ask) -> Journey:
        arrived = self._clock.now()
        itinerary = self._planner.plan(ask)
        if itinerary.agent_id != ask.agent_id:
            ask = replace(ask, agent_id=itinerary.agent_id)
        walk = Walk(
            itinerary.plan,
            deadline=ask.deadline,
            max_retries=self._retry.max_retries if ask.max_retries is None else ask.max_retries,
            rules=self._retry,
            now=self._clock.now,
            rng=self._rng,
            may_retry=self._may_retry,
        )
        return Journey(ask, itinerary, walk, [], arrived)

    def _may_retry(self, step: Candidate) -> bool:
        return self._pool.state(step.target, step.credential.id).budget.try_spend(self._clock.now())

    async def _walked(self, journey: Journey, once: Callable[[Journey], Awaitable[T]]) -> T:
        walk = journey.walk
        try:
            # The loop costs 20 us even when nothing fails, a sixth of a whole request: only a failure enters it.
            try:
                return await once(journey)
            except ProviderError as error:
                if not journey.goes_on(error):
                    raise
            await self._pause(journey, walk.pause)
            return await self._walked_on(journey, once)
        except OutcryError as error:
            final = walk.deciding(error)
            final.trail = journey.trail(self._clock.now())
            raise final from None

    async def _walked_on(self, journey: Journey, once: Callable[[Journey], Awaitable[T]]) -> T:
        walk = journey.walk
        retrying = self._retrying.copy(
            sleep=partial(self._pause, journey), retry=retry_if_exception(journey.goes_on), wait=lambda _: walk.pause
        )
        async for attempt in retrying:
            with attempt:
                return await once(journey)
        raise AssertionError("unreachable: the loop returns or raises")

    async def _pause(self, journey: Journey, seconds: float) -> None:
        started = self._clock.now()
        await anyio.sleep(seconds)
        journey.paused += self._clock.now() - started

    async def _complete_once(self, journey: Journey) -> Completion:
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

    async def _open_once(self, journey: Journey) -> CompletionStream:
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

    async def _embed_once(self, journey: Journey) -> EmbeddingCompletion:
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
        own = self._timers.of_target(self._provider(walk.step).config.timeouts, is_reasoning=walk.step.is_reasoning)
        timeouts = cut(own, walk.remaining, share=walk.share)
        return timeouts, timeouts is not own

    def _provider(self, step: Candidate) -> ProviderState:
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
            provider=self._provider(step),
            target=self._pool.state(step.target, step.credential.id),
            observers=self._observers,
            clock=self._clock,
            is_cut=is_cut,
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
