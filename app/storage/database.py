"""The engine under every repository: one transaction per method, bounded in time, on SQLite or PostgreSQL."""

from __future__ import annotations

import functools
import hashlib
import math
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import aiosqlite
import anyio
import anyio.to_thread
from sqlalchemy import event, text
from sqlalchemy.engine import URL, AdaptedConnection, Connection, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from app.domain.usage import summed
from app.storage.chain import Chain
from app.storage.columns import json_text
from app.storage.errors import DatabaseUnusable, translated_errors
from app.storage.sheaf import Sheaf, joined, lay
from app.storage.sqlite_driver import Connection as SqliteDriver
from app.storage.sqlite_driver import connecting
from app.storage.sqlite_writer import SqliteWriter

_BEGIN: Final = "sqlite_begin"
_LONGEST_LOG: Final = 8_000
"""Pages of SQLite's write-ahead log, 32 MB, at which a commit moves them into the file itself."""
_CLEANUP_SECONDS: Final = 3.0
_GIVE_BACK_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class DatabaseRules:
    """How long the database may keep a caller waiting, in seconds, and how many connections it may hold.

    `patience` bounds one whole transaction, `connect` one new connection, `busy` a wait for SQLite's write lock.
    """

    patience: float = 10.0
    connect: float = 3.0
    busy: float = 5.0
    pool: int = 5
    overflow: int = 5


