"""Every way of asking a panel comes out of a run as it went in: the same hash, nobody asked, nothing paid."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from app.decisions.service import DecisionEvent, DecisionService, VoteEvent
from app.domain.audit import Author
from app.domain.chat import Call, ChatResponse
from app.domain.decision import Action, Decision, DecisionStatus, SettledReason, VoteStatus
from app.domain.errors import Code, Conflict, StorageUnavailable
from app.domain.grades import Grade
from app.domain.kill import Kill
from app.domain.provider import PanelConfig
from app.domain.replay import Replay, ReplayMode, Take, TakeKind
from app.domain.target import Target
from tests.decisions.fakes import NOON, Panels, Shelf, Stopping, market, question, vote_text
from tests.fakes import FakeClock, ScriptedAdapter, answer
from tests.fakes_replay import FakeTakes
from tests.gateway.conftest import House

BUY, SELL, HOLD = vote_text("BUY"), vote_text("SELL"), vote_text("HOLD")
SIZED = vote_text("BUY", stop_loss=63500, take_profit=66000, size_fraction=0.05, leverage=2)
RICH = {"equity": 100_000.0, "open_risk_usd": 0.0}
NEWS = [{"title": "Regulator approves everything"}]

Says = Callable[[Call], str | None]


def word(verdict: str, **fields: Any) -> str:
    return json.dumps({"reasons": ["because"], "verdict": verdict} | fields)


class Member(ScriptedAdapter):
    """Says what it is told for each question; for None it is silent until it is left."""

    def __init__(self, *says: str | Says | None) -> None:
        super().__init__("")
        self._says = list(says)

    async def complete(self, call: Call) -> ChatResponse:
        self.calls.append(call)
        self.reached.set()
        says = self._says.pop(0) if len(self._says) > 1 else self._says[0]
        said = says(call) if callable(says) else says
        if said is None:
            await anyio.sleep_forever()
        return answer(said or "")


class _Real(FakeClock):
    """The loop's own clock: deadlines of a panel are real."""

    def now(self) -> float:
        return time.monotonic()


class Graded:
    """What is known of members' votes."""

    def __init__(self) -> None:
        self.known: dict[str, Grade] = {}

    def of(self, target: Target) -> Grade | None:
        return self.known.get(target.provider)


class Torn(FakeTakes):
    """A database that is away for some reads: those about members whose names end like this."""

    ending: str | None = None

    async def nth(self, *args: Any, member: str, **named: Any) -> tuple[Take | None, int]:
        if self.ending is not None and member.endswith(self.ending):
            raise StorageUnavailable("the database is away")
        return await super().nth(*args, member=member, **named)


@dataclass
class Desk:
    """Members behind one gateway, and a panel that may be recorded."""

    members: dict[str, Member]
    kill: Kill | None = None
    skew: float = 0.0
    takes: Torn = field(default_factory=Torn)
    grades: Graded = field(default_factory=Graded)
    decided: list[Decision] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.house = House(dict(self.members), clock=_Real(), takes=self.takes)
        names = [f"{name}/{name}-1" for name in self.members]
        self.panels = Panels(names, {"staged": PanelConfig(tuple(names), first_stage=tuple(names[:2]))})
        self.shelf = Shelf()
        self.service = DecisionService(
            self.house.gateway,
            self.panels,
            self.shelf,
            now=lambda: time.monotonic() + self.skew,
            wall=lambda: NOON,
            decided=self.decided.append,
            stops=Stopping(lambda _: self.kill),
            grades=self.grades,
            shelf=self.house.shelf,
        )

    async def made(self, mode: ReplayMode, **fields: Any) -> tuple[Decision, list[str]]:
        """The decision, and who was heard."""
        heard: list[str] = []
        async for event in self.service.stream(question(replay=Replay(mode, "r"), **fields)):
            if isinstance(event, DecisionEvent):
                return event.decision, heard
            assert isinstance(event, VoteEvent)
            heard.append(f"{event.vote.provider}{event.sample or ''}")
        raise AssertionError

    async def twice(self, **fields: Any) -> tuple[Decision, Decision]:
        """Recorded, then replayed by the same members, who are asked nothing and would have much more time."""
        live, order = await self.made(ReplayMode.RECORD, **fields)
        await self.background()
        asked = self.calls()
        again, told = await self.made(ReplayMode.REPLAY, **fields | {"within": 20.0})
        await self.background()
        assert told == order
        assert again.decision_hash == live.decision_hash
        assert (live.replayed, again.replayed, str(again.cost_usd)) == (False, True, "0")
        assert (self.calls(), self.decided) == (asked, [live])
        return live, again

    def calls(self) -> int:
        return sum(len(member.calls) for member in self.members.values())

    async def background(self) -> None:
        while len(self.service._background):
            await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def desk(*says: str | Says | Member | None) -> AsyncIterator[Desk]:
    made = Desk({n: s if isinstance(s, Member) else Member(s) for n, s in zip("abcd", says, strict=False)})
    try:
        yield made
    finally:
        await made.service.close()


