"""Hedging: a second target starts when the first passes its own p95, and whoever commits first answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import anyio

from app.domain.attempt import AttemptKind, HedgeOutcome
from app.domain.errors import REACTIONS, ProviderError
from app.gateway.finishing import Made
from app.gateway.journey import Journey, Leg
from app.gateway.walk import ends_it
from app.providers.pool import Pool
from app.resilience.hedging import HedgeBudget, HedgeRules

T = TypeVar("T", bound=Made)
Once = Callable[[Journey, Leg], Awaitable[T]]

P95: Final = 0.95
LEAVING: Final = 0.25
"""Seconds that an answer waits at most for the attempt it outran to be closed and recorded."""


class Hedges:
    """Decides who is hedged, and runs the two attempts of who is.

    Each attempt is a task of its own, with its own permit, breaker slot and record. What one fails with does not touch
    the other, unless it is a fault of the caller's own; only when both have failed does the walk go on, from both. Who
    is outrun, or left by the caller, is cancelled: it is recorded with its estimated cost and speaks against nobody.
    """

    def __init__(
        self,
        pool: Pool,
        rules: HedgeRules,
        now: Callable[[], float],
        told: Sequence[Callable[[HedgeOutcome], None]] = (),
        *,
        may_go_out: Callable[[int | None], bool] = lambda _agent_id: True,
    ) -> None:
        self._pool = pool
        self._rules = rules
        self._now = now
        self._told = tuple(told)
        self._may_go_out = may_go_out
        self._budget = HedgeBudget(rules)
        # The loop itself keeps no task alive.
        self._leaving: set[asyncio.Future[Any]] = set()

    def delay(self, journey: Journey, *, streamed: bool) -> float | None:
        """Seconds that the first attempt has for itself; None for a request that is not hedged. Asked once of each."""
        self._budget.record()
        is_wanted = self._rules.enabled if journey.ask.hedge is None else journey.ask.hedge
        if not is_wanted or self._rules.is_never or not journey.walk.may_hedge:
            return None
        step = journey.walk.step
        state = self._pool.state(step.target, step.credential.id)
        window = state.first_tokens if streamed else state.window
        return window.percentile(P95, self._now(), least=self._rules.samples)

    async def raced(self, journey: Journey, once: Once[T], delay: float) -> T:
        """What the faster of two attempts brought, or the first one's where no second may start after `delay` seconds.

        Raises OutcryError; the walk stands at the attempt that it is about.
        """
        race = _Race(journey, once, self._now)
        try:
            if not await race.first_within(delay):
                self._hedge(race, journey)
            await race.decide()
            await race.leave(is_outrun=True)
            return race.outcome()
        finally:
            if not race.is_taken:
                await race.leave(is_outrun=False)
            self._tell(race)

    def _hedge(self, race: _Race[T], journey: Journey) -> None:
        # An operator may have stopped everything since the first attempt went out.
        if not self._may_go_out(journey.ask.agent_id) or not self._budget.try_spend():
            self._say(HedgeOutcome.DENIED)
            return
        step = journey.walk.hedge()
        if step is None:
            self._budget.refund()
            self._say(HedgeOutcome.DENIED)
        else:
            race.start(Leg(step, AttemptKind.HEDGE))

    def _tell(self, race: _Race[T]) -> None:
        for task in race.under_way:
            self._leaving.add(task)
            task.add_done_callback(self._gone)
        outcome = race.hedge_outcome()
        if outcome is HedgeOutcome.DENIED:
            self._budget.refund()
        if outcome is not None:
            self._say(outcome)

    def _gone(self, task: asyncio.Future[T]) -> None:
        self._leaving.discard(task)
        if not task.cancelled():
            task.exception()

    def _say(self, outcome: HedgeOutcome) -> None:
        for tell in self._told:
            tell(outcome)


@dataclass(slots=True, eq=False)
class _Runner(Generic[T]):
    leg: Leg
    task: asyncio.Task[T]
    started: float
    ended: float | None = None


class _Race(Generic[T]):
    """One or two attempts under way for one request."""

    def __init__(self, journey: Journey, once: Once[T], now: Callable[[], float]) -> None:
        self._journey = journey
        self._once = once
        self._now = now
        self._runners: list[_Runner[T]] = []
        self._decided: _Runner[T] | None = None
        self.is_taken = False
        self.start(Leg(journey.walk.step, journey.walk.kind))

    def start(self, leg: Leg) -> None:
        """One more attempt, beside what is under way."""
        task = asyncio.ensure_future(self._once(self._journey, leg))
        self._runners.append(_Runner(leg, task, self._now()))

    async def first_within(self, seconds: float) -> bool:
        """Whether the first attempt has ended in time, whichever way."""
        done, _ = await asyncio.wait([self._runners[0].task], timeout=seconds)
        return bool(done)

    async def decide(self) -> None:
        """Return once it is known which attempt the request's outcome is."""
        left, walk = list(self._runners), self._journey.walk
        while self._decided is None:
            await asyncio.wait([one.task for one in left], return_when=asyncio.FIRST_COMPLETED)
            for runner in [one for one in left if one.task.done()]:
                left.remove(runner)
                runner.ended = self._now()
                error = runner.task.exception()
                if isinstance(error, ProviderError) and left and not ends_it(error):
                    walk.lost(runner.leg.step, error)
                    continue
                walk.stands_at(runner.leg.step, runner.leg.kind)
                self._decided = runner
                break

    async def leave(self, *, is_outrun: bool) -> None:
        """Cancel what was outrun, or else everything, and wait for it, 0.25 s at most."""
        kept = self._decided if is_outrun else None
        lost = [one for one in self._runners if one is not kept]
        for runner in lost:
            if runner.leg.attempt is not None and not runner.task.done():
                runner.leg.attempt.is_outrun |= is_outrun
            runner.task.cancel()
        if under_way := [one.task for one in lost if not one.task.done()]:
            with anyio.move_on_after(LEAVING, shield=True):
                await asyncio.wait(under_way)
        for runner in lost:
            if runner.task.done() and not runner.task.cancelled() and runner.task.exception() is None:
                await runner.task.result().abandon()
            if is_outrun and runner.leg.attempt is not None:
                # What it costs is in the answer: nobody can wait for who does not let go, nor leave it out.
                runner.leg.attempt.settle()
                self._journey.note(runner.leg.attempt)

    def outcome(self) -> T:
        """What the attempt that decides brought, for the caller to keep; raises what it failed with."""
        assert self._decided is not None  # noqa: S101 - asked after `decide`
        self.is_taken = True
        self._journey.records.sort(key=lambda record: record.ordinal)
        self._note_overlap()
        return self._decided.task.result()

    @property
    def under_way(self) -> list[asyncio.Task[T]]:
        """What has not ended though it was told to."""
        return [one.task for one in self._runners if not one.task.done()]

    def hedge_outcome(self) -> HedgeOutcome | None:
        """What became of the hedge; None where there was none."""
        if len(self._runners) == 1:
            return None
        hedge = self._runners[1]
        if not hedge.task.done() or hedge.task.cancelled():
            return HedgeOutcome.LOST
        error = hedge.task.exception()
        if error is None:
            return HedgeOutcome.WON if hedge is self._decided else HedgeOutcome.LOST
        was_sent = not isinstance(error, ProviderError) or REACTIONS[error.kind].sent
        return HedgeOutcome.FAILED if was_sent else HedgeOutcome.DENIED

    def _note_overlap(self) -> None:
        """Time that both were under way is in both records, and passed once."""
        if len(self._runners) == 2:
            ends = [self._now() if one.ended is None else one.ended for one in self._runners]
            self._journey.overlap += max(min(ends) - self._runners[1].started, 0.0)
