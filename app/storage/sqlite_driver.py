"""SQLite's driver with one visit to its thread per statement.

aiosqlite makes a cursor, executes, fetches and closes in visits of their own, each of which wakes two threads: for the
statements that we send, most of what they cost. Here a statement is executed and all its rows are fetched in one, so
that nothing is left to close; SQLAlchemy asks for all rows of a statement anyhow, where nobody streams them.
"""

from __future__ import annotations

import asyncio
import functools
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from queue import SimpleQueue
from typing import Any, Final, Self

import aiosqlite
from aiosqlite.core import _connection_worker_thread

_CHUNK: Final = 64
SCRIPT: Final = "outcry: a script"
"""Executed with a sequence of statements, each with its rows: all of them in one visit."""


_Found = tuple[Any, list[Any], int, int | None]


def connecting(*args: Any, **kwargs: Any) -> Connection:  # noqa: ANN401 - as `sqlite3.connect` takes them
    """A connection, to be awaited; it is made in the thread that it is used in from then on."""
    made = Connection(functools.partial(sqlite3.connect, *args, **kwargs), _CHUNK)
    # As SQLAlchemy has it for connections that it makes itself: no lock keeps the process.
    made._thread = threading.Thread(target=_work, args=(made._tx,), daemon=True)  # noqa: SLF001
    return made


def _work(queue: SimpleQueue[tuple[Any, Callable[[], Any]]]) -> None:
    """What the thread does: aiosqlite's loop, until it is told to stop or the loop that asks is closed.

    Who was cancelled while SQLite worked, waiting for a lock perhaps, may be gone with its loop when that is done.
    """
    try:
        _connection_worker_thread(queue)
    except RuntimeError:
        waiting = [queue.get_nowait() for _ in range(queue.qsize())]
        if waiting:
            # Nobody waits for the rest; a connection's last word is that it closes.
            waiting[-1][1]()


class Connection(aiosqlite.Connection):
    """One whose cursors cost nothing to make and to close, and whose thread is told to stop once.

    A second word is never answered, and whoever closes would wait for it.
    """

    _under_way = 0

    def stop(self) -> asyncio.Future[Any] | None:
        """Have the thread close and end."""
        return super().stop() if self._running else None

    def cursor(self) -> Any:  # noqa: ANN401 - only SQLAlchemy's adapter, which enters what it gets, asks for one
        return _Cursor(self)

    async def rollback(self) -> None:
        """Undo what is open; no visit for nothing, as after every commit.

        Whoever gave up on a statement has left it in the thread's queue, which may be about to begin something.
        """
        if self._under_way or self._conn.in_transaction:
            await super().rollback()
            # It was the last in the queue.
            self._under_way = 0

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as it is there
        self._under_way += 1
        # Not in `finally`: what was cancelled here is still under way there.
        try:
            result = await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call] # aiosqlite's
        except Exception:
            self._under_way -= 1
            raise
        self._under_way -= 1
        return result

    async def visit(self, fn: Callable[[str, Any], _Found], sql: str, parameters: Any) -> _Found:  # noqa: ANN401
        """What `fn` finds, called in the connection's thread."""
        found: _Found = await self._execute(fn, sql, parameters)
        return found

    async def transact(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """Do `work` in a transaction that writes, all of it in one visit; what it raises undoes it.

        Whoever is cancelled may have left it in the thread's queue: whether it is done nobody knows.
        """
        if not self._running or self._connection is None:
            # What aiosqlite says then, ValueError, is what a value says that no column takes.
            raise sqlite3.OperationalError("the connection is closed")
        await self._execute(self._transacted, work)

    def _transacted(self, work: Callable[[sqlite3.Connection], object]) -> None:
        connection = self._conn
        connection.execute("BEGIN IMMEDIATE")
        try:
            work(connection)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise

    def one(self, sql: str, parameters: Any) -> _Found:  # noqa: ANN401
        """Execute and fetch, in the thread."""
        if sql == SCRIPT:
            # SQLAlchemy takes a list of one for that one.
            return self.many(sql, [parameters])
        cursor = self._conn.execute(sql, parameters)
        rows = cursor.fetchall() if cursor.description else []
        return cursor.description, rows, cursor.rowcount, cursor.lastrowid

    def many(self, sql: str, parameters: Iterable[Any]) -> _Found:
        """Execute once for each, in the thread."""
        if sql == SCRIPT:
            for statement, rows in parameters:
                self._conn.executemany(statement, rows)
            return None, [], -1, None
        cursor = self._conn.executemany(sql, parameters)
        return None, [], cursor.rowcount, cursor.lastrowid


class _Cursor:
    """What SQLAlchemy's adapter needs of a cursor."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> Self:
        return self._with(await self._connection.visit(self._connection.one, sql, parameters))

    async def executemany(self, sql: str, parameters: Iterable[Any]) -> Self:
        return self._with(await self._connection.visit(self._connection.many, sql, parameters))

    async def fetchall(self) -> list[Any]:
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        self._rows = []

    def _with(self, found: _Found) -> Self:
        self.description, self._rows, self.rowcount, self.lastrowid = found
        return self
