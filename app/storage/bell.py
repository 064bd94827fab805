"""Hearing at once that another process wrote something: NOTIFY on PostgreSQL, a look at the file on SQLite."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import anyio
import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import StorageUnavailable
from app.storage.database import Database
from app.storage.errors import translated_errors

log = logging.getLogger(__name__)

_CLOSE_SECONDS: Final = 1.0
_AGAIN_SECONDS: Final = 1.0
# Two calls of stat take five microseconds; half of the wait at a limit may pass before the other process has looked.
_LOOK_SECONDS: Final = 0.04
# To wake up costs a hundred microseconds, whatever is done then.
_LEISURELY_SECONDS: Final = 0.25


class Bell:
    """A job that tells when another process may have written. It may tell too often; whoever hears it looks.

    `channel` is PostgreSQL's. A file is looked at 25 times a second while somebody `hurries`, else four times. Nothing
    is told while the database is away: whoever must not miss a word polls, too.
    """

    def __init__(self, database: Database, channel: str, *, hurries: Callable[[], bool] = lambda: True) -> None:
        self._database = database
        self._channel = channel
        self._hurries = hurries

    async def run(self, *hearers: Callable[[], None]) -> None:
        """Call the hearers whenever there may be something to see, until cancelled."""

        def heard() -> None:
            for hear in hearers:
                hear()

        if self._database.is_sqlite:
            await self._watch(heard)
        while True:
            with suppress(StorageUnavailable):
                await self._listen(heard)
            await anyio.sleep(_AGAIN_SECONDS)

    async def _listen(self, heard: Callable[[], None]) -> None:
        lost = anyio.Event()
        async with notifications(self._database, self._channel, heard, lost.set):
            heard()
            await lost.wait()

    async def _watch(self, heard: Callable[[], None]) -> None:
        seen = last_touch(self._database)
        while True:
            await anyio.sleep(_LOOK_SECONDS if self._hurries() else _LEISURELY_SECONDS)
            touched = last_touch(self._database)
            if touched != seen:
                seen = touched
                heard()


async def ring(database: Database, session: AsyncSession, channel: str) -> None:
    """Have the others hear it when this transaction is committed; on SQLite the commit itself is heard."""
    if not database.is_sqlite:
        await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": channel})


@asynccontextmanager
async def notifications(
    database: Database, channel: str, heard: Callable[[], None], lost: Callable[[], None]
) -> AsyncGenerator[Callable[[], bool]]:
    """While this lasts, `heard` is called with each notification, and `lost` when somebody cuts the connection off.

    Yields whether the connection is still there. It is no pool's: it waits for ever.
    """

    def on_notification(*_: object) -> None:
        heard()

    def on_termination(_: object) -> None:
        lost()

    with translated_errors():
        connection = await _connect(database)
        await connection.add_listener(channel, on_notification)
        connection.add_termination_listener(on_termination)
    try:
        yield lambda: not connection.is_closed()
    finally:
        # From here on it is we who cut them off.
        connection.remove_termination_listener(on_termination)
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True), suppress(OSError, asyncpg.InterfaceError):
            await connection.close(timeout=_CLOSE_SECONDS)


def last_touch(database: Database) -> object:
    """What differs after a commit to an SQLite file; None where that cannot be told."""
    if not database.is_sqlite:
        return None
    # By hand, without pathlib: this is asked 25 times a second.
    file = database.engine.url.database or ""
    try:
        touched = [os.stat(file)]  # noqa: PTH116
        with suppress(FileNotFoundError):
            touched.append(os.stat(f"{file}-wal"))  # noqa: PTH116
    except OSError:
        return None
    return [(one.st_ino, one.st_mtime_ns, one.st_size) for one in touched]


async def _connect(database: Database) -> Any:  # noqa: ANN401 - asyncpg has no types
    _, arguments = database.engine.dialect.create_connect_args(database.engine.url)
    return await asyncpg.connect(**arguments, timeout=database.connect_seconds)
