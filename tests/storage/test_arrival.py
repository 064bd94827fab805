"""A database that was away at the start is waited for, with one word about it, and migrated when it comes."""

from __future__ import annotations

import logging
from pathlib import Path

import anyio
import pytest
from sqlalchemy import text

from app.domain.errors import StorageUnavailable
from app.storage import arrival
from app.storage.arrival import Arrival
from app.storage.database import Database, open_database
from app.storage.migrations import is_behind, migrate


async def test_jobs_start_at_once_where_the_tables_are(database: Database, url: str) -> None:
    done = list[str]()

    async def job() -> None:
        done.append("worked")

    await Arrival(database, url).before(job)()

    assert done == ["worked"]


async def test_jobs_wait_for_the_database_which_is_then_migrated_and_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = f"sqlite:///{tmp_path}/outcry.db"
    await anyio.to_thread.run_sync(migrate, url, "0001")
    looks = 0

    def migrate_later(to: str) -> None:
        nonlocal looks
        looks += 1
        if looks < 5:
            raise StorageUnavailable("the database is unavailable (ConnectionRefusedError)")
        migrate(to)

    behind = list[bool]()
    async with open_database(url) as database:

        async def job() -> None:
            behind.append(await database.read(is_behind))
            await database.read(lambda session: session.execute(text("SELECT 1 FROM provider_days")))

        coming = Arrival(database, url, pause=0.01, migrates=migrate_later)
        with caplog.at_level(logging.INFO), anyio.fail_after(10):
            async with anyio.create_task_group() as jobs:
                for _ in range(2):
                    jobs.start_soon(coming.before(job))

    assert behind == [False, False]
    assert looks == 5
    assert [record.getMessage() for record in caplog.records if record.name == arrival.__name__] == [
        "the database is away",
        "the database is there and at this version",
    ]
