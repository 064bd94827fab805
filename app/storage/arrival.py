"""Waits for a database that was away at the start, and brings it up to this version when it comes."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import anyio
import anyio.to_thread

from app.domain.errors import StorageUnavailable
from app.storage.database import Database
from app.storage.errors import DatabaseUnusable
from app.storage.migrations import is_behind, migrate

log = logging.getLogger(__name__)


class Arrival:
    """What jobs wait for that need this version's tables: one of them looks, every `pause` seconds.

    `migrates` brings a database up to this version, in a thread; raises StorageUnavailable while it is away.
    """

    def __init__(
        self, database: Database, url: str, *, pause: float = 1.0, migrates: Callable[[str], None] = migrate
    ) -> None:
        self._database = database
        self._url = url
        self._pause = pause
        self._migrates = migrates
        self._turn = anyio.Lock()
        self._is_there = self._is_away = False

    def before(self, job: Callable[[], Awaitable[None]]) -> Callable[[], Coroutine[Any, Any, None]]:
        """The job, from the moment on when there are tables for it."""

        async def wait_and_work() -> None:
            async with self._turn:
                while not self._is_there:
                    await self._look()
            await job()

        return wait_and_work

    async def _look(self) -> None:
        try:
            if await self._is_behind():
                await anyio.to_thread.run_sync(self._migrates, self._url)
        except StorageUnavailable as error:
            if not self._is_away:
                log.warning("the database is away", extra={"reason": error.message})
            self._is_away = True
            await anyio.sleep(self._pause)
        else:
            self._is_there = True
            if self._is_away:
                log.info("the database is there and at this version")

    async def _is_behind(self) -> bool:
        """Also where nobody knows, for lack of the table that says it: a migration that is not needed does no harm."""
        try:
            return await self._database.read(is_behind)
        except (StorageUnavailable, DatabaseUnusable):
            return True
