"""A database that is away, silent, damaged or read-only answers in time and says which."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Conflict, StorageUnavailable
from app.storage.agents import SqlAgentRepository
from app.storage.database import Database, DatabaseRules, async_url, open_database
from app.storage.errors import DatabaseUnusable, ValueRefused
from app.storage.migrations import migrate
from app.storage.revision import current_revision
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


async def test_writers_that_read_first_wait_for_each_other(database: Database) -> None:
    async def count_up(session: AsyncSession) -> None:
        (before,) = (await session.execute(text("SELECT revision FROM config_revision"))).one()
        assert before >= 0
        await session.execute(text("UPDATE config_revision SET revision = revision + 1"))

    async with anyio.create_task_group() as writers:
        for _ in range(10):
            writers.start_soon(database.write, count_up)

    assert await SqlAgentRepository(database, Vault([])).revision() == 10


async def test_a_database_that_falls_silent_costs_the_patience_and_is_used_again_when_it_speaks(
    request: pytest.FixtureRequest,
) -> None:
    server = request.getfixturevalue("postgres")
    url = make_url(await anyio.to_thread.run_sync(server.create))
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as wires:
        wire = Wire(url)
        wires.start_soon(listener.serve, wire.carry)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        through = url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
        async with open_database(through, DatabaseRules(patience=0.3, pool=1, overflow=0)) as database:
            await database.ping()
            wire.is_cut = True
            started = time.monotonic()
            with pytest.raises(StorageUnavailable):
                await database.ping()
            waited = time.monotonic() - started

            wire.is_cut = False
            await database.ping()
        wires.cancel_scope.cancel()
    await anyio.to_thread.run_sync(server.drop, url.render_as_string(hide_password=False))
    assert waited < 1.5


class Wire:
    """A connection to the database that can go silent in both directions without closing."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self.is_cut = False

    async def carry(self, client: anyio.abc.ByteStream) -> None:
        async with client, await self._connect() as server, anyio.create_task_group() as directions:
            directions.start_soon(self._pump, client, server)
            directions.start_soon(self._pump, server, client)

    async def _connect(self) -> anyio.abc.ByteStream:
        if (directory := self._url.query.get("host")) is not None:
            return await anyio.connect_unix(f"{directory}/.s.PGSQL.{self._url.port or 5432}")
        return await anyio.connect_tcp(self._url.host or "127.0.0.1", self._url.port or 5432)

    async def _pump(self, source: anyio.abc.ByteStream, sink: anyio.abc.ByteStream) -> None:
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            async for received in source:
                if not self.is_cut:
                    await sink.send(received)


async def _open(url: str) -> None:
    async with open_database(url):
        pass


async def test_a_damaged_file_is_unusable_and_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    path.write_bytes(b"this is no database at all, " * 100)

    with pytest.raises(DatabaseUnusable, match=r"broken\.db.*not a database"):
        await _open(f"sqlite:///{path}")