def swayed(with_news: str | None, without: str | None) -> Says:
    return lambda call: with_news if "approves everything" in str(call.request.messages) else without


@pytest.mark.parametrize("settle", ["early", "all"])
async def test_samples_are_told_apart(settle: str) -> None:
    async with desk(Member(BUY, SELL, BUY), Member(HOLD, HOLD, SELL)) as two:
        live, again = await two.twice(samples=3, settle=settle)

        assert [vote.flip_rate for vote in again.votes] == [vote.flip_rate for vote in live.votes]
        assert {len(vote.samples) for vote in again.votes} == {3}


async def test_a_sample_that_never_came_is_missing_again() -> None:
    async with desk(Member(BUY, None, BUY)) as one:
        live, again = await one.twice(samples=3, within=0.8)

        statuses = [sample.status for sample in again.votes[0].samples]
        assert statuses == [sample.status for sample in live.votes[0].samples]
        assert statuses.count(VoteStatus.TIMEOUT) == 1


async def test_a_first_stage_that_disagrees_is_escalated_again() -> None:
    async with desk(BUY, SELL, SELL, SELL) as four:
        _, again = await four.twice(panel="staged", method="two_stage")

        assert (again.action, [vote.stage for vote in again.votes]) == (Action.SELL, [1, 1, 2, 2])


async def test_a_first_stage_that_was_late_is_late_again() -> None:
    async with desk(BUY, None, BUY, BUY) as four:
        _, again = await four.twice(panel="staged", method="two_stage", within=0.8)

        assert (again.action, again.status) == (Action.BUY, DecisionStatus.DECIDED)
        assert len(four.members["c"].calls) == 1


async def test_a_first_stage_that_agrees_asks_nobody_else_again() -> None:
    async with desk(BUY, BUY, SELL, SELL) as four:
        _, again = await four.twice(panel="staged", method="two_stage")

        assert again.votes[3].reason is not None
        assert again.votes[3].reason.startswith("not_asked")
        assert four.calls() == 2


async def test_other_stages_are_another_question() -> None:
    async with desk(BUY, BUY, SELL, SELL) as four:
        await four.made(ReplayMode.RECORD, panel="staged", method="two_stage")
        names = tuple(four.panels.members)
        four.panels.panels["staged"] = PanelConfig(names, first_stage=names[2:])

        with pytest.raises(Conflict):
            await four.made(ReplayMode.REPLAY, panel="staged", method="two_stage")


async def test_an_officer_on_the_panel_vetoes_again() -> None:
    async with desk(BUY, BUY, HOLD) as three:
        fields = {"models": ("a/a-1", "b/b-1"), "method": "risk_officer_veto", "risk_officer": "c/c-1"}
        _, again = await three.twice(**fields)

        assert again.consensus.settled_reason is SettledReason.RISK_VETO


CHECKED = {"models": ("a/a-1", "b/b-1"), "risk_check": True, "risk_officer": "c/c-1", "market": market(account=RICH)}


