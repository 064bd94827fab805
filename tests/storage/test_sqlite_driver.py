"""SQLite's driver: all of a statement in one visit to its thread, and nothing left open behind it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.storage.sqlite_driver import SCRIPT, Connection, connecting


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    made = connecting(tmp_path / "one.db", isolation_level=None, check_same_thread=False)
    await made
    await made.cursor().execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")
    yield made
    await made.close()


async def _numbers(connection: Connection) -> list[Any]:
    cursor = connection.cursor()
    await cursor.execute("SELECT number FROM numbers ORDER BY number")
    return [row[0] for row in await cursor.fetchall()]


async def test_a_script_executes_each_statement_with_its_rows(connection: Connection) -> None:
    insert = "INSERT INTO numbers VALUES (?)"

    await connection.cursor().executemany(SCRIPT, [(insert, [(1,), (2,)]), (insert, [(3,)])])

    assert [1, 2, 3] == await _numbers(connection)


async def test_a_transaction_that_raises_leaves_nothing_behind(connection: Connection) -> None:
    def fails(raw: sqlite3.Connection) -> None:
        raw.execute("INSERT INTO numbers VALUES (1)")
        raise LookupError

    with pytest.raises(LookupError):
        await connection.transact(fails)
    await connection.transact(lambda raw: raw.executemany("INSERT INTO numbers VALUES (?)", [(2,), (3,)]))

    assert [2, 3] == await _numbers(connection)


async def test_a_transaction_on_a_closed_connection_is_the_drivers_error_and_not_a_values(tmp_path: Path) -> None:
    closed = connecting(tmp_path / "closed.db", isolation_level=None, check_same_thread=False)
    await closed
    await closed.close()

    with pytest.raises(sqlite3.OperationalError):
        await closed.transact(lambda raw: raw.commit())


async def test_a_cursor_that_nobody_closed_locks_nothing(connection: Connection, tmp_path: Path) -> None:
    cursor = connection.cursor()
    await cursor.execute("SELECT 1 UNION SELECT 2 UNION SELECT 3")

    with sqlite3.connect(tmp_path / "one.db", timeout=0) as other:
        other.execute("INSERT INTO numbers VALUES (7)")
    other.close()

    assert [(1,), (2,), (3,)] == await cursor.fetchall()


async def test_a_rollback_waits_for_what_somebody_gave_up_on(connection: Connection) -> None:
    # The thread is busy; a BEGIN waits for it, and nobody waits for the BEGIN any more.
    may_go_on = threading.Event()
    busy = asyncio.ensure_future(connection._execute(may_go_on.wait))
    given_up = asyncio.ensure_future(connection.cursor().execute("BEGIN IMMEDIATE"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait({given_up})

    undone = asyncio.ensure_future(connection.rollback())
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.gather(busy, undone)

    assert not await _in_transaction(connection)


async def _in_transaction(connection: Connection) -> bool:
    """Once everything in the thread's queue is done."""
    await _numbers(connection)
    return connection.in_transaction