class Database:
    """Sessions on one engine. `is_sqlite` tells the embedded database from the shared one.

    `chain` is where a transaction that writes puts on record what it does.
    """

    def __init__(self, engine: AsyncEngine, rules: DatabaseRules) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self.connect_seconds = rules.connect
        self.chain = Chain()
        # Who finds SQLite's write lock taken sleeps and looks again; in one process they can wait their turn instead.
        self._turn = anyio.Lock(fast_acquire=True)
        self._patience = rules.patience
        self._reading = async_sessionmaker(engine, expire_on_commit=False)
        self._writing = async_sessionmaker(begin_immediate(engine), expire_on_commit=False)
        self._writer = SqliteWriter(lambda: _beside_the_pool(engine, rules))

    async def read(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """What `work` finds in one transaction. Raises StorageUnavailable within `patience`."""
        return await self._run(self._reading(), work, nullcontext())

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Do `work` in one transaction and commit it; a timeout leaves open whether the commit happened."""
        return await self._run(self._writing(), work, self._turn if self.is_sqlite else nullcontext())

    async def write_in_sqlite(self, work: Callable[[sqlite3.Connection], object]) -> None:
        """As `write`, on SQLite alone: `work` is done in the connection's thread, in one visit and without a session.

        For what is written all the time: a session costs as much as forty rows. The chain hears nothing of it.
        """
        with translated_errors(), anyio.fail_after(self._patience):
            async with self._turn:
                await self._writer.transact(work)

    async def store(self, sheaves: Sequence[Sheaf]) -> None:
        """Do in one transaction all that these say, and commit it, as `write` does; without a session on SQLite."""
        sheaf = joined(sheaves)
        if not self.is_sqlite:
            await self.write(lambda session: lay(session, sheaf))
            return
        with translated_errors(), anyio.fail_after(self._patience):
            async with self._turn:
                if self.chain.head is None:
                    await self._run(self._writing(), lambda session: lay(session, sheaf), nullcontext())
                else:
                    await self.chain.commit_in_sqlite(sheaf, self.engine.dialect, self._writer.transact)

    async def close(self) -> None:
        """Let go of every connection that nobody uses."""
        await self._writer.close()
        await self.engine.dispose()

    async def ping(self) -> None:
        """Return when the database answers; raises StorageUnavailable within `patience`."""
        await self.read(_select_one)

    async def _run(
        self,
        session: AsyncSession,
        work: Callable[[AsyncSession], Awaitable[T]],
        turn: AbstractAsyncContextManager[None],
    ) -> T:
        try:
            with translated_errors(), anyio.fail_after(self._patience):
                async with turn:
                    result = await work(session)
                    async with self.chain.committing(session):
                        await session.commit()
                    return result
        finally:
            # A connection that was cut off in the middle of something is closed by now, not waited for.
            with anyio.move_on_after(_CLEANUP_SECONDS, shield=True):
                await session.close()


T = TypeVar("T")
P = ParamSpec("P")


class HasDatabase(Protocol):
    """A repository: whatever holds a database."""

    _database: Database


S = TypeVar("S", bound=HasDatabase)


def reads(
    method: Callable[Concatenate[S, AsyncSession, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Make a repository's method one reading transaction; callers do not pass the session."""

    @functools.wraps(method)
    async def transaction(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.read(lambda session: method(self, session, *args, **kwargs))

    return transaction


def writes(
    method: Callable[Concatenate[S, AsyncSession, P], Awaitable[T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Make a repository's method one writing transaction, committed when it returns."""

    @functools.wraps(method)
    async def transaction(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.write(lambda session: method(self, session, *args, **kwargs))

    return transaction


@asynccontextmanager
async def open_database(
    url: str, rules: DatabaseRules | None = None, *, is_tolerant: bool = False
) -> AsyncGenerator[Database, None]:
    """A database for as long as the context lasts; one that `is_tolerant` reads text that is no text, too.

    A PostgreSQL that is down is no error here: it may come. A SQLite file that cannot work raises DatabaseUnusable.
    """
    rules = rules or DatabaseRules()
    database = Database(create_engine(url, rules, is_tolerant=is_tolerant), rules)
    try:
        if database.is_sqlite:
            await anyio.to_thread.run_sync(check_file, url)
        yield database
    finally:
        with anyio.move_on_after(_CLEANUP_SECONDS, shield=True):
            await database.close()


def async_url(url: str) -> str:
    """The same database over an async driver: `postgresql://` means asyncpg, `sqlite://` aiosqlite."""
    return _parsed(url).render_as_string(hide_password=False)


def create_engine(
    url: str, rules: DatabaseRules, *, foreign_keys: bool = True, is_tolerant: bool = False
) -> AsyncEngine:
    """An engine for a URL in any spelling that `async_url` takes; nothing is connected yet.

    Without `foreign_keys` SQLite does not look at them: a migration that rebuilds a table must not cascade.
    """
    parsed = _parsed(url)
    if parsed.get_backend_name() == "sqlite":
        checked = _TolerantConnection if is_tolerant else _SqliteConnection
        return _sqlite_engine(parsed, rules, checked if foreign_keys else _UncheckedConnection)
    return create_async_engine(
        parsed,
        hide_parameters=True,
        json_serializer=json_text,
        pool_pre_ping=True,
        pool_size=rules.pool,
        max_overflow=rules.overflow,
        pool_timeout=rules.connect,
        connect_args={"timeout": rules.connect, "server_settings": {"application_name": "outcry"}},
    )


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        # No `from`: the driver's text repeats the URL, and a URL carries a password.
        raise DatabaseUnusable("DATABASE_URL is not a URL such as postgresql://user:password@host/name") from None
    match parsed.get_backend_name():
        case "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise DatabaseUnusable("an SQLite database in memory dies with its connection: name a file")
            return parsed.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return _in_asyncpgs_words(parsed).set(drivername="postgresql+asyncpg")
        case other:
            raise DatabaseUnusable(f"DATABASE_URL names {other}; sqlite and postgresql are known")


def _in_asyncpgs_words(url: URL) -> URL:
    """What libpq calls `sslmode`, asyncpg calls `ssl`; the values are the same."""
    if "sslmode" not in url.query:
        return url
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": url.query["sslmode"]})


def begin_immediate(engine: AsyncEngine) -> AsyncEngine:
    """The same engine for transactions that write.

    On SQLite they take the write lock first: a deferred one that reads before it writes cannot wait for that lock.
    """
    return engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})


def _sqlite_engine(url: URL, rules: DatabaseRules, factory: type[sqlite3.Connection]) -> AsyncEngine:
    engine = create_async_engine(
        url,
        hide_parameters=True,
        json_serializer=json_text,
        pool_size=rules.pool,
        max_overflow=rules.overflow,
        pool_timeout=rules.connect,
        pool_reset_on_return=None,  # `give_back` below does it
        connect_args=_arguments(rules, factory) | {"async_creator_fn": connecting},
    )

    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))

    @event.listens_for(engine.sync_engine, "reset")
    def give_back(connection: AdaptedConnection, record: ConnectionPoolEntry, state: PoolResetState) -> None:
        if state.asyncio_safe and not connection.run_async(_rolled_back):
            record.invalidate()

    return engine


def _arguments(rules: DatabaseRules, factory: type[sqlite3.Connection]) -> dict[str, Any]:
    # Autocommit in the driver, so that nothing but who says so opens a transaction.
    return {"timeout": rules.busy, "isolation_level": None, "factory": factory}


def _beside_the_pool(engine: AsyncEngine, rules: DatabaseRules) -> SqliteDriver:
    """A connection of SQLite's driver like those of the engine, to be awaited."""
    name, options = file_of(engine)
    return connecting(name, **options | _arguments(rules, _SqliteConnection))


def file_of(engine: AsyncEngine) -> tuple[str, dict[str, Any]]:
    """What SQLite's driver is told to open, and how."""
    (name,), options = engine.dialect.create_connect_args(engine.url)
    return name, dict(options)


async def _rolled_back(connection: aiosqlite.Connection) -> bool:
    """Whether the connection can go to the next one; one whose thread still waits for a lock cannot.

    A cancelled scope would end this as well, and the pool would report that with a stack. Shielded, it keeps a
    cancelled caller no longer than a moment.
    """
    is_cancelled = anyio.current_effective_deadline() == -math.inf
    with anyio.move_on_after(_GIVE_BACK_SECONDS if is_cancelled else _CLEANUP_SECONDS, shield=True):
        await connection.rollback()
        return True
    return False


class _SqliteConnection(sqlite3.Connection):
    """A connection with our settings, with sums of decimals that lose nothing, and with hashes of blobs."""

    foreign_keys = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on as they come
        super().__init__(*args, **kwargs)
        self.create_aggregate("exact_sum", 1, _ExactSum)  # type: ignore[arg-type] # typeshed knows integers only
        self.create_function("sha256_hex", 1, _sha256_hex, deterministic=True)
        self.execute(f"PRAGMA foreign_keys={'ON' if self.foreign_keys else 'OFF'}")
        if self.execute("PRAGMA journal_mode").fetchone()[0] == "delete":
            # The switch lasts in the file and does not wait for a lock: who loses the race leaves it to the winner.
            with suppress(sqlite3.OperationalError):
                self.execute("PRAGMA journal_mode=WAL")
        # A job moves it long before (`write_ahead.py`): this is where it cannot keep up, or does not run.
        self.execute(f"PRAGMA wal_autocheckpoint={_LONGEST_LOG}")


class _UncheckedConnection(_SqliteConnection):
    foreign_keys = False


class _TolerantConnection(_SqliteConnection):
    """One that reads what is no UTF-8, too: a check of everything has to get past it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on as they come
        super().__init__(*args, **kwargs)
        self.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")


def _sha256_hex(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


class _ExactSum:
    """The aggregate behind `exact_sum`: decimals are text in SQLite."""

    def __init__(self) -> None:
        self._sum: Decimal | None = None

    def step(self, value: str | None, /) -> None:
        if value is not None:
            self._sum = summed((Decimal(value), self._sum or Decimal(0)))

    def finalize(self) -> str | None:
        return None if self._sum is None else format(self._sum, "f")


async def _select_one(session: AsyncSession) -> None:
    await session.execute(text("SELECT 1"))


def check_file(url: str) -> None:
    """Raise DatabaseUnusable for an SQLite file that is damaged, read-only or nowhere, in a person's words. Blocks.

    Another who holds the file for longer than SQLite's busy timeout is no reason to refuse it.
    """
    parsed = _parsed(url)
    (name,), options = parsed.get_dialect()().create_connect_args(parsed)
    try:
        with closing(sqlite3.connect(name, isolation_level=None, uri=bool(options.get("uri")))) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            connection.execute("PRAGMA user_version=0")  # a write, and taken back: only that shows a read-only file
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            return
        raise DatabaseUnusable(f"the database file {parsed.database} cannot be used: {error}") from error
