"""Health history: samples each provider from time to time and puts them on record, off everybody's path."""

from __future__ import annotations

import logging
import math
import os
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import anyio

from app.domain.errors import StorageUnavailable
from app.domain.health import HealthSample
from app.domain.ports import HealthRepository
from app.providers.health import status_of, worst
from app.providers.pool import Pool
from app.providers.state import ProviderState, Tallies

log = logging.getLogger(__name__)

_BATCH: Final = 500
_FORGET_EVERY: Final = 600.0
_FORGOTTEN_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class HistoryRules:
    """Seconds between samples, days they are kept, and how many wait in memory while the database is away."""

    interval: float = 60.0
    retention_days: float = 30.0
    queue: int = 10_000


class HealthHistory:
    """Takes the samples and writes them. It reads the pool and steers nothing.

    While the database is away the newest `queue` samples wait; samples are no money, so what waits when the process
    ends is gone. A sample that no database takes is dropped and said.
    """

    def __init__(
        self,
        pool: Pool,
        repository: HealthRepository,
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        rules: HistoryRules,
    ) -> None:
        self._pool = pool
        self._repository = repository
        self._now = now
        self._wall = wall
        self._rules = rules
        self._process = os.urandom(4).hex()
        self._waiting: deque[HealthSample] = deque(maxlen=rules.queue)
        self._seen: dict[str, tuple[ProviderState, Tallies]] = {}
        self._forgot_at = -math.inf
        self._is_away = False

    @property
    def depth(self) -> int:
        """How many samples wait in memory."""
        return len(self._waiting)

    async def run(self) -> None:
        """The job: never returns. A start over keeps what waits."""
        while True:
            await anyio.sleep(self._rules.interval)
            self.sample()
            await self.write()

    def sample(self) -> None:
        """Note how every provider does now, and what happened at it since the last time."""
        now, wall = self._now(), self._wall()
        states = self._pool.providers()
        self._waiting.extend(self._sample(state, now, wall) for state in states)
        self._seen = {state.config.name: (state, replace(state.tallies)) for state in states}

    async def write(self) -> None:
        """Store what waits and delete what is too old; a database that is away changes nothing but the log."""
        try:
            while self._waiting:
                await self._write_batch()
            await self._forget()
        except StorageUnavailable as error:
            if not self._is_away:
                log.warning("health history waits for the database", extra={"reason": error.message})
            self._is_away = True
            return
        if self._is_away:
            log.info("health history is written again")
            self._is_away = False

    def _sample(self, state: ProviderState, now: float, wall: datetime) -> HealthSample:
        targets = self._pool.states(state.config.name)
        before = self._before(state)
        tallies = state.tallies
        status = status_of(state, targets, now)
        return HealthSample(
            provider=state.config.name,
            at=wall,
            status=status.value,
            circuit=worst([target.breaker.circuit(now) for target in targets]).value,
            requests=tallies.requests - before.requests,
            failures=tallies.failures - before.failures,
            looks=tallies.looks - before.looks,
            looks_up=tallies.looks_up - before.looks_up,
            p50=state.window.percentile(0.5, now),
            p95=state.window.percentile(0.95, now),
            in_flight=state.in_flight,
            last_error=state.last_error,
            process=self._process,
        )

    def _before(self, state: ProviderState) -> Tallies:
        """The totals at the last sample; none for a state that was made since."""
        known, tallies = self._seen.get(state.config.name, (None, Tallies()))
        return tallies if known is state else Tallies()

    async def _write_batch(self) -> None:
        batch = [self._waiting[position] for position in range(min(_BATCH, len(self._waiting)))]
        await self._store(batch)
        # Only now: unknown whether a write that failed was one, and ids keep it from being stored twice.
        for _ in batch:
            self._waiting.popleft()

    async def _store(self, batch: Sequence[HealthSample]) -> None:
        try:
            await self._repository.append(batch)
        except ValueError:
            # One sample that no database takes must not hold up the others.
            if len(batch) == 1:
                log.exception("a health sample cannot be stored", extra={"provider": batch[0].provider})
                return
            middle = len(batch) // 2
            await self._store(batch[:middle])
            await self._store(batch[middle:])

    async def _forget(self) -> None:
        """Every ten minutes, in slices: a writer of usage waits for one of them at most."""
        now = self._now()
        if now - self._forgot_at < _FORGET_EVERY:
            return
        before = self._wall() - timedelta(days=self._rules.retention_days)
        while await self._repository.forget(before, _FORGOTTEN_AT_ONCE) >= _FORGOTTEN_AT_ONCE:
            pass
        self._forgot_at = now
