"""Runs on record: found by their question, bounded, forgotten as a whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.replay import Take, TakeKind, TakeOutcome
from app.storage.database import Database
from app.storage.replay import SqlTakeRepository

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Wall:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def runs(database: Database, wall: Wall) -> SqlTakeRepository:
    return SqlTakeRepository(database, wall)


def take(number: int, **changes: Any) -> Take:
    stated: dict[str, Any] = {
        "id": f"{number:032x}",
        "owner": "local",
        "run": "r",
        "kind": TakeKind.CALL,
        "key": "k" * 64,
        "member": "",
        "outcome": TakeOutcome.OK,
        "began_at": NOON + timedelta(seconds=number),
        "body": '{"exchanges":[],"said":"\\u0000 ü"}',
    }
    return Take(**{**stated, **changes})


async def nth(runs: SqlTakeRepository, n: int, **changes: Any) -> tuple[int | None, int]:
    asked: dict[str, Any] = {"kind": TakeKind.CALL, "member": "", "keys": ["x" * 64, "k" * 64], "n": n}
    found, count = await runs.nth("local", "r", **{**asked, **changes})
    return None if found is None else int(found.id, 16), count


async def test_a_question_is_found_in_the_order_in_which_it_was_asked(runs: SqlTakeRepository) -> None:
    await runs.append(
        [take(3), take(1), take(2, outcome=TakeOutcome.ERROR), take(0, outcome=TakeOutcome.CANCELLED)], {}
    )

    assert [await nth(runs, n) for n in range(4)] == [(1, 3), (2, 3), (3, 3), (1, 3)]


@pytest.mark.parametrize("changes", [{"member": "1"}, {"keys": ["x"]}, {"kind": TakeKind.PANEL}], ids=str)
async def test_another_question_is_not_there(runs: SqlTakeRepository, changes: dict[str, Any]) -> None:
    await runs.append([take(1)], {})

    assert await nth(runs, 0, **changes) == (None, 0)
    assert (await runs.nth("other", "r", kind=TakeKind.CALL, member="", keys=["k" * 64], n=0))[0] is None


async def test_a_take_comes_back_as_it_was_and_once(runs: SqlTakeRepository) -> None:
    await runs.append([take(1)], {("local", "r"): 2})
    await runs.append([take(1), take(2)], {})

    assert await runs.page("local", "r", after=None, limit=10) == [take(1), take(2)]
    assert await runs.page("local", "r", after=take(1), limit=10) == [take(2)]
    (run,) = await runs.runs()
    assert (run.size, run.lost, run.created_at) == (take(1).size + take(2).size, 2, NOON)
    assert await runs.size("local", "r") == run.size
    assert await runs.size("local", "none") == 0


async def test_a_run_is_forgotten_as_a_whole_once_nothing_comes_to_it(runs: SqlTakeRepository, wall: Wall) -> None:
    await runs.append([take(1), take(2, run="old")], {})
    wall.at = NOON + timedelta(days=2)
    await runs.append([take(3)], {})

    assert await runs.forget(NOON + timedelta(days=1)) == 1

    assert [run.name for run in await runs.runs()] == ["r"]
    assert len(await runs.page("local", "r", after=None, limit=10)) == 2
    assert await runs.page("local", "old", after=None, limit=10) == []
