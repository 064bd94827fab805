"""A change of configuration is heard, also one that somebody else made, also after the connection broke."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import anyio
import anyio.to_thread
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import StorageUnavailable
from app.storage.agents import SqlAgentRepository
from app.storage.database import Database, open_database
from app.storage.listener import ConfigListener
from app.storage.migrations import migrate
from app.storage.revision import current_revision
from app.storage.vault import Vault


class Ears:
    """Counts what it is told, and lets a test wait for the next time."""

    def __init__(self, *, fails: int = 0) -> None:
        self.heard = 0
        self.fails = fails
        self._event = anyio.Event()

    async def __call__(self) -> None:
        if self.fails:
            self.fails -= 1
            raise StorageUnavailable("away for a moment")
        self.heard += 1
        self._event.set()
        self._event = anyio.Event()

    async def until(self, times: int) -> None:
        with anyio.fail_after(5):
            while self.heard < times:
                await self._event.wait()


async def test_what_is_there_at_first_and_each_change_is_told(database: Database, url: str) -> None:
    ears = Ears()
    async with open_database(url) as elsewhere, anyio.create_task_group() as jobs:
        jobs.start_soon(ConfigListener(database).run, ears)
        await ears.until(1)

        await SqlAgentRepository(elsewhere, Vault([])).create("a", None, {})

        await ears.until(2)
        jobs.cancel_scope.cancel()


async def test_on_postgresql_a_notification_comes_before_the_poll(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres")
    url = await anyio.to_thread.run_sync(server.migrated)
    ears = Ears()
    async with open_database(url) as database, anyio.create_task_group() as jobs:
        jobs.start_soon(ConfigListener(database, poll=3600).run, ears)
        await ears.until(1)

        await SqlAgentRepository(database, Vault([])).create("a", None, {})

        await ears.until(2)
        jobs.cancel_scope.cancel()
    await anyio.to_thread.run_sync(server.drop, url)


async def test_on_postgresql_a_cut_connection_is_made_again(request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue("postgres")
    url = await anyio.to_thread.run_sync(server.migrated)
    ears = Ears()

    async def cut(session: AsyncSession) -> None:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        await session.execute(text(f"{others} AND datname = current_database()"))

    async with open_database(url) as database, open_database(url) as elsewhere, anyio.create_task_group() as jobs:
        jobs.start_soon(ConfigListener(database, poll=3600).run, ears)
        await ears.until(1)

        await elsewhere.write(cut)
        await SqlAgentRepository(elsewhere, Vault([])).create("a", None, {})

        await ears.until(2)
        jobs.cancel_scope.cancel()
    await anyio.to_thread.run_sync(server.drop, url)


async def test_a_change_that_could_not_be_read_is_told_again(database: Database) -> None:
    ears = Ears()
    ears.fails = 2
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(ConfigListener(database, poll=0.01).run, ears)

        await ears.until(1)
        jobs.cancel_scope.cancel()


async def test_on_postgresql_an_orderly_end_is_no_cut_connection(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    server = request.getfixturevalue("postgres")
    url = await anyio.to_thread.run_sync(server.migrated)
    ears = Ears()
    async with open_database(url) as database, anyio.create_task_group() as jobs:
        jobs.start_soon(ConfigListener(database, poll=3600).run, ears)
        await ears.until(1)
        jobs.cancel_scope.cancel()

    assert "cut off" not in caplog.text
    await anyio.to_thread.run_sync(server.drop, url)


async def test_a_revision_is_in_force_once_it_was_told_in_full(database: Database) -> None:
    watching, ears = ConfigListener(database), Ears(fails=1)
    assert watching.revision == -1

    with pytest.raises(StorageUnavailable):
        await watching._look(ears)
    assert watching.revision == -1

    await watching._look(ears)
    assert watching.revision == await database.read(current_revision)


class Asked:
    """A database that counts what it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_sqlite = database.is_sqlite
        self.engine = database.engine
        self.questions = 0

    async def read(self, question: Any) -> Any:
        self.questions += 1
        return await self._database.read(question)


async def test_a_file_that_nobody_writes_is_hardly_asked(tmp_path: Path) -> None:
    url, ears = f"sqlite:///{tmp_path}/outcry.db", Ears()
    await anyio.to_thread.run_sync(migrate, url)
    async with open_database(url) as database:
        asked = Asked(database)
        watching = ConfigListener(cast(Database, asked))
        for _ in range(17):
            await watching._look(ears)
        assert asked.questions == 3  # at first, and then at every eighth look

        await SqlAgentRepository(database, Vault([])).create("a", None, {})
        await watching._look(ears)

    assert asked.questions == 4
    await ears.until(2)
