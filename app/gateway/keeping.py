"""The calls that the response cache makes: for whoever waits for them, and to keep what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from app.domain.attempt import Completion
from app.domain.errors import OutcryError
from app.domain.routing import Candidate, Plan
from app.domain.target import Target
from app.gateway.answer_cache import AnswerCache
from app.gateway.cache_key import key_of
from app.gateway.flights import Channel, Flight, Gathered, read_along
from app.gateway.journey import Journey
from app.gateway.kept import Kept, kept_stream, kept_whole
from app.gateway.stream import CompletionStream
from app.gateway.visit import EVENTS, Visit, twin
from app.providers.pool import Pool

STORED: Final = "store"


class Keeping:
    """Makes calls, tells those who wait how they ended, and keeps the answers that are worth it."""

    def __init__(self, cache: AnswerCache, pool: Pool, now: Callable[[], float]) -> None:
        self._cache = cache
        self._pool = pool
        self._now = now

    def enabled(self, target: Target) -> bool | None:
        """What the provider file says about this target's answers."""
        provider = self._pool.provider(target.provider)
        return None if provider is None else provider.config.enable_caching

    async def key(self, journey: Journey, step: Candidate) -> bytes | None:
        """Under which an answer of this step is kept; None where it cannot be."""
        provider = self._pool.provider(step.target.provider)
        is_own = provider is not None and not provider.owns(step.credential.id)
        own_key = step.credential.id if is_own else ""
        return await key_of(journey.ask, journey.itinerary, step, revision=self._pool.revision, own_key=own_key)

    async def whole(self, flight: Flight, visit: Visit, walk: Callable[[], Awaitable[Completion]]) -> Completion:
        """A whole answer of a flight."""
        try:
            completion = await walk()
            kept = kept_whole(completion)
            await self._keep(visit, kept)
            flight.land(kept)
            return completion
        except OutcryError as error:
            flight.land(twin(error))
            raise
        finally:
            flight.land(None)

    async def streamed(
        self,
        flight: Flight,
        channel: Channel,
        begun: asyncio.Future[CompletionStream],
        visit: Visit,
        walk: Callable[[], Awaitable[CompletionStream]],
    ) -> None:
        """A streamed one: `begun` is for the reader until it has committed, `channel` from then on."""
        error: Exception | None = None
        try:
            stream = await walk()
            try:
                if not begun.done():
                    begun.set_result(stream)
                kept = await self._read(stream, flight, channel)
                await self._keep(visit, kept)
                flight.land(kept)
            finally:
                await stream.aclose()
        except OutcryError as failure:
            error = failure
            flight.land(twin(failure))
        except Exception as bug:
            error = bug
            raise
        finally:
            flight.land(None)
            channel.end(error)
            if not begun.done():
                begun.cancel() if error is None else begun.set_exception(error)

    async def _read(self, stream: CompletionStream, flight: Flight, channel: Channel) -> Kept | None:
        gathered = Gathered(self._cache.rules.max_entry)
        await read_along(stream, flight, channel, gathered)
        if gathered.pieces is None:
            return None
        return kept_stream(
            gathered.pieces,
            stream.target,
            finish_reason=stream.finish_reason,
            usage=stream.usage,
            warnings=stream.warnings,
            rung=stream.rung,
        )

    async def _keep(self, visit: Visit, kept: Kept | None) -> None:
        """Keep an answer for those who will ask whoever gave it."""
        journey = visit.journey
        if kept is None or not kept.is_worth_keeping or self.enabled(kept.target) is False:
            return
        key, first = visit.key, journey.itinerary.plan.steps[0]
        if kept.target != first.target:
            key = await self.key(journey, step_of(journey.itinerary.plan, kept.target))
        if key is None:
            return
        if self._cache.kept.put(key + EVENTS if kept.is_events else key, kept, kept.size, self._now()):
            self._cache.counted(STORED)


def step_of(plan: Plan, target: Target) -> Candidate:
    """The step of a plan that answered."""
    return next((step for step in plan.steps if step.target == target), plan.steps[0])
