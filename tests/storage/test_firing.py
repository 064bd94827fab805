"""Of several processes in which an alert fires, one is the first and one the last."""

from __future__ import annotations

import anyio

from app.storage.database import Database
from app.storage.firing import SqlFiringRepository


async def test_who_comes_second_is_not_the_first_and_who_goes_first_is_not_the_last(database: Database) -> None:
    firing = SqlFiringRepository(database)

    assert await firing.fired("down:alpha", "a")
    assert not await firing.fired("down:alpha", "b")
    assert await firing.fired("down:beta", "b")
    assert not await firing.resolved("down:alpha", "a")
    assert await firing.resolved("down:alpha", "b")


async def test_of_those_that_come_at_once_one_is_the_first(database: Database) -> None:
    firing, answers = SqlFiringRepository(database), list[bool]()

    async def fire(holder: str) -> None:
        answers.append(await firing.fired("down:alpha", holder))

    async with anyio.create_task_group() as processes:
        for number in range(6):
            processes.start_soon(fire, f"process{number}")

    assert sorted(answers) == [False] * 5 + [True]


async def test_who_is_gone_is_not_believed_for_ever_unless_renewed(database: Database) -> None:
    gone, there = SqlFiringRepository(database, life=-1.0), SqlFiringRepository(database)
    await gone.fired("down:alpha", "a")

    assert await there.fired("down:alpha", "b")
    await there.renew(["down:alpha", "down:beta"], "a")
    assert not await there.fired("down:beta", "b")
