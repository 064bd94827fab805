"""Answers of a run: recorded while providers are asked, or told again without asking anybody."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final, TypeVar

import orjson

from app.domain.attempt import Ask, AttemptKind, Completion
from app.domain.chat import JSON
from app.domain.errors import Code, Conflict, OutcryError, ProviderError, RequestRejected, Trail
from app.domain.ports import Shelf
from app.domain.provider import RateLimit
from app.domain.replay import Replay, Take, TakeKind
from app.domain.structured import Rung
from app.domain.target import Target
from app.gateway.attempt import Clock
from app.gateway.calls import Calls
from app.gateway.exchanges import error_of, question_key
from app.gateway.journey import Journey, Leg
from app.gateway.planning import Itinerary, Planner
from app.gateway.rendition import Renderer
from app.gateway.replay_adapter import ReplayAdapter
from app.gateway.stream import CompletionStream
from app.gateway.tape import Tape, unanswered_key
from app.gateway.timers import TimerRules
from app.providers.pool import Pool
from app.providers.state import ProviderState, TargetState
from app.resilience.breaker import BreakerRules
from app.resilience.limits import Limits
from app.resilience.retry import RetryRules
from app.text.canonical import Unencodable

R = TypeVar("R", Completion, CompletionStream)

FREE: Final = Decimal(0)


class Replays:
    """Looks into runs, tells again what is there, and lends tapes to what is asked live.

    What is told again goes through the same steps as a live answer, beside everything that counts: no limit, breaker,
    budget or observer hears of it, and no provider is asked.
    """

    def __init__(
        self,
        shelf: Shelf | None,
        pool: Pool,
        planner: Planner,
        *,
        renderer: Renderer,
        timers: TimerRules,
        clock: Clock,
        journey: Callable[[Ask, Itinerary, float], Journey],
    ) -> None:
        self._shelf = shelf
        self._pool = pool
        self._planner = planner
        self._renderer = renderer
        self._timers = timers
        self._clock = clock
        self._journey = journey

    async def completion(self, ask: Ask) -> Completion | None:
        """The recorded answer; None when providers are to be asked. Raises OutcryError: a miss, or as recorded."""
        return await self._told(ask, streamed=False, once=self._completed)

    async def stream(self, ask: Ask) -> CompletionStream | None:
        """The recorded stream; None when providers are to be asked. Whoever takes it closes it."""
        return await self._told(ask, streamed=True, once=self._opened)

    def tape(self, ask: Ask, *, streamed: bool) -> Tape:
        """What a question is asked live under; entered with `with`."""
        shelf = self._shelf_there()
        return Tape(ask, _replay_of(ask), self._clock, shelf.put, streamed=streamed, limit=shelf.largest)

    async def _told(self, ask: Ask, *, streamed: bool, once: Callable[[_Telling, JSON], Awaitable[R]]) -> R | None:
        replay = _replay_of(ask)
        if not replay.mode.replays:
            return None
        telling = await self._found(ask, replay, streamed=streamed)
        if telling is None:
            if replay.mode.may_go_live:
                return None
            raise miss(replay, f"for {ask.model}, asked like this")
        for exchange in telling.exchanges:
            telling.aim(exchange)
            try:
                return await once(telling, exchange)
            except ProviderError as error:
                telling.last = error
        raise telling.ending(self._clock.now())

    async def _found(self, ask: Ask, replay: Replay, *, streamed: bool) -> _Telling | None:
        shelf, arrived = self._shelf_there(), self._clock.now()
        try:
            own = unanswered_key(ask, streamed=streamed)
        except Unencodable as reason:
            raise _unrecordable(reason) from None
        itinerary, refusal = self._plan(ask)
        keys = {own}
        if itinerary is not None:
            keys |= {_key(itinerary, step.target, streamed=streamed) for step in itinerary.plan.steps}
        take = await shelf.find(ask.caller.key_id, replay, TakeKind.CALL, sorted(keys))
        if take is None:
            if refusal is not None:
                raise refusal
            return None
        body = orjson.loads(take.body)
        if itinerary is None:
            if body["exchanges"]:
                raise refusal or miss(replay, f"for {ask.model}")
            raise _error_in(body, None, 0.0)
        if not _still_holds(itinerary, body["exchanges"], streamed=streamed):
            return None
        return _Telling(self._journey(ask, itinerary, arrived), replay, take, body)

    def _plan(self, ask: Ask) -> tuple[Itinerary | None, OutcryError | None]:
        """Where the question would go if everything were well, or why nowhere."""
        try:
            return self._planner.unhindered(ask), None
        except OutcryError as error:
            if error.code is Code.KILLED:
                raise
            return None, error

    async def _completed(self, telling: _Telling, exchange: JSON) -> Completion:
        journey = telling.journey
        answered = await self._calls(telling, exchange).complete(journey, telling.leg)
        self._renderer.answered(journey.ask, answered.attempt.candidate, answered.response)
        completion = answered.completion(journey, self._clock)
        return replace(
            completion, attempts=(), cost_usd=FREE, replayed=True, plan=replace(completion.plan, reason=telling.reason)
        )

    async def _opened(self, telling: _Telling, exchange: JSON) -> CompletionStream:
        opened = await self._calls(telling, exchange).open(telling.journey, telling.leg)
        stream = opened.stream(telling.journey, self._clock)
        stream.replayed = True
        return stream

    def _calls(self, telling: _Telling, exchange: JSON) -> Calls:
        stage = _Stage(self._pool, ReplayAdapter(exchange, telling.body["error"]))
        return Calls(stage, (), timers=self._timers, renderer=self._renderer, clock=self._clock)

    def _shelf_there(self) -> Shelf:
        if self._shelf is None:
            raise RequestRejected(
                Code.UNSUPPORTED_PARAMETER, "runs are kept nowhere here: only off is taken", param="x-outcry-replay"
            )
        return self._shelf


class _Telling:
    """One take on its way back to a caller."""

    def __init__(self, journey: Journey, replay: Replay, take: Take, body: JSON) -> None:
        self.journey = journey
        self.body = body
        self.reason = f"replayed from run {replay.run}, recorded {take.began_at.isoformat()}"
        self.exchanges: list[JSON] = body["exchanges"]
        self.leg = Leg(journey.walk.step, AttemptKind.FIRST)
        self.last: ProviderError | None = None

    def aim(self, exchange: JSON) -> None:
        """Stand at the target of this exchange, asked for JSON as it was then."""
        question, rung = exchange["question"], exchange["rung"]
        target = Target(question["provider"], question["model"])
        step = next(step for step in self.journey.itinerary.plan.steps if step.target == target)
        kind = AttemptKind(exchange["kind"])
        self.leg = Leg(step, kind, rung=None if rung is None else Rung(rung))
        self.journey.walk.stands_at(step, kind)

    def ending(self, now: float) -> OutcryError:
        """What the question ended with."""
        if self.body["error"] is None and self.last is not None:
            return self.last
        return _error_in(self.body, self.journey, now)


class _Stage:
    """Providers as they are configured, with nobody behind them and nothing that counts."""

    def __init__(self, pool: Pool, adapter: ReplayAdapter) -> None:
        self._pool = pool
        self._adapter = adapter

    def provider(self, name: str) -> ProviderState | None:
        known = self._pool.provider(name)
        if known is None:
            return None
        return ProviderState(known.config, self._adapter, window=1.0, limits=Limits(RateLimit(), None))

    def state(self, target: Target, credential_id: str) -> TargetState:
        rng = random.Random(0)  # noqa: S311 - a breaker that never opens draws nothing from it
        return TargetState(target, credential_id, breaker=BreakerRules(), retry=RetryRules(), window=1.0, rng=rng)


def miss(replay: Replay, what: str) -> Conflict:
    """The error of what a run does not hold."""
    return Conflict(f"run {replay.run} holds nothing {what}", code=Code.REPLAY_MISS, param="x-outcry-run")


def _replay_of(ask: Ask) -> Replay:
    assert ask.replay is not None  # noqa: S101 - only what belongs to a run comes here
    return ask.replay


def _key(itinerary: Itinerary, target: Target, *, streamed: bool) -> str:
    try:
        return question_key(target, itinerary.chat_for(target), streamed=streamed)
    except Unencodable as reason:
        raise _unrecordable(reason) from None


def _still_holds(itinerary: Itinerary, exchanges: list[JSON], *, streamed: bool) -> bool:
    """Whether every call of a take would be made like that today: else its answer is that of another question."""
    planned = {step.target for step in itinerary.plan.steps}
    for exchange in exchanges:
        target = Target(exchange["question"]["provider"], exchange["question"]["model"])
        if target not in planned or exchange["key"] != _key(itinerary, target, streamed=streamed):
            return False
    return True


def _error_in(body: JSON, journey: Journey | None, now: float) -> OutcryError:
    """The error that a take ended with; nobody was asked for it this time."""
    error = error_of(body["error"])
    ended_at = body["ended_at"]
    error.trail = Trail(
        target=None if ended_at is None else Target(*ended_at),
        is_final=True,
        has_plan=ended_at is not None,
        overhead=0.0 if journey is None else journey.overhead(now),
    )
    return error


def _unrecordable(reason: Unencodable) -> RequestRejected:
    return RequestRejected(Code.INVALID_REQUEST, f"what is asked cannot be part of a run: {reason}")
