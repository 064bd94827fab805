"""One panel per key: whoever comes with it again hears what the first one decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.decisions.idempotency import Idempotency, IdempotencyRules
from app.decisions.question import Question
from app.decisions.repeat import Told, told_again
from app.decisions.service import DecisionEvent, VoteEvent
from app.decisions.wire import rendered
from app.domain.errors import Code, Conflict, NotAdmitted, OutcryError, RequestRejected, StorageUnavailable
from app.domain.idempotency import RequestKey, Reservation, Term
from app.domain.kill import Kill
from tests.decisions.fakes import NOON, Stopping
from tests.fakes_edge import DECISION, VOTE
from tests.fakes_keys import KeyShelf

KEY = RequestKey("local", "k", "a" * 64)


class Desk:
    """A panel that waits to be let go, behind keys in memory; what sleeps passes time instead."""

    def __init__(self, shelf: KeyShelf | None = None) -> None:
        self.shelf = shelf or KeyShelf()
        self.wall = NOON
        self.passes = timedelta()
        self.panels = 0
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.error: Exception | None = None
        self.kill: Kill | None = None
        self.spilled: dict[Reservation, dict[str, Any]] = {}
        self.keys = Idempotency(
            self.shelf,
            now=asyncio.get_running_loop().time,
            wall=self._wall,
            sleep=self._sleep,
            rules=IdempotencyRules(),
            stops=Stopping(lambda _: self.kill),
            spilled=lambda: self.spilled,
        )

    async def panel(self, asked: Question) -> AsyncGenerator[VoteEvent | DecisionEvent]:
        self.panels += 1
        self.begun.set()
        if self.error is not None:
            raise self.error
        yield VoteEvent(VOTE)
        await self.may_end.wait()
        assert asked.reservation is not None
        self.shelf.settle(asked.reservation, rendered(DECISION))
        yield DecisionEvent(DECISION, rendered(DECISION))

    async def ask(self, key: RequestKey = KEY, within: float = 5.0) -> list[Told]:
        loop = asyncio.get_running_loop()
        asked = Question(
            symbol="BTC/USDT", prompt="up?", request_id="req", arrived=loop.time(), deadline=loop.time() + within
        )
        return [told async for told in self.keys.ask(key, asked, self.panel)]

    def _wall(self) -> datetime:
        return self.wall

    async def _sleep(self, _: float) -> None:
        self.wall += self.passes
        await asyncio.sleep(0)


@pytest.fixture
async def desk() -> Desk:
    return Desk()


async def test_fifty_at_once_are_one_panel_and_fifty_equal_answers(desk: Desk) -> None:
    asking = [asyncio.create_task(desk.ask()) for _ in range(50)]
    await desk.begun.wait()
    desk.may_end.set()

    answers = await asyncio.gather(*asking)

    assert desk.panels == 1
    assert all([(t.name, t.body) for t in told] == [(t.name, t.body) for t in answers[0]] for told in answers)
    assert [told[-1].is_replayed for told in answers].count(False) == 1


async def test_another_process_hears_the_stored_answer(desk: Desk) -> None:
    other = Desk(desk.shelf)
    first = asyncio.create_task(desk.ask())
    await desk.begun.wait()
    second = asyncio.create_task(other.ask())
    desk.may_end.set()

    assert (await second)[-1].body == (await first)[-1].body
    assert (await second)[-1].is_replayed
    assert other.panels == 0


async def test_the_panel_goes_on_when_its_caller_leaves(desk: Desk) -> None:
    first = asyncio.create_task(desk.ask())
    await desk.begun.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    desk.may_end.set()

    told = await desk.ask()

    assert (desk.panels, told[-1].name, told[-1].is_replayed) == (1, "decision", True)


async def test_whoever_cannot_wait_until_it_is_decided_may_come_back(desk: Desk) -> None:
    first = asyncio.create_task(desk.ask())
    await desk.begun.wait()

    with pytest.raises(Conflict) as refused:
        await desk.ask(within=0.01)
    desk.may_end.set()
    await first

    assert (refused.value.code, refused.value.retry_after) == (Code.IDEMPOTENCY_IN_PROGRESS, 1.0)


async def test_whoever_cannot_wait_for_another_process_may_come_back(desk: Desk) -> None:
    other = Desk(desk.shelf)
    first = asyncio.create_task(desk.ask())
    await desk.begun.wait()

    with pytest.raises(Conflict) as refused:
        await other.ask(within=0.01)
    desk.may_end.set()
    await first

    assert refused.value.code is Code.IDEMPOTENCY_IN_PROGRESS


async def test_the_key_of_another_question_is_refused(desk: Desk) -> None:
    desk.may_end.set()
    await desk.ask()

    with pytest.raises(RequestRejected) as refused:
        await desk.ask(RequestKey("local", "k", "b" * 64))

    assert refused.value.code is Code.IDEMPOTENCY_MISMATCH
    await desk.ask(RequestKey("other", "k", "b" * 64))
    assert desk.panels == 2


@pytest.mark.parametrize("error", [NotAdmitted(Code.RATE_LIMIT, "too much"), ZeroDivisionError("a bug")])
async def test_a_failure_without_a_decision_does_not_burn_the_key(desk: Desk, error: Exception) -> None:
    desk.error = error
    with pytest.raises(type(error)):
        await desk.ask()

    desk.error = None
    desk.may_end.set()

    assert [told.is_replayed for told in await desk.ask()] == [False, False]


async def test_a_crash_is_an_unknown_outcome_once_and_never_a_silent_second_panel(desk: Desk) -> None:
    gone = Reservation(KEY, "gone")
    await desk.shelf.claim(gone, Term(NOON, NOON + timedelta(seconds=5), NOON + timedelta(days=1)))
    desk.may_end.set()
    desk.passes = timedelta(seconds=1)

    with pytest.raises(Conflict) as refused:
        await desk.ask()

    assert refused.value.code is Code.IDEMPOTENCY_UNKNOWN_OUTCOME
    assert desk.panels == 0
    assert (await desk.ask())[-1].name == "decision"
    assert desk.panels == 1


async def test_whoever_waits_for_a_key_that_is_given_back_asks_himself(desk: Desk) -> None:
    other = Desk(desk.shelf)
    other.may_end.set()
    held = Reservation(KEY, "busy")
    await desk.shelf.claim(held, Term(NOON, NOON + timedelta(seconds=5), NOON + timedelta(days=1)))
    waiting = asyncio.create_task(other.ask())
    await asyncio.sleep(0)

    await desk.shelf.release(held)

    assert [told.is_replayed for told in await waiting] == [False, False]


async def test_without_the_database_nobody_is_asked(desk: Desk) -> None:
    desk.shelf.is_away = True

    with pytest.raises(StorageUnavailable):
        await desk.ask()

    assert desk.panels == 0


async def test_what_is_held_is_renewed_until_it_is_decided(desk: Desk) -> None:
    first = asyncio.create_task(desk.ask())
    await desk.begun.wait()
    await desk.keys.tend()
    desk.shelf.is_away = True
    await desk.keys.tend()
    desk.shelf.is_away = False
    desk.may_end.set()
    await first
    await desk.keys.tend()

    assert len(desk.shelf.renewed) == 1
    assert desk.shelf.forgotten == 1


async def test_a_stop_gives_the_key_back(desk: Desk) -> None:
    first = asyncio.create_task(desk.ask())
    await desk.begun.wait()

    await desk.keys.close()

    with pytest.raises(OutcryError) as refused:
        await first
    assert refused.value.code is Code.SHUTTING_DOWN
    assert not desk.shelf.rows


def test_a_stored_answer_is_told_as_its_stream_was() -> None:
    votes: list[dict[str, Any]] = [
        {"status": "ok"},
        {"status": "cancelled"},
        {"status": "pending"},
        {"status": "error"},
    ]
    answer = {"votes": votes}

    assert list(told_again(answer)) == [
        Told("vote", votes[0] | {"sample": None}),
        Told("vote", votes[3] | {"sample": None}),
        Told("decision", answer),
    ]


KILL = Kill("all", "flash crash", NOON, "key1")
KILLED = {**rendered(DECISION), "id": "dec-killed", "status": "killed", "action": "HOLD", "votes": []}


async def test_a_killed_decision_is_told_again_while_it_is_stopped_and_asks_anew_after(desk: Desk) -> None:
    await desk.shelf.claim(Reservation(KEY, "o1"), Term(NOON, NOON, NOON + timedelta(days=1)))
    desk.shelf.settle(Reservation(KEY, "o1"), KILLED)
    desk.kill = KILL
    stopped = await desk.ask()
    assert (stopped[-1].body, stopped[-1].is_replayed, desk.panels) == (KILLED, True, 0)

    desk.kill = None
    desk.may_end.set()
    both = await asyncio.gather(desk.ask(), desk.ask())

    assert desk.panels == 1
    assert [told[-1].body for told in both] == [rendered(DECISION)] * 2
    assert [told[-1].is_replayed for told in both].count(False) == 1
    with pytest.raises(RequestRejected):
        await desk.ask(RequestKey("local", "k", "b" * 64))


async def test_what_waits_on_disk_is_told_again_without_the_database_and_its_key_stays_held(desk: Desk) -> None:
    desk.spilled[Reservation(KEY, "o1")] = rendered(DECISION)
    desk.shelf.is_away = True

    told = await desk.ask()

    assert (told[-1].body, told[-1].is_replayed, desk.panels) == (rendered(DECISION), True, 0)
    desk.shelf.is_away = False
    await desk.keys.tend()
    assert desk.shelf.renewed == ["o1"]
