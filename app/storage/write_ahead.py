"""Moves what was committed from SQLite's write-ahead log into the database file, so that nobody's commit has to.

A commit is in the log, and synced, when it returns: when the log is moved changes nothing about that. SQLite does it at
the end of the commit that makes it a thousand pages long: every thirtieth decision would wait some milliseconds for it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import Final

import anyio
import anyio.to_thread

from app.storage.database import Database, file_of

_PAUSE: Final = 0.5
_PASSES: Final = 2
"""The second takes what was committed during the first: the log begins anew only where nothing is left in it."""


class WriteAheadLog:
    """The log of one database file."""

    def __init__(self, database: Database) -> None:
        self._name, self._options = file_of(database.engine)

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            await anyio.sleep(_PAUSE)
            await anyio.to_thread.run_sync(self.move, abandon_on_cancel=True)

    def move(self) -> None:
        """Move what is there, waiting for nobody. Blocks. What is wrong with the file is told to those who write."""
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(self._name, timeout=0, isolation_level=None, **self._options)) as connection,
        ):
            for _ in range(_PASSES):
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
