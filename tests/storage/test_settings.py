"""Settings that were changed while the service ran are there afterwards, and every process hears of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from app.domain.settings import Setting
from app.storage.database import Database
from app.storage.revision import current_revision
from app.storage.settings import SqlSettingsRepository

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def moments() -> list[datetime]:
    return [NOON]


@pytest.fixture
def settings(database: Database, moments: list[datetime]) -> SqlSettingsRepository:
    return SqlSettingsRepository(database, lambda: moments[0])


async def test_what_was_never_set_is_none(settings: SqlSettingsRepository) -> None:
    assert await settings.get("failover_strategy") is None
    await settings.remove("failover_strategy")


async def test_the_last_word_stays_with_its_moment(settings: SqlSettingsRepository, moments: list[datetime]) -> None:
    await settings.put("a", {"x": [1, None]})
    moments[0] += timedelta(seconds=5)
    await settings.put("a", {"y": "z"})
    await settings.put("b", {})
    await settings.remove("b")

    assert await settings.get("a") == Setting({"y": "z"}, NOON + timedelta(seconds=5))
    assert await settings.get("b") is None


async def test_every_change_counts_the_revision_up(settings: SqlSettingsRepository, database: Database) -> None:
    before = await database.read(current_revision)

    await settings.put("a", {})
    await settings.remove("a")

    assert await database.read(current_revision) == before + 2


async def test_two_who_set_the_same_at_once_both_succeed(settings: SqlSettingsRepository) -> None:
    async with anyio.create_task_group() as writers:
        for number in range(6):
            writers.start_soon(settings.put, "a", {"by": number})

    found = await settings.get("a")
    assert found is not None
    assert found.value["by"] in range(6)
