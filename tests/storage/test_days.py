"""Every process adds its share of a provider's day."""

from __future__ import annotations

from datetime import date

import anyio
import pytest

from app.domain.day import DayUse
from app.storage.database import Database
from app.storage.days import SqlDayRepository

FRIDAY, SATURDAY = date(2026, 11, 20), date(2026, 11, 21)


@pytest.fixture
def days(database: Database) -> SqlDayRepository:
    return SqlDayRepository(database)


async def test_a_day_nobody_asked_anything_is_empty(days: SqlDayRepository) -> None:
    assert await days.of_day(FRIDAY) == {}


async def test_what_is_added_is_added_to_what_was_there(days: SqlDayRepository) -> None:
    await days.add({"alpha": DayUse(FRIDAY, 3, 5_000_000_000)}, FRIDAY)

    totals = await days.add({"alpha": DayUse(FRIDAY, 2, -900), "beta": DayUse(FRIDAY, 1, 0)}, FRIDAY)

    assert totals == {"alpha": DayUse(FRIDAY, 5, 4_999_999_100), "beta": DayUse(FRIDAY, 1, 0)}
    assert await days.of_day(FRIDAY) == totals


async def test_each_day_is_a_day_of_its_own(days: SqlDayRepository) -> None:
    await days.add({"alpha": DayUse(FRIDAY, 3, 30)}, FRIDAY)

    assert await days.add({"alpha": DayUse(FRIDAY, 1, 10)}, SATURDAY) == {}
    assert await days.of_day(FRIDAY) == {"alpha": DayUse(FRIDAY, 4, 40)}


async def test_processes_that_add_at_the_same_time_lose_nothing(days: SqlDayRepository) -> None:
    async def add() -> None:
        await days.add({"beta": DayUse(FRIDAY, 1, 10), "alpha": DayUse(FRIDAY, 1, 10)}, FRIDAY)

    async with anyio.create_task_group() as processes:
        for _ in range(8):
            processes.start_soon(add)

    assert await days.of_day(FRIDAY) == {name: DayUse(FRIDAY, 8, 80) for name in ("alpha", "beta")}


async def test_an_absurd_count_of_a_provider_is_cut_and_holds_up_no_other(days: SqlDayRepository) -> None:
    for _ in range(3):
        await days.add({"absurd": DayUse(FRIDAY, 1, 10**30), "sane": DayUse(FRIDAY, 1, 10)}, FRIDAY)

    totals = await days.of_day(FRIDAY)

    assert totals == {"absurd": DayUse(FRIDAY, 3, 3 * 10**12), "sane": DayUse(FRIDAY, 3, 30)}
