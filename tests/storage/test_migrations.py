"""Migrations go up, down and up, say what the tables say, and run once however many start them."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio.to_thread
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel

import app.storage.tables
from app.domain.errors import StorageUnavailable
from app.storage.database import open_database
from app.storage.errors import DatabaseUnusable
from app.storage.migrations import MIGRATION_OPTIONS, downgrade, is_behind, migrate, on_database

assert app.storage.tables.ATTEMPTS is not None


def _tables(url: str) -> set[str]:
    found: set[str] = set()
    on_database(url, lambda connection: found.update(inspect(connection).get_table_names()))
    return found - {"alembic_version"}


def test_migrations_go_up_down_and_up_again(empty_url: str) -> None:
    migrate(empty_url)
    assert _tables(empty_url) == set(SQLModel.metadata.tables)

    downgrade(empty_url)
    assert _tables(empty_url) == set()

    migrate(empty_url)
    assert _tables(empty_url) == set(SQLModel.metadata.tables)


def test_the_migrations_make_exactly_the_tables_that_the_code_describes(url: str) -> None:
    differences: list[object] = []

    def compare(connection: Connection) -> None:
        context = MigrationContext.configure(connection, opts=MIGRATION_OPTIONS)
        differences.extend(compare_metadata(context, SQLModel.metadata))

    on_database(url, compare)

    assert differences == []


def test_two_replicas_that_start_together_migrate_once(empty_url: str) -> None:
    with ThreadPoolExecutor(2) as replicas:
        list(replicas.map(migrate, [empty_url] * 2))

    rows: list[object] = []
    on_database(empty_url, lambda connection: rows.extend(connection.execute(text("SELECT id FROM config_revision"))))
    assert len(rows) == 1


def test_migrating_twice_changes_nothing(url: str) -> None:
    before = _tables(url)

    migrate(url)

    assert _tables(url) == before


async def test_a_database_of_an_older_version_is_behind_and_one_of_a_newer_version_is_not(empty_url: str) -> None:
    async with open_database(empty_url) as database:
        for revision, behind in (("0001", True), ("head", False)):
            await anyio.to_thread.run_sync(migrate, empty_url, revision)
            assert await database.read(is_behind) is behind

        await database.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
        assert not await database.read(is_behind)


def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str) -> None:
    def make_and_fail(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half_done (id INTEGER)"))
        raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        on_database(empty_url, make_and_fail)

    assert _tables(empty_url) == set()


def test_plain_alembic_migrates_what_database_url_names(empty_url: str) -> None:
    root = Path(__file__).resolve().parents[2]

    subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"],
        cwd=root,
        env={**os.environ, "DATABASE_URL": empty_url},
        check=True,
        capture_output=True,
    )

    assert "agents" in _tables(empty_url)


def test_a_database_that_is_away_is_unavailable_and_not_a_traceback_with_a_password() -> None:
    with pytest.raises(StorageUnavailable) as raised:
        migrate("postgresql://outcry:hunter2@127.0.0.1:1/outcry")

    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["mysql://host/name", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_can_never_work_is_refused_by_name(url: str) -> None:
    with pytest.raises(DatabaseUnusable):
        migrate(url)
