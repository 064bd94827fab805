"""Decisions are on record before anybody hears of them, whatever the database does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.domain.decision import Filing
from app.domain.errors import Code, Conflict, StorageUnavailable
from app.domain.idempotency import RequestKey, Reservation
from app.domain.payload import Payload
from app.ledger.spill import Spill
from tests.decisions.fakes import Scripted, Shelf, question, service, vote_text

BUY = vote_text("BUY")


class Moody(Shelf):
    """Away, or silent after it has stored, as long as it is told to be."""

    def __init__(self, *, is_away: bool = False, is_silent: bool = False) -> None:
        super().__init__()
        self.is_away, self.is_silent = is_away, is_silent
        self.stored = anyio.Event()
        self.is_held = True
        self.settled: list[Reservation] = []

    async def append(
        self, decision: Filing, answer: dict[str, Any], request: dict[str, Any], payloads: Sequence[Payload] = ()
    ) -> None:
        if self.is_away:
            raise StorageUnavailable("away")
        if decision.id in self.answers:
            self.stored.set()
            raise Conflict(decision.id)
        if decision.reservation is not None and not self.is_held:
            raise Conflict("taken over", code=Code.IDEMPOTENCY_UNKNOWN_OUTCOME)
        self.settled += [] if decision.reservation is None else [decision.reservation]
        await super().append(decision, answer, request, payloads)
        if self.is_silent:
            await anyio.sleep_forever()
        self.stored.set()

    async def update(self, decision_id: str, answer: dict[str, Any], payloads: Sequence[Payload] = ()) -> None:
        if self.is_away:
            raise StorageUnavailable("away")
        await super().update(decision_id, answer, payloads)

    async def get(self, decision_id: str) -> dict[str, Any] | None:
        if self.is_away:
            raise StorageUnavailable("away")
        return await super().get(decision_id)


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    return tmp_path / "spill" / "decisions.jsonl"


def files(stem: Path) -> list[Path]:
    return sorted(stem.parent.glob("*"))


async def test_while_the_database_is_away_a_decision_waits_on_disk_and_is_found(stem: Path) -> None:
    shelf = Moody(is_away=True)
    asked = service(Scripted({"a/1": BUY}), shelf, spill=Spill(stem, 10**6))

    decision = await asked.decide(question())

    assert (await asked.get(decision.id) or {})["id"] == decision.id
    assert decision.id.encode() in files(stem)[0].read_bytes()
    await asked.close()


async def test_it_is_handed_over_once_when_the_database_is_back(stem: Path) -> None:
    shelf = Moody(is_away=True)
    asked = service(Scripted({"a/1": BUY}), shelf, spill=Spill(stem, 10**6))
    decision = await asked.decide(question(metadata={"huge": 10**30}))
    shelf.is_away = False

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(asked.run)
        with anyio.fail_after(5):
            await shelf.stored.wait()
            while files(stem):
                await anyio.lowlevel.checkpoint()
        jobs.cancel_scope.cancel()

    assert list(shelf.answers) == [decision.id]
    assert await asked.get(decision.id) == shelf.answers[decision.id]
    assert shelf.dossiers[decision.id]["request"]["metadata"] == {"huge": 10**30}


async def test_a_commit_that_does_not_return_is_spilled_and_not_stored_twice(stem: Path) -> None:
    shelf = Moody(is_silent=True)
    asked = service(Scripted({"a/1": BUY}), shelf, spill=Spill(stem, 10**6))

    decision = await asked.decide(question(within=0.3))

    shelf.is_silent = False
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(asked.run)
        with anyio.fail_after(5):
            await shelf.stored.wait()
        jobs.cancel_scope.cancel()
    assert list(shelf.answers) == [decision.id]


async def test_what_a_killed_process_left_is_handed_over_by_the_next(stem: Path) -> None:
    dead = service(Scripted({"a/1": BUY}), Moody(is_away=True), spill=Spill(stem, 10**6))
    decision = await dead.decide(question())
    await dead.close()
    with files(stem)[0].open("ab") as torn:
        torn.write(b'{"id": "dec_torn", "fil')
    shelf = Moody()
    living = service(Scripted({}), shelf, spill=Spill(stem, 10**6))

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(living.run)
        with anyio.fail_after(5):
            await shelf.stored.wait()
        jobs.cancel_scope.cancel()

    assert list(shelf.answers) == [decision.id]


async def test_what_a_killed_process_left_is_handed_over_by_one_that_lives_on(stem: Path) -> None:
    shelf = Moody()
    living = service(Scripted({}), shelf, spill=Spill(stem, 10**6))
    beside = service(Scripted({"a/1": BUY}), Moody(is_away=True), spill=Spill(stem, 10**6))

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(living.run)
        decision = await beside.decide(question())
        while not files(stem):
            await anyio.lowlevel.checkpoint()
        assert not shelf.answers, "it was taken from one that lives"
        await beside.close()
        with anyio.fail_after(5):
            await shelf.stored.wait()
        jobs.cancel_scope.cancel()

    assert list(shelf.answers) == [decision.id]


@pytest.mark.parametrize("max_bytes", [0, 10])
async def test_with_no_room_on_disk_either_there_is_no_decision(stem: Path, max_bytes: int) -> None:
    asked = service(Scripted({"a/1": BUY}), Moody(is_away=True), spill=Spill(stem, max_bytes))

    with pytest.raises(StorageUnavailable):
        await asked.decide(question())


async def test_a_late_vote_reaches_a_decision_that_waits_on_disk(stem: Path) -> None:
    late = anyio.Event()

    async def waits(_: Any) -> str:
        await late.wait()
        return BUY

    shelf = Moody(is_away=True)
    asked = service(Scripted({"a/1": BUY, "b/1": BUY, "c/1": waits}), shelf, spill=Spill(stem, 10**6))
    decision = await asked.decide(question(settle="all"))

    late.set()
    with anyio.fail_after(5):
        while (await asked.get(decision.id) or {})["votes"][2]["status"] != "ok":
            await anyio.lowlevel.checkpoint()
    await asked.close()


async def test_what_the_disk_does_not_take_for_good_is_no_decision(stem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError("no")

    asked = service(Scripted({"a/1": BUY}), Moody(is_away=True), spill=Spill(stem, 10**6))
    monkeypatch.setattr("app.ledger.spill.SpillFile.sync", broken)

    with pytest.raises(StorageUnavailable):
        await asked.decide(question())


@pytest.mark.parametrize("is_held", [True, False])
async def test_a_decision_with_a_key_waits_on_disk_too_and_settles_it_if_it_is_still_held(
    stem: Path, *, is_held: bool
) -> None:
    held = Reservation(RequestKey("local", "order-17", "a" * 64), "owner")
    shelf = Moody(is_away=True)
    asked = service(Scripted({"a/1": BUY}), shelf, spill=Spill(stem, 10**6))

    decision = await asked.decide(question(reservation=held))

    assert [answer["id"] for answer in asked.held_on_disk().values()] == [decision.id]
    shelf.is_away, shelf.is_held = False, is_held
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(asked.run)
        with anyio.fail_after(5):
            while files(stem):
                await anyio.lowlevel.checkpoint()
        jobs.cancel_scope.cancel()
    assert list(shelf.answers) == [decision.id]
    assert shelf.settled == ([held] if is_held else [])
    assert asked.held_on_disk() == {}
