"""A recorded decision is made again from the same answers: the same votes in the same order, the same result."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from app.decisions.question import Question
from app.decisions.service import DecisionEvent, DecisionService, VoteEvent
from app.domain.chat import Call, ChatResponse
from app.domain.decision import Decision, SettledReason, VoteStatus
from app.domain.errors import Code, Conflict, FailureKind, ProviderError
from app.domain.replay import Replay, ReplayMode, TakeKind
from tests.decisions.fakes import NOON, Panels, Shelf, question, vote_text
from tests.fakes import Behaviour, FakeClock, ScriptedAdapter
from tests.gateway.conftest import House

BUY, SELL, HOLD = vote_text("BUY"), vote_text("SELL"), vote_text("HOLD")
MEMBERS = ["a/a-1", "b/b-1", "c/c-1", "d/d-1"]


class Gated(ScriptedAdapter):
    """A provider that answers when it is told to."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(behaviour)
        self.gate = anyio.Event()

    async def complete(self, call: Call) -> ChatResponse:
        self.reached.set()
        await self.gate.wait()
        return await super().complete(call)


@dataclass
class Desk:
    """Four members behind one gateway, and a panel that may be recorded."""

    members: dict[str, Gated]
    decided: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.house = House(dict(self.members), clock=_Real())
        self.shelf = Shelf()
        self.service = DecisionService(
            self.house.gateway,
            Panels([f"{name}/{name}-1" for name in self.members]),
            self.shelf,
            now=time.monotonic,
            wall=lambda: NOON,
            decided=self.decided.append,
            shelf=self.house.shelf,
        )

    def ask(self, mode: ReplayMode, **fields: Any) -> Question:
        return question(replay=Replay(mode, "r"), **fields)

    async def record(self, *order: str, **fields: Any) -> tuple[Decision, list[str]]:
        """A live decision; members answer in this order, each once the vote before is in."""
        waiting = list(order)
        votes: list[str] = []
        self.members[waiting.pop(0)].gate.set()
        async for event in self.service.stream(self.ask(ReplayMode.RECORD, **fields)):
            if isinstance(event, DecisionEvent):
                for late in waiting:
                    self.members[late].gate.set()
                return event.decision, votes
            votes.append(event.vote.provider)
            if waiting:
                self.members[waiting.pop(0)].gate.set()
        raise AssertionError

    async def replay(self, mode: ReplayMode = ReplayMode.REPLAY, **fields: Any) -> tuple[Decision, list[str]]:
        votes: list[str] = []
        async for event in self.service.stream(self.ask(mode, **fields)):
            if isinstance(event, DecisionEvent):
                return event.decision, votes
            assert isinstance(event, VoteEvent)
            votes.append(event.vote.provider)
        raise AssertionError

    def calls(self) -> int:
        return sum(len(member.calls) for member in self.members.values())

    async def background(self) -> None:
        while len(self.service._background):
            await anyio.lowlevel.checkpoint()


class _Real(FakeClock):
    """The loop's own clock: deadlines of a panel are real."""

    def now(self) -> float:
        return time.monotonic()


@asynccontextmanager
async def desk(*says: Behaviour) -> AsyncIterator[Desk]:
    made = Desk({name: Gated(said) for name, said in zip("abcd", says, strict=False)})
    try:
        yield made
    finally:
        await made.service.close()


async def test_votes_come_in_the_recorded_order_and_settle_at_the_same_vote() -> None:
    async with desk(BUY, SELL, BUY, BUY) as four:
        live, order = await four.record("d", "b", "c", "a")
        calls = four.calls()

        again, told = await four.replay()
        once_more, _ = await four.replay()

        assert order == told == ["d", "b", "c", "a"]
        assert live.decision_hash == again.decision_hash == once_more.decision_hash
        assert len(again.decision_hash or "") == 64
        assert (live.replayed, again.replayed) == (False, True)
        assert four.calls() == calls


async def test_a_member_that_was_cut_off_is_cut_off_again() -> None:
    async with desk(BUY, BUY, BUY, SELL) as four:
        live, _ = await four.record("c", "a", "b")

        again, told = await four.replay()

        assert (live.consensus.settled_reason, told) == (SettledReason.OUTCOME_FIXED, ["c", "a", "b"])
        assert [vote.status for vote in again.votes][-1] is VoteStatus.CANCELLED
        assert again.decision_hash == live.decision_hash


