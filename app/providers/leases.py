"""Keeps this process's shares of the limits that processes share: asks for what it lacks, gives back what it has over.

The hot path takes from the shares in memory. The job beats every second, and at once when something was refused here
that others have room for, or another process asks. A share on record frees itself when nobody has renewed it for 5 s
and what was used of it has passed, so that a process that was killed does not keep it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import anyio

from app.domain.errors import StorageUnavailable
from app.domain.leases import Claim, Held, Holding, LimitKey, Word
from app.domain.ports import LeaseRepository
from app.providers.pool import Pool
from app.resilience.shares import Portion, Step

log = logging.getLogger(__name__)

_EVERY: Final = 1.0
_AT_MOST_EVERY: Final = 0.03
_LIFE: Final = 5.0
# Less than a supervisor waits for its jobs.
_PATIENCE: Final = 1.5
_WINDOW: Final = 60.0


class Shortage:
    """Whether somebody should look at the shares now; `told` is what the hot path and the bell call."""

    def __init__(self) -> None:
        self._event = anyio.Event()

    def told(self) -> None:
        """Look soon."""
        self._event.set()

    async def wait(self) -> None:
        """Return when somebody should look; what is told from then on is told anew."""
        await self._event.wait()
        self._event = anyio.Event()


class Leases:
    """The shares of one process, `holder`. `is_loaded` once it has any: before that it has nothing of what is limited.

    While the database is away the process keeps what it has: it is on record, and nobody else can take it.
    """

    def __init__(
        self, pool: Pool, repository: LeaseRepository, shortage: Shortage, *, holder: str, now: Callable[[], float]
    ) -> None:
        self._pool = pool
        self._repository = repository
        self._shortage = shortage
        self._holder = holder
        self._now = now
        self._is_away = False
        self._beat_at: float | None = None
        self._forgets_from = now()
        self._on_record: dict[LimitKey, Holding] = {}
        self.is_loaded = False

    def is_needed(self) -> bool:
        """Whether anything is limited that processes share."""
        return any(state.limits.portions for state in self._pool.providers())

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            await self.beat()
            until = self._now() + _EVERY
            while (left := until - self._now()) > 0:
                with anyio.move_on_after(left):
                    await self._shortage.wait()
                    await self.look()
                    await anyio.sleep(_AT_MOST_EVERY)

    async def beat(self) -> None:
        """Renew everything, within 1.5 s; a database that is away changes nothing."""
        for portion in self._portions().values():
            portion.forget_wants()
        await self._bounded(self._exchange)

    async def look(self) -> None:
        """Exchange if there is anything to be had, to be given or to be said."""
        await self._bounded(self._look)

    async def leave(self) -> None:
        """Keep only what was used, until it has passed: the rest is free for the others at once."""
        if self.is_loaded:
            await self._bounded(self._part)

    async def _bounded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            with anyio.fail_after(_PATIENCE, shield=True):
                await work()
        except (StorageUnavailable, TimeoutError) as error:
            if not self._is_away:
                log.warning("shares of the limits cannot be exchanged", extra={"reason": str(error)})
            self._is_away = True
        else:
            self._is_away = False

    async def _look(self) -> None:
        portions = self._portions()
        if not portions:
            return
        held, clock = await self._repository.everything()
        steps = self._steps(portions, held, self._now(), clock)
        for key, step in steps.items():
            portions[key].reach = step.reach
        if any(self._is_urgent(key, step, portions[key]) for key, step in steps.items()):
            await self._exchange()

    def _is_urgent(self, key: LimitKey, step: Step, portion: Portion) -> bool:
        """Whether it cannot wait for the next beat: there is something to be had, to be given, or to be asked for."""
        mine, known = step.holding, self._on_record.get(key)
        if known is None or (mine.wants and step.capacity > portion.meter.capacity):
            return True
        if step.is_wanted and mine.share < known.share:
            return True
        return step.lacks and mine.wants > 2 * known.wants

    async def _exchange(self) -> None:
        portions = self._portions()
        if not portions:
            self.is_loaded = True
            return
        now = self._now()
        if self._beat_at is not None and now - self._beat_at > _LIFE:
            # The database was away, maybe for all: that the others did not renew theirs says nothing about them yet.
            self._forgets_from = now + _LIFE + _WINDOW
        steps: dict[LimitKey, Step] = {}

        def decide(held: Held, clock: float) -> Word:
            now = self._now()
            steps.update(self._steps(portions, held, now, clock))
            for key, step in steps.items():
                portions[key].lower(step, now)
            claims = {key: Claim(step.holding, _LIFE, portions[key].meter.lasts) for key, step in steps.items()}
            return Word(claims, rings=any(self._is_news(key, step) for key, step in steps.items()))

        await self._repository.exchange(decide, forgets=now >= self._forgets_from)
        self._take_over(portions, steps)

    def _is_news(self, key: LimitKey, step: Step) -> bool:
        """Whether the others can do something with it."""
        known = self._on_record.get(key)
        return step.lacks or (step.is_wanted and known is not None and step.holding.share < known.share)

    def _take_over(self, portions: Mapping[LimitKey, Portion], steps: Mapping[LimitKey, Step]) -> None:
        now = self._beat_at = self._now()
        for key, step in steps.items():
            portions[key].take_over(step, now)
        self._on_record = {key: step.holding for key, step in steps.items()}
        self.is_loaded = True
        for state in self._pool.providers():
            state.limits.line.wake()

    async def _part(self) -> None:
        portions = self._portions()

        def decide(_held: Held, _clock: float) -> Word:
            now = self._now()
            pinned = {key: portion.leave(now) for key, portion in portions.items()}
            claims = {
                key: Claim(Holding(self._holder, used, used), 0.0, portions[key].meter.lasts if used else 0.0)
                for key, used in pinned.items()
            }
            return Word(claims, rings=True)

        if portions:
            await self._repository.exchange(decide, forgets=False)

    def _portions(self) -> dict[LimitKey, Portion]:
        return {
            (state.config.name, name): portion
            for state in self._pool.providers()
            for name, portion in state.limits.portions.items()
        }

    def _steps(
        self, portions: Mapping[LimitKey, Portion], held: Held, now: float, clock: float
    ) -> dict[LimitKey, Step]:
        return {
            key: portion.step(
                self._holder, [one for one in held.get(key, ()) if one.holder != self._holder], now, clock
            )
            for key, portion in portions.items()
        }
