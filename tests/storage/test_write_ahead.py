"""SQLite's write-ahead log: moved beside those who write, and never longer than it may be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.storage.database import Database, open_database
from app.storage.write_ahead import WriteAheadLog


async def _write(database: Database, rows: int) -> None:
    await database.write_in_sqlite(
        lambda connection: connection.executemany("INSERT INTO t VALUES (?)", [(bytes(4_000),)] * rows)
    )


def _rows(path: Path) -> int:
    """Those of the file alone, without its log."""
    with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM t").fetchone()[0])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with closing(sqlite3.connect(tmp_path / "one.db")) as connection:
        connection.execute("CREATE TABLE t (content BLOB)")
    return tmp_path / "one.db"


async def test_what_is_in_the_log_is_moved_into_the_file_and_the_log_begins_anew(path: Path) -> None:
    async with open_database(f"sqlite:///{path}") as database:
        log = WriteAheadLog(database)
        await _write(database, 2_000)
        before = _rows(path)
        log.move()
        moved = _rows(path)
        size = path.with_name("one.db-wal").stat().st_size
        for _ in range(4):
            await _write(database, 500)
            log.move()

        assert (before, moved) == (0, 2_000)
        assert path.with_name("one.db-wal").stat().st_size == size


async def test_a_log_that_nobody_moves_is_moved_by_whoever_makes_it_too_long(path: Path) -> None:
    async with open_database(f"sqlite:///{path}") as database:
        await _write(database, 9_000)

        assert _rows(path) == 9_000


async def test_who_moves_the_log_waits_for_nobody_and_raises_nothing(path: Path) -> None:
    async with open_database(f"sqlite:///{path}") as database:
        await _write(database, 10)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            WriteAheadLog(database).move()

        assert _rows(path) == 10
        path.unlink()
        path.mkdir()
        WriteAheadLog(database).move()
