"""Keeps what each provider was asked today on record: a limit per day outlives the process and is shared by all."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

import anyio

from app.domain.day import DayUse
from app.domain.errors import StorageUnavailable
from app.domain.ports import DayRepository
from app.providers.pool import Pool
from app.resilience.days import day_of

log = logging.getLogger(__name__)

_EVERY: Final = 1.0
# Less than a supervisor waits for its jobs: a write that is cut off in the middle may be counted twice.
_PATIENCE: Final = 1.5


class DayRecord:
    """Adds this process's share to the record every second and takes over what the others had.

    Kill -9 loses at most the last second. While the database is away each process counts for itself.
    """

    def __init__(
        self, pool: Pool, repository: DayRepository, *, now: Callable[[], float], wall: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._repository = repository
        self._now = now
        self._wall = wall
        self._is_away = False
        self.is_loaded = False
        """Whether what was asked earlier today is known."""

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            await self.sync()
            await anyio.sleep(_EVERY)

    async def sync(self) -> None:
        """Write and read once, within 1.5 s; a database that is away changes nothing."""
        try:
            with anyio.fail_after(_PATIENCE, shield=True):
                await self._exchange()
        except (StorageUnavailable, TimeoutError) as error:
            if not self._is_away:
                log.warning("the day's counts are not on record", extra={"reason": str(error)})
            self._is_away = True
        else:
            self._is_away, self.is_loaded = False, True

    async def _exchange(self) -> None:
        now, today = self._now(), day_of(self._wall())
        days = {state.config.name: state.limits.day for state in self._pool.providers()}
        added = {name: use for name, day in days.items() if (use := day.unrecorded(now)) is not None}
        if added:
            totals = await self._repository.add(added, today)
        else:
            totals = await self._repository.of_day(today)
        now, wall = self._now(), self._wall()
        for name, day in days.items():
            day.recorded(added.get(name), totals.get(name, DayUse(today, 0, 0)), now, wall)