async def test_a_panel_that_ran_out_of_time_does_so_at_once() -> None:
    async with desk(BUY, SELL) as two:
        live, _ = await two.record("b", within=0.2)
        started = time.monotonic()

        again, told = await two.replay(within=30)

        assert time.monotonic() - started < 5
        assert (again.consensus.settled_reason, told) == (live.consensus.settled_reason, ["b"])
        assert [vote.status for vote in again.votes] == [VoteStatus.TIMEOUT, VoteStatus.OK]
        assert again.decision_hash == live.decision_hash


async def test_failures_and_abstentions_are_made_again() -> None:
    down = ProviderError(FailureKind.BAD_REQUEST, "no such thing", upstream_status=400)
    async with desk("no opinion at all", down, BUY) as three:
        live, _ = await three.record("a", "b", "c")

        again, _ = await three.replay()

        assert again.decision_hash == live.decision_hash
        assert [vote.reason for vote in again.votes] == [vote.reason for vote in live.votes]


async def test_votes_that_came_after_the_answer_come_after_it_again() -> None:
    async with desk(BUY, BUY, SELL) as three:
        live, _ = await three.record("a", "b", settle="all")
        three.members["c"].gate.set()
        await three.background()

        again, told = await three.replay(settle="all")
        await three.background()

        assert told == ["a", "b"]
        assert again.decision_hash == live.decision_hash
        late = three.shelf.answers[again.id]["votes"][2]
        assert (late["status"], late["action"]) == ("ok", "SELL")


async def test_a_repair_is_told_again() -> None:
    async with desk(vote_text("BUY", stop_loss=99999), BUY) as two:
        two.members["a"]._behaviours.append(BUY)
        live, _ = await two.record("a", "b", on_invalid="repair_once")
        calls = two.calls()

        again, _ = await two.replay(on_invalid="repair_once")

        assert [vote.status for vote in again.votes] == [VoteStatus.REPAIRED, VoteStatus.OK]
        assert (again.decision_hash, two.calls()) == (live.decision_hash, calls)


async def test_the_same_member_twice_keeps_its_two_answers_apart() -> None:
    async with desk(BUY) as one:
        one.members["a"]._behaviours.append(SELL)
        live, _ = await one.record("a", models=("a/a-1", "a/a-1"))

        again, _ = await one.replay(models=("a/a-1", "a/a-1"))

        said = [[vote.opinion.action for vote in each.votes if vote.opinion] for each in (live, again)]
        assert said[0] == said[1]
        assert len(set(said[0])) == 2


@pytest.mark.parametrize("fields", [{"method": "unanimous"}, {"symbol": "ETH/USDT", "market": None, "prompt": "buy?"}])
async def test_another_question_is_a_miss_and_no_call(fields: dict[str, Any]) -> None:
    async with desk(BUY, BUY) as two:
        await two.record("a", "b")
        calls = two.calls()

        with pytest.raises(Conflict) as missed:
            await two.replay(**fields)

        assert (missed.value.code, two.calls()) == (Code.REPLAY_MISS, calls)


async def test_a_vote_that_is_missing_from_the_run_is_no_abstention() -> None:
    async with desk(BUY, BUY) as two:
        await two.record("a", "b")
        await two.house.shelf.drain()
        lost = next(take for take in two.house.takes.takes if take.kind is TakeKind.CALL)
        two.house.takes.takes.remove(lost)

        with pytest.raises(Conflict) as missed:
            await two.replay()

        assert missed.value.code is Code.REPLAY_MISS


async def test_a_replayed_decision_is_on_record_and_counts_for_nothing() -> None:
    async with desk(BUY, BUY) as two:
        live, _ = await two.record("a", "b")

        again, _ = await two.replay()

        assert two.decided == [live]
        assert two.shelf.answers[again.id]["replayed"] is True
        assert again.cost_usd == 0


async def test_replay_or_record_asks_each_question_once() -> None:
    async with desk(BUY, BUY) as two:
        for member in two.members.values():
            member.gate.set()

        live, _ = await two.replay(ReplayMode.REPLAY_OR_RECORD)
        calls = two.calls()
        again, _ = await two.replay(ReplayMode.REPLAY_OR_RECORD)

        assert (live.replayed, again.replayed, two.calls()) == (False, True, calls)
        assert live.decision_hash == again.decision_hash


async def test_a_caller_who_leaves_leaves_no_half_decision_in_the_run() -> None:
    async with desk(BUY, BUY) as two:
        asked = asyncio.ensure_future(two.service.decide(two.ask(ReplayMode.RECORD)))
        await two.members["a"].reached.wait()
        asked.cancel()
        await asyncio.wait({asked})

        with pytest.raises(Conflict):
            await two.replay()
