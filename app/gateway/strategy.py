"""The strategy of `auto`, changed while the service runs: stored, so that every process and the next start have it."""

from __future__ import annotations

import logging
from typing import Final

import anyio

from app.domain.audit import THE_GATEWAY, Author
from app.domain.ports import SettingsRepository
from app.domain.routing import PolicyName, RunTimeStrategy, StrategyInForce
from app.domain.settings import Setting
from app.providers.pool import Pool
from app.routing.names import policy_of

log = logging.getLogger(__name__)

_NAME: Final = "failover_strategy"


class Strategy:
    """Which strategy is in force here, one of `workers`, and how it is changed for all.

    One that was set at run time holds over what the provider file said at that moment. Once the file says something
    else, the file is the newer word; `None` gives the word back to the file at once.
    """

    def __init__(self, pool: Pool, settings: SettingsRepository, *, workers: int = 1) -> None:
        self._pool = pool
        self._settings = settings
        self._workers = workers
        self._reading = anyio.Lock()

    def in_force(self) -> StrategyInForce:
        """The order in which `auto` tries its targets in this process."""
        ruling = self._pool.ruling_strategy
        policy = policy_of(self._pool.current.failover_strategy)
        return StrategyInForce(policy, None if ruling is None else ruling.since, self._workers)

    async def change(self, policy: PolicyName | None, *, by: Author = THE_GATEWAY) -> StrategyInForce:
        """Another strategy, here at once and within a second everywhere; None takes the file's again.

        Raises StorageUnavailable; then nothing has changed.
        """
        if policy is None:
            await self._settings.remove(_NAME, by=by)
        else:
            over = self._pool.stated.failover_strategy
            await self._settings.put(_NAME, {"strategy": policy.value, "over": over}, by=by)
        await self.refresh()
        return self.in_force()

    async def refresh(self) -> None:
        """Take over what is stored, whoever stored it. Raises StorageUnavailable."""
        # One at a time, so that what was read first is never put in force last.
        async with self._reading:
            stored = await self._settings.get(_NAME)
            self._pool.set_strategy(None if stored is None else _understood(stored))


def _understood(stored: Setting) -> RunTimeStrategy | None:
    """What a row says; None, with a warning, for one that somebody else wrote."""
    try:
        return RunTimeStrategy(PolicyName(stored.value["strategy"]), str(stored.value["over"]), stored.changed_at)
    except (KeyError, TypeError, ValueError):
        log.warning("the stored strategy is none: the provider file decides")
        return None
