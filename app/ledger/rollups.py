"""The job that rolls usage up and forgets what is old, in small steps between which others write."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio

from app.domain.errors import StorageUnavailable
from app.domain.ports import UsageRollUps

log = logging.getLogger(__name__)

_ROLLED_AT_ONCE: Final = 250
"""Attempts of one step: the loop stands still for two milliseconds at the longest."""
_FORGOTTEN_AT_ONCE: Final = 1_000
_FORGET_EVERY: Final = 600.0
# Between two steps: SQLite's lock knows no queue, and who writes attempts must come to it.
_BREATH: Final = 0.02


@dataclass(frozen=True, slots=True)
class RollUpRules:
    """Seconds between looks for what is new, and days that single attempts and roll-ups are kept."""

    interval: float = 5.0
    attempts_days: float = 400.0
    rollups_days: float = 3660.0


class RollUpJob:
    """Rolls up what was written since. A summary is right at any moment without it, but slower the more waits."""

    def __init__(
        self, rollups: UsageRollUps, rules: RollUpRules, *, now: Callable[[], float], wall: Callable[[], datetime]
    ) -> None:
        self._rollups = rollups
        self._rules = rules
        self._now = now
        self._wall = wall
        self._forgot_at = -math.inf
        self._is_away = False

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            await self.work()
            await anyio.sleep(self._rules.interval)

    async def work(self) -> None:
        """Roll up what waits, then delete what is too old; a database that is away changes nothing but the log."""
        try:
            while await self._rollups.roll(_ROLLED_AT_ONCE) == _ROLLED_AT_ONCE:
                await anyio.sleep(_BREATH)
            await self._forget()
        except StorageUnavailable as error:
            if not self._is_away:
                log.warning("usage is not rolled up", extra={"reason": error.message})
            self._is_away = True
            return
        if self._is_away:
            log.info("usage is rolled up again")
            self._is_away = False

    async def _forget(self) -> None:
        now, wall = self._now(), self._wall()
        if now - self._forgot_at < _FORGET_EVERY:
            return
        while await self._rollups.forget_attempts(wall - timedelta(days=self._rules.attempts_days), _FORGOTTEN_AT_ONCE):
            await anyio.sleep(_BREATH)
        while await self._rollups.forget_cells(wall - timedelta(days=self._rules.rollups_days)):
            await anyio.sleep(_BREATH)
        self._forgot_at = now
