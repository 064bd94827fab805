"""Writes that come together are committed together, and one that fails fails alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import anyio
import anyio.abc
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Conflict, StorageUnavailable
from app.storage.database import Database
from app.storage.decisions import SqlDecisionRepository
from app.storage.joining import JoinedWriter
from tests.storage.auditing import decision, verify

Work = Callable[[AsyncSession], Awaitable[None]]


def _joined(database: Database) -> JoinedWriter[Work]:
    """A writer of pieces of work that see their session."""

    async def together(pieces: Sequence[Work]) -> None:
        async def everything(session: AsyncSession) -> None:
            for work in pieces:
                await work(session)

        await database.write(everything)

    return JoinedWriter(together)


class Slow:
    """Holds up the first transaction until it is told to go on, and sees which session does whose work."""

    def __init__(self) -> None:
        self.begun, self.may_go_on = anyio.Event(), anyio.Event()
        self.sessions: list[AsyncSession] = []

    async def first(self, session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        self.begun.set()
        await self.may_go_on.wait()

    async def other(self, session: AsyncSession) -> None:
        self.sessions.append(session)
        await session.execute(text("SELECT 1"))


async def test_who_comes_while_another_commits_goes_with_the_next_one(database: Database) -> None:
    writer, slow = _joined(database), Slow()

    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, slow.first)
        await slow.begun.wait()
        for _ in range(5):
            group.start_soon(writer.write, slow.other)
        await anyio.wait_all_tasks_blocked()
        slow.may_go_on.set()

    assert len(slow.sessions) == 5
    assert len(set(map(id, slow.sessions))) == 1


async def test_when_he_who_does_it_is_cancelled_the_others_hear_that_nobody_knows(database: Database) -> None:
    writer, slow = _joined(database), Slow()
    scope = anyio.CancelScope()

    async def leader() -> None:
        with scope:
            await writer.write(slow.first)

    async with anyio.create_task_group() as group:
        group.start_soon(leader)
        await slow.begun.wait()
        scope.cancel()

    await writer.write(slow.other)
    assert len(slow.sessions) == 1


async def test_a_follower_of_one_who_was_cancelled_is_told_so(database: Database) -> None:
    writer, slow = _joined(database), Slow()
    second = anyio.CancelScope()
    told: list[Exception] = []

    async def hold(session: AsyncSession) -> None:
        await session.execute(text("SELECT 1"))
        second.cancel()
        await anyio.sleep_forever()

    async def leads() -> None:
        with second:
            await writer.write(hold)

    async def follows() -> None:
        try:
            await writer.write(slow.other)
        except StorageUnavailable as error:
            told.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(writer.write, slow.first)
        await slow.begun.wait()
        group.start_soon(leads)
        group.start_soon(follows)
        await anyio.wait_all_tasks_blocked()
        slow.may_go_on.set()

    assert len(told) == 1


async def test_of_decisions_stored_together_only_the_one_that_is_there_already_conflicts(
    database: Database, url: str
) -> None:
    decisions = SqlDecisionRepository(database)
    await decisions.append(decision(3), {"id": "dec-3"}, {})
    told: list[int] = []

    async def append(number: int) -> None:
        try:
            await decisions.append(decision(number), {"id": f"dec-{number}"}, {})
        except Conflict:
            told.append(number)

    async with anyio.create_task_group() as group:
        for number in range(60):
            group.start_soon(append, number)

    assert told == [3]
    page, _ = await decisions.page(limit=100, cursor=None, symbol=None, agent_id=None)
    assert {one["id"] for one in page} == {f"dec-{number}" for number in range(60)}
    found = await verify(url)
    assert (found.ok, found.rows) == (True, 61)


async def test_a_failure_of_the_work_is_its_callers(database: Database) -> None:
    async def fail(session: AsyncSession) -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await _joined(database).write(fail)
