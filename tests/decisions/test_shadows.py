"""Shadows are asked beside a panel and recorded; they never delay, decide or outlive it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from app.decisions.composition import composed
from app.decisions.service import DecisionService
from app.decisions.wire import rendered
from app.domain.attempt import Ask
from app.domain.casting import cast_votes
from app.domain.decision import Action, Decision, DecisionStatus, Role, VoteStatus
from app.domain.errors import Code, FailureKind, ProviderError, RequestRejected
from app.domain.kill import Kill
from app.domain.provider import PanelConfig
from app.domain.replay import Replay, ReplayMode
from app.domain.routing import Priority
from tests.decisions.fakes import NOON, Panels, Scripted, Shelf, Stopping, question, service, vote_text

BUY, SELL = vote_text("BUY"), vote_text("SELL")
KILL = Kill("all", "flash crash", NOON, "key1")
MEMBERS = ("a/1", "b/1", "c/1")


class Late:
    """Answers when it is let go, and tells how it ended."""

    def __init__(self, says: str = SELL) -> None:
        self.go = anyio.Event()
        self.ended = ""
        self._says = says

    async def __call__(self, _: Ask) -> str:
        try:
            await self.go.wait()
        except BaseException:
            self.ended = "cancelled"
            raise
        self.ended = "answered"
        return self._says


async def until(holds: Any) -> None:
    with anyio.fail_after(5):
        while not holds():
            await anyio.lowlevel.checkpoint()


async def test_the_answer_does_not_wait_for_a_shadow_and_the_record_gets_its_vote() -> None:
    late, shelf = Late(), Shelf()
    gateway = Scripted({"a/1": BUY, "s/1": late})
    told = await service(gateway, shelf).decide(question(models=("a/1",), shadow=("s/1",)))

    assert [(vote.role, vote.status) for vote in told.votes] == [
        (Role.MEMBER, VoteStatus.OK),
        (Role.SHADOW, VoteStatus.PENDING),
    ]
    late.go.set()
    await until(lambda: shelf.updates)

    kept = shelf.answers[told.id]
    assert (kept["votes"][1]["action"], kept["votes"][1]["weight"], kept["votes"][1]["shadow"]) == ("SELL", 0.0, True)
    assert kept["votes"][0] == rendered(told)["votes"][0]
    cast = cast_votes(told.id, kept)
    assert [(one.is_shadow, one.weight, one.cost_usd) for one in cast] == [
        (False, 1.0, Decimal("0.001")),
        (True, 0.0, Decimal("0.001")),
    ]


@pytest.mark.parametrize("method", ["majority", "unanimous", "confidence_weighted", "performance_weighted"])
async def test_shadows_that_all_disagree_change_nothing_about_the_result(method: str) -> None:
    script = {**dict.fromkeys(MEMBERS, BUY), "s/1": SELL, "s/2": SELL, "s/3": SELL, "s/4": SELL}
    shadows = ("s/1", "s/2", "s/3", "s/4")

    with_them = await decided(script, models=MEMBERS, method=method, shadow=shadows)
    alone = await decided(script, models=MEMBERS, method=method)

    assert _result(with_them) == _result(alone)
    assert with_them.action is Action.BUY
    assert len(with_them.votes) == 7


async def decided(script: dict[str, Any], **fields: Any) -> Decision:
    return await service(Scripted(script), Shelf()).decide(question(settle="all", **fields))


def _result(decision: Decision) -> tuple[Any, ...]:
    consensus = decision.consensus
    return (
        *(decision.action, decision.status, decision.confidence, decision.stop_loss, decision.take_profit),
        *(consensus.agreement, consensus.effective_votes, consensus.quorum, consensus.settled_reason),
        *(consensus.dissent, decision.reasoning, decision.violations),
    )


async def test_shadows_make_no_quorum() -> None:
    down = ProviderError(FailureKind.UNREACHABLE, "down")
    told = await decided({"a/1": BUY, "b/1": down, "c/1": down, "s/1": BUY}, models=MEMBERS, shadow=("s/1",))

    assert (told.status, told.action) == (DecisionStatus.NO_QUORUM, Action.HOLD)


async def test_a_shadow_that_fails_abstains_with_its_reason_and_no_more() -> None:
    shelf = Shelf()
    gateway = Scripted({"a/1": BUY, "s/1": ProviderError(FailureKind.UNREACHABLE, "down")})
    told = await service(gateway, shelf).decide(question(models=("a/1",), shadow=("s/1",)))
    await until(lambda: told.votes[1].status is VoteStatus.ERROR or shelf.updates)

    vote = shelf.answers[told.id]["votes"][1]
    assert (told.action, vote["status"], vote["action"]) == (Action.BUY, "error", None)


async def test_a_silent_shadow_is_a_timeout_at_the_panels_deadline() -> None:
    late, shelf = Late(), Shelf()
    told = await service(Scripted({"a/1": BUY, "s/1": late}), shelf).decide(
        question(within=0.3, models=("a/1",), shadow=("s/1",))
    )

    await until(lambda: shelf.updates)

    assert told.latency < 0.25
    assert shelf.answers[told.id]["votes"][1]["status"] == "timeout"
    assert late.ended == "cancelled"


async def test_late_members_and_shadows_come_into_the_record_together() -> None:
    member, shadow, shelf = Late(BUY), Late(SELL), Shelf()
    gateway = Scripted({"a/1": BUY, "b/1": BUY, "c/1": member, "s/1": shadow})
    told = await service(gateway, shelf).decide(question(models=MEMBERS, shadow=("s/1",), settle="all"))
    assert [vote.status.value for vote in told.votes] == ["ok", "ok", "pending", "pending"]

    shadow.go.set()
    member.go.set()
    await until(lambda: shelf.updates)

    assert [vote["action"] for vote in shelf.answers[told.id]["votes"]] == ["BUY", "BUY", "BUY", "SELL"]
    assert len(shelf.updates) == 1


async def test_a_settled_panels_cancelled_members_stay_cancelled_when_the_shadow_comes() -> None:
    member, shadow, shelf = Late(BUY), Late(SELL), Shelf()
    gateway = Scripted({"a/1": BUY, "b/1": BUY, "c/1": member, "s/1": shadow})
    told = await service(gateway, shelf).decide(question(models=MEMBERS, shadow=("s/1",)))

    shadow.go.set()
    await until(lambda: shelf.updates)

    assert [vote.status.value for vote in told.votes] == ["ok", "ok", "cancelled", "pending"]
    assert [vote["status"] for vote in shelf.answers[told.id]["votes"]] == ["ok", "ok", "cancelled", "ok"]
    assert member.ended == "cancelled"


async def test_a_stop_ends_shadows_before_and_after_the_answer() -> None:
    stops, shelf, late, panels = Stopping(), Shelf(), Late(), Panels(["a/1", "s/1"])
    gateway = Scripted({"a/1": BUY, "s/1": late})
    deciding = DecisionService(gateway, panels, shelf, now=time.monotonic, wall=lambda: NOON, stops=stops)
    told = await deciding.decide(question(within=60.0, models=("a/1",), shadow=("s/1",)))

    stops.stop(KILL)
    await until(lambda: shelf.updates and late.ended)

    vote = shelf.answers[told.id]["votes"][1]
    assert (vote["status"], vote["reason"]) == ("cancelled", "policy_killed: all is stopped: flash crash")
    assert (shelf.answers[told.id]["status"], late.ended, stops.under_way) == ("decided", "cancelled", [])


async def test_when_the_caller_leaves_before_the_answer_the_shadow_is_left_too() -> None:
    member, shadow = Late(), Late()
    deciding = service(Scripted({"a/1": member, "s/1": shadow}), Shelf())

    with anyio.move_on_after(0.05):
        await deciding.decide(question(models=("a/1",), shadow=("s/1",)))
    await until(lambda: shadow.ended)

    assert (member.ended, shadow.ended) == ("cancelled", "cancelled")


async def test_a_shadow_is_asked_what_the_panel_is_behind_everybody_and_once() -> None:
    gateway = Scripted({"a/1": BUY, "s/1": BUY})
    await service(gateway, Shelf()).decide(question(models=("a/1",), shadow=("s/1", "s/1"), samples=2, settle="all"))
    await until(lambda: any(ask.model == "s/1" for ask in gateway.asked))

    shadows = [ask for ask in gateway.asked if ask.model == "s/1"]
    assert [(ask.priority, ask.request_id) for ask in shadows] == [(Priority.LOW, "req.1")]
    assert shadows[0].chat.messages == gateway.asked[0].chat.messages


async def test_a_named_panel_has_shadows_and_a_run_has_none() -> None:
    gateway = Scripted({"a/1": BUY, "s/1": SELL})
    panels = Panels(["a/1", "s/1"], {"desk": PanelConfig(("a/1",), shadow=("s/1",))})

    told = await service(gateway, Shelf(), panels).decide(question(panel="desk"))
    assert [vote.role for vote in told.votes] == [Role.MEMBER, Role.SHADOW]

    with pytest.raises(RequestRejected) as refused:
        await service(gateway, Shelf(), panels).decide(question(shadow=("nobody/1",)))
    assert (refused.value.code, refused.value.param) == (Code.INVALID_FIELD, "shadow[0]")


def test_a_run_is_told_again_as_its_panel_was() -> None:
    panels = Panels(["a/1", "s/1"])
    run = Replay(ReplayMode.RECORD, "run")

    assert composed(question(models=("a/1",), shadow=("s/1",), replay=run), panels).shadows == ()
    assert len(composed(question(models=("a/1",), shadow=("s/1",)), panels).shadows) == 1


async def test_nobody_counts_a_shadow_as_a_vote_of_the_panel() -> None:
    told: list[Decision] = []
    deciding = service(Scripted({"a/1": BUY, "s/1": SELL}), Shelf())
    deciding._decided = told.append

    await deciding.decide(question(models=("a/1",), shadow=("s/1",)))

    assert [vote.role for vote in told[0].votes] == [Role.MEMBER]
