"""The response cache: answers that are there already, or on their way for somebody else, instead of another call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeAlias

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord, Completion
from app.domain.caching import CacheMode, CacheNote, CacheStatus, mode_between
from app.domain.errors import DeadlineExceeded, OutcryError
from app.domain.routing import Plan
from app.domain.target import Target
from app.gateway.answer_cache import AnswerCache
from app.gateway.attempt import Clock
from app.gateway.cached_stream import FREE, LedStream, ToldStream
from app.gateway.flights import Channel, Flight, Landing
from app.gateway.journey import Journey
from app.gateway.keeping import Keeping, step_of
from app.gateway.kept import Kept
from app.gateway.rendition import Renderer
from app.gateway.stream import CompletionStream
from app.gateway.visit import Visit, befalls, twin
from app.providers.pool import Pool

AnyStream: TypeAlias = CompletionStream | LedStream | ToldStream


class Cached:
    """Answers journeys from the cache, else with the walk that it is given, whose answer it may keep and share."""

    def __init__(
        self,
        cache: AnswerCache,
        pool: Pool,
        renderer: Renderer,
        clock: Clock,
        check_running: Callable[[int | None, Target], None],
    ) -> None:
        self._cache = cache
        self._keeping = Keeping(cache, pool, clock.now)
        self._renderer = renderer
        self._clock = clock
        self._check_running = check_running

    def is_off(self, journey: Journey) -> bool:
        """Whether this request has nothing to do with the cache: the first step of its plan decides, and the caller."""
        asked = journey.ask.cache
        if asked is None:
            return not self._keeping.enabled(journey.itinerary.plan.steps[0].target)
        return asked is CacheMode.OFF

    async def complete(self, journey: Journey, walk: Callable[[], Awaitable[Completion]]) -> Completion:
        """A whole answer. Raises OutcryError as the walk does."""
        visit = await self._visit(journey, streamed=False)
        found = await self._found(visit)
        if found is not None:
            return self._retold(visit, *found)
        if not visit.mode.writes or visit.key is None:
            return replace(await walk(), cache=self._counted(visit.note))
        flight = self._cache.flights.prepare(visit.flight_key, journey.ask.deadline, visit.plan)
        task = flight.start(self._cache.flights.task(self._keeping.whole(flight, visit, walk)))
        try:
            await asyncio.wait({task})
        finally:
            await flight.leave()
        return replace(task.result(), cache=self._counted(visit.note))

    async def open(self, journey: Journey, walk: Callable[[], Awaitable[CompletionStream]]) -> AnyStream:
        """A committed stream; whoever takes it closes it. Raises OutcryError as the walk does."""
        visit = await self._visit(journey, streamed=True)
        found = await self._found(visit)
        if found is not None:
            return self._told(visit, *found)
        if not visit.mode.writes or visit.key is None:
            stream = await walk()
            stream.cache = self._counted(visit.note)
            return stream
        flight = self._cache.flights.prepare(visit.flight_key, journey.ask.deadline, visit.plan)
        begun: asyncio.Future[CompletionStream] = asyncio.get_running_loop().create_future()
        channel = Channel()
        flight.start(self._cache.flights.task(self._keeping.streamed(flight, channel, begun, visit, walk)))
        try:
            return LedStream(await begun, flight, channel, self._counted(visit.note))
        except BaseException:
            channel.close()
            await flight.leave()
            raise

    async def _visit(self, journey: Journey, *, streamed: bool) -> Visit:
        step = journey.itinerary.plan.steps[0]
        mode = mode_between(journey.ask.cache, enabled=self._keeping.enabled(step.target))
        key = None if mode is CacheMode.OFF else await self._keeping.key(journey, step)
        return Visit(journey, mode, key, streamed, shares=mode is CacheMode.READ_WRITE)

    async def _found(self, visit: Visit) -> tuple[Kept, CacheNote] | None:
        """An answer that is there, or that comes while this waits; None for one who has to ask.

        Raises DeadlineExceeded when the deadline passes first, and the failure of a call that its own would share.
        """
        while visit.mode.reads:
            for key in visit.places():
                found = self._cache.kept.get(key, self._clock.now())
                if found is not None and found[0].serves(streamed=visit.streamed):
                    return found[0], CacheNote(CacheStatus.HIT, found[1])
            flight = None if visit.flight_key is None else self._cache.flights.get(visit.flight_key)
            if flight is None:
                return None
            kept = await self._awaited(visit, flight)
            if kept is not None:
                return kept, CacheNote(CacheStatus.SHARED)
        return None

    async def _awaited(self, visit: Visit, flight: Flight) -> Kept | None:
        journey, started = visit.journey, self._clock.now()
        try:
            landing = await self._outcome(journey, flight)
        except OutcryError as error:
            error.trail = journey.trail(self._clock.now())
            raise
        finally:
            journey.paused += self._clock.now() - started
        if landing is None:
            visit.shares = False
        elif isinstance(landing, OutcryError):
            visit.failures += 1
            if befalls(visit, flight, landing):
                raise twin(landing)
        elif any(step.target == landing.target for step in journey.itinerary.plan.steps):
            return landing
        else:
            visit.shares = False
        return None

    async def _outcome(self, journey: Journey, flight: Flight) -> Landing:
        try:
            landing = await flight.outcome(journey.ask.deadline - self._clock.now())
        except TimeoutError:
            raise DeadlineExceeded("the deadline passed while another request's answer was awaited") from None
        # The plan was made before the wait, and an operator may have stopped what is in it since.
        self._check_running(journey.ask.agent_id, journey.itinerary.plan.steps[0].target)
        return landing

    def _retold(self, visit: Visit, kept: Kept, note: CacheNote) -> Completion:
        journey, response = visit.journey, kept.response()
        self._renderer.answered(journey.ask, step_of(journey.itinerary.plan, kept.target), response)
        self._record(visit, kept)
        now = self._clock.now()
        return Completion(
            response=response,
            target=kept.target,
            plan=_explained(journey.itinerary.plan, note),
            attempts=(),
            latency=now - journey.arrived,
            overhead=journey.overhead(now),
            usage=kept.usage,
            cost_usd=FREE,
            warnings=kept.warnings,
            rung=kept.rung,
            cache=self._counted(note),
        )

    def _told(self, visit: Visit, kept: Kept, note: CacheNote) -> ToldStream:
        journey, chunks = visit.journey, kept.chunks()
        self._renderer.told(journey.ask, step_of(journey.itinerary.plan, kept.target), chunks)
        self._record(visit, kept)
        return ToldStream(
            kept,
            chunks,
            _explained(journey.itinerary.plan, note),
            self._counted(note),
            trail=journey.trail(self._clock.now()),
            elapsed=lambda: self._clock.now() - journey.arrived,
        )

    def _record(self, visit: Visit, kept: Kept) -> None:
        """One row for a request that nobody was asked for: without tokens, for none were billed."""
        journey, ask = visit.journey, visit.journey.ask
        record = AttemptRecord(
            request_id=ask.request_id,
            ordinal=1,
            target=kept.target,
            kind=AttemptKind.FIRST,
            outcome=AttemptOutcome.CACHED,
            started_at=(moment := self._clock.wall()),
            duration=self._clock.now() - journey.arrived,
            streamed=visit.streamed,
            cost_usd=FREE,
            price_source=AttemptOutcome.CACHED.value,
            price_dated=moment.date().isoformat(),
            agent_id=ask.agent_id,
            config_id=ask.config_id,
            decision_id=ask.decision_id,
            key_id=ask.caller.key_id,
            route=ask.route,
            symbol=ask.symbol,
            strategy=ask.strategy,
            variant=ask.variant,
        )
        for observer in self._cache.observers:
            observer.attempt_finished(record)

    def _counted(self, note: CacheNote) -> CacheNote:
        self._cache.counted(note.status)
        return note


def _explained(plan: Plan, note: CacheNote) -> Plan:
    """The plan as it was made, and why nobody was asked."""
    why = "shared with another request" if note.age is None else f"answered from the cache, {note.age:.0f} s old"
    return replace(plan, reason=f"{plan.reason}; {why}")