async def test_damage_behind_the_first_pages_is_no_absence(tmp_path: Path) -> None:
    path = tmp_path / "outcry.db"
    await anyio.to_thread.run_sync(migrate, f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        # That table's own page: with more tables the schema itself lies behind the first page too.
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'config_revision'").fetchone()
    whole = path.read_bytes()
    path.write_bytes(whole[: 4096 * (page - 1)] + b"\xa5" * 4096 + whole[4096 * page :])

    async with open_database(f"sqlite:///{path}") as database:
        with pytest.raises(DatabaseUnusable) as raised:
            await database.read(current_revision)

    assert isinstance(raised.value, StorageUnavailable)


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


async def test_who_is_cancelled_while_he_waits_for_the_lock_is_gone_at_once_and_no_error_of_the_pool(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "locked.db"
    async with open_database(f"sqlite:///{path}", DatabaseRules(busy=2.0)) as database:
        await database.ping()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = time.monotonic()
            with anyio.move_on_after(0.05) as patience:
                await database.write(lambda session: session.execute(text("SELECT 1")))
            waited = time.monotonic() - asked
        await database.write(lambda session: session.execute(text("CREATE TABLE t (id INTEGER)")))

    assert patience.cancelled_caught
    assert waited < 1.5
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy")] == []


async def test_a_connection_whose_user_was_cancelled_goes_to_the_next_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def leaves(session: AsyncSession) -> None:
        await session.execute(text("CREATE TABLE t (id INTEGER)"))
        scope.cancel()
        await session.execute(text("INSERT INTO t VALUES (1)"))

    rules = DatabaseRules(pool=1, overflow=0)
    async with open_database(f"sqlite:///{tmp_path}/one.db", rules) as database:
        with anyio.CancelScope() as scope:
            await database.write(leaves)
        await database.write(lambda session: session.execute(text("CREATE TABLE t (id INTEGER)")))

    assert scope.cancelled_caught
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy")] == []


async def test_what_a_write_in_sqlite_raises_undoes_it_and_is_told_in_our_words(tmp_path: Path) -> None:
    def twice(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO t VALUES (?)", [(1,), (1,)])

    def too_large(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO t VALUES (?)", [(2,), (2**63,)])

    def elsewhere(connection: sqlite3.Connection) -> None:
        connection.executemany("INSERT INTO nowhere VALUES (?)", [(3,)])

    async with open_database(f"sqlite:///{tmp_path}/one.db", DatabaseRules(pool=1, overflow=0)) as database:
        await database.write(lambda session: session.execute(text("CREATE TABLE t (id INTEGER PRIMARY KEY)")))
        for work, error in ((twice, Conflict), (too_large, ValueRefused), (elsewhere, StorageUnavailable)):
            with pytest.raises(error):
                await database.write_in_sqlite(work)
        await database.write_in_sqlite(lambda connection: connection.executemany("INSERT INTO t VALUES (?)", [(4,)]))

        found = await database.read(lambda session: session.execute(text("SELECT id FROM t")))

    assert found.all() == [(4,)]


@pytest.mark.parametrize("patience", [0.1, 10.0])
async def test_a_write_in_sqlite_whose_time_is_over_waits_no_longer_for_the_lock(
    tmp_path: Path, patience: float, caplog: pytest.LogCaptureFixture
) -> None:
    def create(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE t (id INTEGER)")

    path = tmp_path / "locked.db"
    rules = DatabaseRules(patience=patience, busy=2.0, pool=1, overflow=0)
    async with open_database(f"sqlite:///{path}", rules) as database:
        await database.ping()
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = time.monotonic()
            with anyio.move_on_after(0.2), suppress(StorageUnavailable):
                await database.write_in_sqlite(create)
            waited = time.monotonic() - asked
        await database.ping()

    assert waited < 1.5
    assert [record.getMessage() for record in caplog.records if record.name.startswith("sqlalchemy")] == []


async def test_the_connection_that_writes_is_none_of_the_pools_and_is_closed_with_it(tmp_path: Path) -> None:
    async with open_database(f"sqlite:///{tmp_path}/one.db", DatabaseRules(pool=1, overflow=0)) as database:
        before = set(threading.enumerate())
        await database.write_in_sqlite(lambda connection: connection.execute("CREATE TABLE t (id INTEGER)"))
        held = set(threading.enumerate()) - before
        with pytest.raises(StorageUnavailable):
            await database.write_in_sqlite(lambda connection: connection.execute("INSERT INTO nowhere VALUES (1)"))
        await database.write_in_sqlite(lambda connection: connection.execute("INSERT INTO t VALUES (1)"))
        found = await database.read(lambda session: session.execute(text("SELECT id FROM t")))
        opened = set(threading.enumerate()) - before

    assert found.all() == [(1,)]
    assert len(held) == 1
    for thread in held | opened:
        thread.join(2)
        assert not thread.is_alive()
