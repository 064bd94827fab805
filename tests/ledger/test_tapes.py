"""What is recorded waits in memory, bounded, and is there for whoever looks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from app.domain.errors import StorageUnavailable
from app.domain.replay import Replay, ReplayMode, Take, TakeKind, TakeOutcome
from app.ledger.tapes import TapeRules, TapeStore
from tests.fakes import FakeClock
from tests.fakes_replay import FakeTakes

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
RUN = Replay(ReplayMode.REPLAY, "r")


def take(number: int = 0, body: str = "{}", **changes: str) -> Take:
    began = NOON + timedelta(seconds=number)
    made = Take(f"{number:032x}", "local", "r", TakeKind.CALL, "key", "", TakeOutcome.OK, began, body)
    return replace(made, **changes)  # type: ignore[arg-type] # texts only


def put(store: TapeStore, *takes: Take) -> None:
    for one in takes:
        store.put(one, one.owner, one.run)


@pytest.fixture
def takes() -> FakeTakes:
    return FakeTakes()


def store(takes: FakeTakes, **rules: float) -> TapeStore:
    clock = FakeClock()
    return TapeStore(takes, TapeRules(**rules), now=clock.now, wall=clock.wall)  # type: ignore[arg-type] # numbers


async def test_who_looks_finds_what_was_recorded_a_moment_ago(takes: FakeTakes) -> None:
    kept = store(takes)
    put(kept, take())

    assert await kept.find("local", RUN, TakeKind.CALL, ["key"]) == take()
    assert await kept.find("local", RUN, TakeKind.CALL, ["other"]) is None


async def test_a_run_that_cannot_be_written_is_not_called_empty(takes: FakeTakes) -> None:
    kept = store(takes)
    put(kept, take())
    takes.is_away = True

    with pytest.raises(StorageUnavailable):
        await kept.find("local", RUN, TakeKind.CALL, ["key"])

    takes.is_away = False
    assert await kept.find("local", RUN, TakeKind.CALL, ["key"]) == take()


async def test_what_has_no_room_is_lost_and_counted(takes: FakeTakes) -> None:
    size = take(body="x" * 100).size
    kept = store(takes, max_question=size, max_waiting=2 * size)

    put(kept, take(0, "x" * 101), *(take(number, "x" * 100) for number in range(1, 5)))
    kept.put("half a character", "local", "r")
    await kept.drain()

    assert [int(one.id, 16) for one in takes.takes] == [1, 2]
    assert takes.lost == {("local", "r"): 4}


async def test_a_full_run_takes_nothing_more_and_others_do(takes: FakeTakes) -> None:
    kept = store(takes, max_run=2 * take().size)

    put(kept, take(1), take(2), take(3), take(4, run="other"))
    await kept.drain()

    assert [int(one.id, 16) for one in takes.takes] == [1, 2, 4]
    await kept.drain()
    assert takes.lost == {("local", "r"): 1}


async def test_the_job_writes_by_itself(takes: FakeTakes) -> None:
    kept = store(takes)
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(kept.run)
        put(kept, *(take(number) for number in range(60)))
        while len(takes.takes) < 60:
            await anyio.lowlevel.checkpoint()
        jobs.cancel_scope.cancel()

    assert len({one.id for one in takes.takes}) == 60


async def test_turns_are_counted_for_what_was_recorded_more_than_once(takes: FakeTakes) -> None:
    kept = store(takes)
    put(kept, take(1), take(2), take(3, key="single"))

    found = [await kept.find("local", RUN, TakeKind.CALL, ["key"]) for _ in range(3)]
    single = [await kept.find("local", RUN, TakeKind.CALL, ["single"]) for _ in range(2)]

    assert found == [take(1), take(2), take(1)]
    assert single == [take(3, key="single")] * 2
    assert len(kept._turns) == 1