@pytest.mark.parametrize(
    ("says", "settle"),
    [(word("reduce", max_fraction=0.01), "early"), (word("reject"), "early"), (word("approve"), "all"), ("?", "early")],
)
async def test_an_officers_word_comes_out_of_the_run(says: str, settle: str) -> None:
    async with desk(SIZED, SIZED, says) as three:
        live, again = await three.twice(**CHECKED, settle=settle)

        assert live.risk is not None
        assert again.risk == {**live.risk, "cost_usd": "0"}


async def test_an_officer_who_was_late_is_late_again_and_nobody_waits() -> None:
    async with desk(SIZED, SIZED, None) as three:
        started = time.monotonic()
        _, again = await three.twice(**CHECKED, within=0.8)

        assert time.monotonic() - started < 5
        assert any("no answer before the deadline" in warning for warning in again.warnings)


async def test_an_officers_word_that_is_missing_from_the_run_is_no_abstention() -> None:
    async with desk(SIZED, SIZED, word("reject")) as three:
        await three.made(ReplayMode.RECORD, **CHECKED)
        await three.house.shelf.drain()
        takes = three.house.takes.takes
        takes.remove(next(take for take in takes if take.member.endswith(".risk")))
        asked = three.calls()

        with pytest.raises(Conflict) as missed:
            await three.made(ReplayMode.REPLAY, **CHECKED)

        assert (missed.value.code, three.calls()) == (Code.REPLAY_MISS, asked)


NEWSY = {"market": market(news=NEWS), "news_check": True}


@pytest.mark.parametrize("without", [HOLD, BUY, "no idea"])
async def test_a_comparison_without_the_news_comes_out_of_the_run(without: str) -> None:
    async with desk(swayed(BUY, without)) as one:
        live, again = await one.twice(**NEWSY)

        assert again.votes[0].news_driven is live.votes[0].news_driven
        assert again.votes[0].usage == live.votes[0].usage


async def test_a_comparison_that_came_too_late_is_too_late_again() -> None:
    async with desk(swayed(BUY, None)) as one:
        _, again = await one.twice(**NEWSY)

        assert (again.action, again.votes[0].news_driven) == (Action.BUY, None)
        assert any("no answer in time" in warning for warning in again.warnings)


async def test_a_vote_that_was_none_is_compared_with_nothing_again() -> None:
    async with desk(swayed("nonsense", None), BUY) as two:
        _, again = await two.twice(**NEWSY, samples=2)

        assert again.votes[0].status is not VoteStatus.OK


async def test_a_comparison_that_is_missing_from_the_run_is_a_miss() -> None:
    async with desk(swayed(BUY, HOLD)) as one:
        await one.made(ReplayMode.RECORD, **NEWSY)
        await one.house.shelf.drain()
        takes = one.house.takes.takes
        takes.remove(next(take for take in takes if "without_news" in take.member))

        with pytest.raises(Conflict):
            await one.made(ReplayMode.REPLAY, **NEWSY)


@pytest.mark.parametrize("settle", ["early", "all"])
async def test_a_repair_and_a_member_out_of_time_come_again(settle: str) -> None:
    async with desk(Member(vote_text("BUY", stop_loss=99999), BUY), BUY, None) as three:
        _, again = await three.twice(on_invalid="repair_once", settle=settle, within=0.8, quorum=3)

        statuses = [vote.status for vote in again.votes]
        assert statuses == [VoteStatus.REPAIRED, VoteStatus.OK, VoteStatus.TIMEOUT]


async def test_a_member_that_was_stopped_abstains_again_when_it_runs() -> None:
    async with desk(BUY, BUY, SELL) as three:
        kills = three.house.kills
        await kills.kill("model:c/c-1", "drill", Author("ops"))
        live, _ = await three.made(ReplayMode.RECORD, settle="all", quorum=2)
        await kills.resume("model:c/c-1", Author("ops"))
        again, _ = await three.made(ReplayMode.REPLAY, settle="all", quorum=2)

        assert again.decision_hash == live.decision_hash
        assert (again.votes[2].reason or "").startswith(Code.KILLED.value)
        assert three.members["c"].calls == []


