"""The gateway: an ask becomes a plan, the plan is walked, an answer or one error comes back."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TypeVar

import anyio
from tenacity import AsyncRetrying, retry_if_exception, stop_never

from app.domain.attempt import Ask, Completion, EmbeddingCompletion, TokenCount
from app.domain.embedding import EmbedRequest
from app.domain.errors import OutcryError, ProviderError
from app.domain.kill import NO_STOPS, Stops
from app.domain.ports import AttemptObserver, Shelf
from app.domain.routing import Candidate
from app.gateway.answer_cache import AnswerCache
from app.gateway.attempt import Clock
from app.gateway.cached import AnyStream, Cached
from app.gateway.calls import Calls
from app.gateway.counting import Counting, TokenCounter
from app.gateway.expected import expected_tokens
from app.gateway.finishing import Made
from app.gateway.hedging import Hedges, Once
from app.gateway.journey import Journey, Leg
from app.gateway.planning import Itinerary, Planner
from app.gateway.queueing import permit_within
from app.gateway.reasoning import ReasoningMemory
from app.gateway.rendition import Renderer
from app.gateway.replay import Replays
from app.gateway.stream import CompletionStream
from app.gateway.timers import TimerRules
from app.gateway.walk import Walk
from app.ledger.spending import Spending
from app.providers.pool import Pool
from app.resilience.hedging import HedgeRules
from app.resilience.limits import Permit
from app.resilience.retry import RetryRules

T = TypeVar("T", bound=Made)


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
        cache: AnswerCache | None = None,
        hedges: Hedges | None = None,
        shelf: Shelf | None = None,
        stops: Stops = NO_STOPS,
        spending: Spending | None = None,
    ) -> None:
        self._pool = pool
        self._planner = planner
        self._retry = retry
        self._clock = clock
        self._rng = rng
        self._renderer = Renderer(ReasoningMemory(clock.now))
        self._calls = Calls(
            pool, observers, timers=timers, renderer=self._renderer, clock=clock, stops=stops, spending=spending
        )
        self._cached = Cached(cache or AnswerCache(), pool, self._renderer, clock, planner.check_running)
        self._hedges = hedges or Hedges(pool, HedgeRules(), clock.now)
        self._counting = Counting(pool, planner, timers, counter, clock.now)
        self._replays = Replays(
            shelf, pool, planner, renderer=self._renderer, timers=timers, clock=clock, journey=self._journey
        )
        self._retrying = AsyncRetrying(sleep=anyio.sleep, stop=stop_never, reraise=True)

    async def complete(self, ask: Ask) -> Completion:
        """One whole answer. Raises OutcryError: the one that decides when every attempt failed."""
        if ask.replay is not None:
            return await self._completed_in_run(replace(ask, hedge=False))
        journey = self._planned(ask)
        if self._cached.is_off(journey):
            return await self._completed(journey)
        return await self._cached.complete(journey, partial(self._completed, journey))

    @asynccontextmanager
    async def stream(self, ask: Ask) -> AsyncGenerator[AnyStream]:
        """A committed stream; entering raises OutcryError when every attempt failed before its first content."""
        if ask.replay is not None:
            async with self._stream_in_run(replace(ask, hedge=False)) as told:
                yield told
            return
        journey = self._planned(ask)
        stream: AnyStream
        if self._cached.is_off(journey):
            stream = await self._opened(journey)
        else:
            stream = await self._cached.open(journey, partial(self._opened, journey))
        try:
            yield stream
        finally:
            await stream.aclose()

    async def embed(self, ask: Ask) -> EmbeddingCompletion:
        """One vector per input. Raises OutcryError as `complete` does; the ask's request is an EmbedRequest."""
        journey = self._planned(ask)
        embedded = await self._walked(journey, self._calls.embed)
        return embedded.completion(journey, self._clock)

    async def count_tokens(self, ask: Ask) -> TokenCount:
        """Tokens of the prompt at the target that would be asked first; nothing is generated."""
        return await self._counting.count(ask, ask.deadline - self._clock.now())

    async def _completed(self, journey: Journey) -> Completion:
        answered = await self._walked(journey, self._calls.complete)
        self._renderer.answered(journey.ask, answered.attempt.candidate, answered.response)
        return answered.completion(journey, self._clock)

    async def _opened(self, journey: Journey) -> CompletionStream:
        opened = await self._walked(journey, self._calls.open, streamed=True)
        return opened.stream(journey, self._clock)

    async def _completed_in_run(self, ask: Ask) -> Completion:
        if (told := await self._replays.completion(ask)) is not None:
            return told
        with self._replays.tape(ask, streamed=False) as tape:
            journey = self._planned(ask)
            journey.tape = tape
            return await self._completed(journey)

    @asynccontextmanager
    async def _stream_in_run(self, ask: Ask) -> AsyncGenerator[AnyStream]:
        if (told := await self._replays.stream(ask)) is not None:
            async with aclosing(told):
                yield told
            return
        with self._replays.tape(ask, streamed=True) as tape:
            journey = self._planned(ask)
            journey.tape = tape
            async with aclosing(await self._opened(journey)) as stream:
                yield stream

    def _planned(self, ask: Ask) -> Journey:
        arrived = self._clock.now()
        return self._journey(ask, self._planner.plan(ask), arrived)

    def _journey(self, ask: Ask, itinerary: Itinerary, arrived: float) -> Journey:
        if (itinerary.agent_id, itinerary.deadline) != (ask.agent_id, ask.deadline):
            ask = replace(ask, agent_id=itinerary.agent_id, deadline=itinerary.deadline)
        if itinerary.variant != ask.variant:
            ask = replace(ask, config_id=itinerary.config_id, variant=itinerary.variant)
        walk = Walk(
            itinerary.plan,
            deadline=ask.deadline,
            max_retries=self._retry.max_retries if ask.max_retries is None else ask.max_retries,
            rules=self._retry,
            now=self._clock.now,
            rng=self._rng,
            may_retry=self._may_retry,
            next_key=self._pool.with_next_key,
            is_stopped=self._planner.is_stopped,
        )
        return Journey(ask, itinerary, walk, [], arrived)

    def _may_retry(self, step: Candidate) -> bool:
        return self._pool.state(step.target, step.credential.id).budget.try_spend(self._clock.now())

    async def _walked(self, journey: Journey, once: Once[T], *, streamed: bool = False) -> T:
        walk = journey.walk
        delay = self._hedges.delay(journey, streamed=streamed)
        try:
            # The loop costs 20 us even when nothing fails, a sixth of a whole request: only a failure enters it.
            try:
                if delay is not None:
                    return await self._hedges.raced(journey, once, delay)
                return await once(journey, Leg(walk.step, walk.kind))
            except ProviderError as error:
                if not journey.goes_on(error):
                    raise
            return await self._walked_on(journey, once)
        except OutcryError as error:
            final = walk.deciding(error)
            final.trail = journey.trail(self._clock.now())
            raise final from None

    async def _walked_on(self, journey: Journey, once: Once[T]) -> T:
        walk = journey.walk
        retrying = self._retrying.copy(
            sleep=partial(self._pause, journey), retry=retry_if_exception(journey.goes_on), wait=lambda _: walk.pause
        )
        try:
            await self._pause(journey, walk.pause)
            async for attempt in retrying:
                with attempt:
                    return await once(journey, Leg(walk.step, walk.kind))
        finally:
            if (unused := journey.take_permit()) is not None:
                unused.refund(self._clock.now())
        raise AssertionError("unreachable: the loop returns or raises")

    async def _pause(self, journey: Journey, seconds: float) -> None:
        started = self._clock.now()
        denial, journey.walk.limited = journey.walk.limited, None
        try:
            if denial is None:
                await anyio.sleep(seconds)
            else:
                journey.permit = await self._room(journey, denial)
        finally:
            journey.paused += self._clock.now() - started
        self._planner.check_running(journey.ask.agent_id, journey.walk.step.target)

    async def _room(self, journey: Journey, denial: ProviderError) -> Permit:
        """A permit for the step whose limit said no; raises that denial when none is to be had in time."""
        ask, itinerary, target = journey.ask, journey.itinerary, journey.walk.step.target
        request = ask.request if isinstance(ask.request, EmbedRequest) else itinerary.chat_for(target)
        permit = await permit_within(
            journey.walk.wait,
            self._calls.provider(journey.walk.step).limits,
            tokens=expected_tokens(request),
            priority=ask.priority,
            now=self._clock.now,
            wall=self._clock.wall,
        )
        if permit is None:
            raise denial
        return permit
