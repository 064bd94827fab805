"""Hearing that the configuration changed, wherever it was changed: LISTEN on PostgreSQL, polling behind it."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio

from app.domain.errors import StorageUnavailable
from app.storage.bell import last_touch, notifications
from app.storage.database import Database
from app.storage.revision import CHANNEL, current_revision

log = logging.getLogger(__name__)

SQLITE_POLL: Final = 0.25
POSTGRES_POLL: Final = 1.0
# Two commits within a tick of the file system's clock may leave the same times: the database itself is asked by then.
_PASSED_OVER: Final = 7


class ConfigListener:
    """A job that tells of every new revision; several changes in quick succession may be told as one.

    `poll` is the seconds between two looks at the revision. On PostgreSQL a notification comes first, and polling
    finds what a broken connection missed.
    """

    def __init__(self, database: Database, *, poll: float | None = None) -> None:
        self._database = database
        self._poll = poll or (SQLITE_POLL if database.is_sqlite else POSTGRES_POLL)
        self._seen = -1
        self._touched: object = None
        self._passed_over = 0
        self._is_away = False
        self._wake = anyio.Event()

    @property
    def revision(self) -> int:
        """The newest revision that was told in full; -1 before the first."""
        return self._seen

    async def run(self, on_change: Callable[[], Awaitable[None]]) -> None:
        """Call `on_change` at the first sight of a revision and after each change, until cancelled.

        While the database is away nothing is called; what is there when it comes back is told then.
        """
        while True:
            try:
                async with self._notifications() as is_listening:
                    while is_listening():
                        await self._look(on_change)
                        self._is_away = False
                        with anyio.move_on_after(self._poll):
                            await self._wake.wait()
            except StorageUnavailable as error:
                if not self._is_away:
                    log.warning("configuration cannot be watched", extra={"reason": error.message})
                self._is_away = True
                await anyio.sleep(self._poll)

    async def _look(self, on_change: Callable[[], Awaitable[None]]) -> None:
        # Before the look: what changes during it wakes the next one.
        self._wake = anyio.Event()
        # Before the look, too. A query costs a thousand times as much, and four a second were most of what idling cost.
        touched = last_touch(self._database)
        if touched is not None and touched == self._touched and self._passed_over < _PASSED_OVER:
            self._passed_over += 1
            return
        revision = await self._database.read(current_revision)
        if revision != self._seen:
            await on_change()
            self._seen = revision
        self._touched, self._passed_over = touched, 0

    @asynccontextmanager
    async def _notifications(self) -> AsyncGenerator[Callable[[], bool], None]:
        """While this lasts, a notification wakes the loop."""
        if self._database.is_sqlite:
            yield lambda: True
            return
        async with notifications(self._database, CHANNEL, self._notified, self._lost) as is_listening:
            yield is_listening

    def _notified(self) -> None:
        self._wake.set()

    def _lost(self) -> None:
        log.warning("the notifications of the database were cut off; polling goes on")
        self._wake.set()
