"""SQLite's connection for what is written all the time. It is held: to ask a pool for one costs as much as to write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from app.storage.sqlite_driver import Connection


class SqliteWriter:
    """One connection beside the pool, from its first transaction on; whoever uses it has the turn to write."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._held: Connection | None = None

    async def transact(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """As the connection does it."""
        held = self._held
        if held is None:
            held = self._connect()
            await held
            self._held = held
        try:
            await held.transact(work)
        except BaseException:
            # Its thread may wait for the lock for a while: nobody else is to wait with it. What was wrong with a file
            # may be right with the next connection.
            self._held = None
            held.stop()
            raise

    async def close(self) -> None:
        """Let go of it."""
        held, self._held = self._held, None
        if held is not None:
            await held.close()
