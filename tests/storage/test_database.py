"""A database that is away, silent, damaged or read-only answers in time and says which."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import StorageUnavailable
from app.storage.agents import SqlAgentRepository
from app.storage.database import Database, DatabaseRules, async_url, open_database
from app.storage.errors import DatabaseUnusable
from app.storage.vault import Vault


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("postgresql://u:p%40w@db:5432/outcry", "postgresql+asyncpg://u:p%40w@db:5432/outcry"),
        ("postgres://db/outcry", "postgresql+asyncpg://db/outcry"),
        ("postgresql://db/outcry?sslmode=require", "postgresql+asyncpg://db/outcry?ssl=require"),
        ("sqlite:///./outcry.db", "sqlite+aiosqlite:///./outcry.db"),
        ("sqlite+aiosqlite:///./outcry.db", "sqlite+aiosqlite:///./outcry.db"),
    ],
)
def test_every_spelling_of_a_url_means_an_async_driver(given: str, meant: str) -> None:
    assert async_url(given) == meant


async def test_a_database_that_works_answers(database: Database) -> None:
    await database.ping()


async def test_a_refused_port_is_unavailable_at_once() -> None:
    started = time.monotonic()

    async with open_database("postgresql://u:hunter2@127.0.0.1:1/outcry") as database:
        with pytest.raises(StorageUnavailable) as raised:
            await SqlAgentRepository(database, Vault([])).get(1)

    assert "hunter2" not in str(raised.value)
    assert time.monotonic() - started < 2


async def test_a_server_that_accepts_and_says_nothing_is_unavailable_within_the_patience() -> None:
    started = time.monotonic()
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as silent:
        port = silent.extra(anyio.abc.SocketAttribute.local_port)
        rules = DatabaseRules(patience=0.3, connect=5.0)
        async with open_database(f"postgresql://u@127.0.0.1:{port}/outcry", rules) as database:
            with pytest.raises(StorageUnavailable):
                await database.ping()

    assert time.monotonic() - started < 3


async def test_a_transaction_that_takes_too_long_ends_and_gives_its_connection_back(url: str) -> None:
    async def endless(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        await anyio.sleep_forever()

    async with open_database(url, DatabaseRules(patience=0.2, pool=1, overflow=0)) as database:
        with pytest.raises(StorageUnavailable):
            await database.write(endless)

        await database.ping()


async def test_a_caller_who_leaves_gives_the_connection_back(url: str) -> None:
    started = anyio.Event()

    async def endless(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        started.set()
        await anyio.sleep_forever()

    async with open_database(url, DatabaseRules(pool=1, overflow=0)) as database:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(database.write, endless)
            await started.wait()
            tasks.cancel_scope.cancel()

        await database.ping()


async def test_a_database_without_our_tables_is_unavailable_and_no_bug(empty_url: str) -> None:
    async with open_database(empty_url) as database:
        with pytest.raises(StorageUnavailable):
            await SqlAgentRepository(database, Vault([])).everything()


async def test_a_write_that_waits_for_another_is_not_lost(database: Database) -> None:
    repository = SqlAgentRepository(database, Vault([]))

    async with anyio.create_task_group() as writers:
        for number in range(20):
            writers.start_soon(repository.create, f"agent {number}", None, {})

    assert await repository.revision() == 20


async def _open(url: str) -> None:
    async with open_database(url):
        pass


async def test_a_damaged_file_is_unusable_and_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is no database at all, " * 100)

    with pytest.raises(DatabaseUnusable, match=r"broken\.db.*not a database"):
        await _open(f"sqlite:///{path}")


async def test_a_read_only_file_is_unusable_and_named(tmp_path: Path) -> None:
    path = tmp_path / "fixed.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (id INTEGER)")
    connection.close()

    with pytest.raises(DatabaseUnusable, match=r"fixed\.db.*readonly"):
        await _open(f"sqlite:///file:{path}?mode=ro&uri=true")


async def test_a_file_in_a_directory_that_is_not_there_is_unusable(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="nowhere"):
        await _open(f"sqlite:///{tmp_path}/nowhere/outcry.db")