async def test_what_a_stop_cut_short_is_not_in_the_run() -> None:
    stop = Kill("all", "drill", NOON, "ops")

    async with desk(BUY) as one:

        def stopped(_: Call) -> str:
            one.kill = stop
            return BUY

        one.members["a"]._says = [stopped]
        live, _ = await one.made(ReplayMode.RECORD)
        one.kill = None

        assert live.status is DecisionStatus.KILLED
        with pytest.raises(Conflict):
            await one.made(ReplayMode.REPLAY)


async def test_grades_given_since_change_nothing() -> None:
    async with desk(BUY, SELL) as two:
        two.grades.known = {"a": Grade(90, 100, 0.9, is_proven=True), "b": Grade(10, 100, 0.1, is_proven=True)}
        live, _ = await two.made(ReplayMode.RECORD, method="performance_weighted", settle="all")
        await two.background()
        two.grades.known = {"a": Grade(10, 100, 0.1, is_proven=True), "b": Grade(90, 100, 0.9, is_proven=True)}

        again, _ = await two.made(ReplayMode.REPLAY, method="performance_weighted", settle="all")

        assert (live.action, again.action) == (Action.BUY, Action.BUY)
        assert again.decision_hash == live.decision_hash


async def test_families_learned_since_change_nothing() -> None:
    async with desk(BUY, BUY, SELL) as three:
        three.panels.families = {"a": "llama", "b": "llama"}
        live, _ = await three.made(ReplayMode.RECORD)
        await three.background()
        three.panels.families = {"a": "qwen", "b": "mistral", "c": "qwen"}
        again, _ = await three.made(ReplayMode.REPLAY)

        assert [vote.family for vote in again.votes] == ["llama", "llama", "c"]
        assert again.decision_hash == live.decision_hash


async def test_what_is_asked_otherwise_is_a_miss_and_no_call() -> None:
    async with desk(SIZED, SIZED, word("approve")) as three:
        await three.made(ReplayMode.RECORD, **CHECKED)
        asked = three.calls()
        for change in ({"samples": 2}, {"risk_officer": None}, {"on_invalid": "repair_once"}, {"settle": "all"}):
            with pytest.raises(Conflict) as missed:
                await three.made(ReplayMode.REPLAY, **CHECKED | change)
            assert missed.value.code is Code.REPLAY_MISS

        takes = [take.kind for take in three.house.takes.takes]
        assert (three.calls(), takes.count(TakeKind.PANEL)) == (asked, 1)


@pytest.mark.parametrize("ending", [".0", ".risk"])
async def test_a_run_that_cannot_be_read_is_no_abstention(ending: str) -> None:
    async with desk(SIZED, SIZED, word("reject")) as three:
        await three.made(ReplayMode.RECORD, **CHECKED)
        await three.house.shelf.drain()
        three.takes.ending = ending

        with pytest.raises(StorageUnavailable):
            await three.made(ReplayMode.REPLAY, **CHECKED)


async def test_a_vote_too_late_for_the_first_stage_is_in_time_for_the_panel() -> None:
    released = anyio.Event()

    class Slow(Member):
        async def complete(self, call: Call) -> ChatResponse:
            await released.wait()
            return await super().complete(call)

    async with desk(BUY, Slow(SELL), Member(SELL), Member(SELL)) as four:
        fields: dict[str, Any] = {"panel": "staged", "method": "two_stage", "within": 60.0, "settle": "all"}
        live: Decision | None = None
        async for event in four.service.stream(question(replay=Replay(ReplayMode.RECORD, "r"), **fields)):
            if isinstance(event, DecisionEvent):
                live = event.decision
            elif not released.is_set():
                # Whoever listens is slow: half of the time is over before he asks for the next vote.
                four.skew = 31.0
                released.set()
                await four.background()
        four.skew = 0.0
        again, _ = await four.made(ReplayMode.REPLAY, **fields)

        assert live is not None
        assert live.decision_hash == again.decision_hash
        assert [vote.status for vote in live.votes][:2] == [VoteStatus.OK, VoteStatus.OK]
