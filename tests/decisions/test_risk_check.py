"""A panel's decision under a risk check: it may become HOLD or smaller, and nothing else."""

from __future__ import annotations

import asyncio
import json
import time
from decimal import Decimal
from typing import Any

import pytest

from app.decisions.context import Account
from app.decisions.officer import Proposal
from app.domain.attempt import Ask
from app.domain.decision import Action, Decision, DecisionStatus, Opinion, SettledReason, Size
from app.domain.errors import DeadlineExceeded, NotFound, RequestRejected
from tests.decisions.fakes import Panels, Scripted, Shelf, market, question, service, vote_text

RICH = {"equity": 100_000.0, "open_risk_usd": 0.0}
MEMBERS = ("a/one", "b/two", "c/three")
BUY = vote_text("BUY", stop_loss=63500, take_profit=66000, size_fraction=0.05, leverage=3)


def word(verdict: str, **fields: Any) -> str:
    return json.dumps({"reasons": ["because"], "verdict": verdict} | fields)


def gateway(officer: Any = None, said: str = BUY) -> Scripted:
    return Scripted(dict.fromkeys(MEMBERS, said) | {"r/isk": officer or word("approve")})


async def decided(asked: Scripted, shelf: Shelf | None = None, **fields: Any) -> Decision:
    panels = Panels([*MEMBERS, "r/isk"])
    stated: dict[str, Any] = {"models": MEMBERS, "risk_check": True, "market": market(account=RICH)} | fields
    return await service(asked, shelf, panels).decide(question(**stated))


async def test_within_the_rule_the_decision_stays_and_carries_its_assessment() -> None:
    decision = await decided(gateway())

    assert (decision.action, decision.actionable, decision.leverage) == (Action.BUY, True, 3)
    assert decision.size == Size("fraction_of_equity", 0.05)
    assert decision.risk is not None
    assert (decision.risk["verdict"], decision.risk["sources"], decision.risk["template"]) == (
        "approve",
        ["rule"],
        None,
    )
    assert decision.risk_reward == pytest.approx((66000 - 64231.5) / (64231.5 - 63500), abs=1e-4)
    assert [vote.risk_reward for vote in decision.votes] == [decision.risk_reward] * 3


async def test_without_a_risk_check_nothing_is_assessed() -> None:
    assert (await decided(gateway(), risk_check=False)).risk is None


async def test_the_rule_shrinks_what_is_too_large() -> None:
    decision = await decided(gateway(), market=market(account=RICH | {"open_risk_usd": 5_900.0}))

    assert (decision.action, decision.actionable) == (Action.BUY, True)
    assert decision.size is not None
    assert decision.size.value == pytest.approx(0.001 / (3 * 731.5 / 64231.5))
    assert decision.consensus.settled_reason is not SettledReason.RISK_VETO


async def test_a_veto_makes_it_hold_and_leaves_nothing_of_the_order() -> None:
    shelf = Shelf()
    decision = await decided(gateway(), shelf, market=market(account=RICH | {"open_risk_usd": 6_000.0}))

    assert (decision.action, decision.status, decision.actionable) == (Action.HOLD, DecisionStatus.DECIDED, False)
    assert decision.consensus.settled_reason is SettledReason.RISK_VETO
    assert (decision.entry, decision.stop_loss, decision.take_profit, decision.size) == (None, None, (), None)
    assert (decision.leverage, decision.confidence) == (None, None)
    assert (decision.reasoning or "").startswith("HOLD by risk veto: BUY was rejected (open_risk: ")
    assert shelf.answers[decision.id]["risk"]["verdict"] == "reject"


async def test_the_officer_is_asked_after_the_panel_and_can_only_tighten() -> None:
    asked = gateway(word("reduce", max_fraction=0.01, risk_score=0.8))
    decision = await decided(asked, risk_officer="r/isk")

    assert asked.asked[-1].model == "r/isk"
    assert asked.asked[-1].request_id == "req.risk"
    assert "proposed_decision" in asked.asked[-1].chat.messages[-1]["content"]
    assert decision.size == Size("fraction_of_equity", 0.01)
    assert decision.risk is not None
    assert decision.risk["sources"] == ["rule", "r/isk"]
    assert decision.risk["template"]["id"] == "risk_assessment"
    assert decision.cost_usd == Decimal("0.001") * (len(decision.votes) - _cancelled(decision) + 1)


def _cancelled(decision: Decision) -> int:
    return sum(vote.usage is None for vote in decision.votes)


async def test_an_officer_who_approves_more_than_the_rule_changes_nothing() -> None:
    tight = market(account=RICH | {"open_risk_usd": 5_900.0})
    alone = await decided(gateway(), market=tight)
    both = await decided(gateway(word("approve", max_fraction=1.0)), market=tight, risk_officer="r/isk")

    assert both.size == alone.size


async def test_a_limit_counts_even_beside_the_word_approve() -> None:
    decision = await decided(gateway(word("approve", max_fraction=0.02)), risk_officer="r/isk")

    assert decision.size == Size("fraction_of_equity", 0.02)


async def test_a_rejecting_officer_vetoes() -> None:
    decision = await decided(gateway(word("reject")), risk_officer="r/isk")

    assert (decision.action, decision.consensus.settled_reason) == (Action.HOLD, SettledReason.RISK_VETO)
    assert "r/isk: because" in (decision.reasoning or "")


async def test_a_size_that_must_shrink_by_nobody_knows_how_much_is_vetoed() -> None:
    said = vote_text("BUY", stop_loss=63500, take_profit=66000, quantity=1)
    decision = await decided(
        gateway(word("reduce", max_fraction=0.01), said), risk_officer="r/isk", market=market(constraints={})
    )

    assert decision.consensus.settled_reason is SettledReason.RISK_VETO
    assert decision.risk is not None
    assert decision.risk["reasons"][0].startswith("size_not_comparable")


@pytest.mark.parametrize(
    "officer",
    ["I would reject it", word("reduce"), DeadlineExceeded("late"), RuntimeError("a bug")],
)
async def test_an_officer_who_cannot_be_heard_leaves_the_rule_alone_with_a_warning(officer: Any) -> None:
    decision = await decided(gateway(officer), risk_officer="r/isk")

    assert (decision.action, decision.actionable) == (Action.BUY, True)
    assert decision.risk is not None
    assert decision.risk["sources"] == ["rule"]
    assert any(warning.startswith("risk_officer_abstained: r/isk") for warning in decision.warnings)


async def test_a_silent_officer_does_not_cost_the_deadline() -> None:
    async def silent(_: Ask) -> str:
        await asyncio.Event().wait()
        return ""

    started = time.monotonic()
    decision = await decided(gateway(silent), risk_officer="r/isk", within=0.4)

    assert time.monotonic() - started < 0.4 + 0.25
    assert decision.action is Action.BUY
    assert any("no answer before the deadline" in warning for warning in decision.warnings)
    assert decision.cost_usd is None


async def test_a_silent_member_leaves_the_officer_time() -> None:
    async def silent(_: Ask) -> str:
        await asyncio.Event().wait()
        return ""

    left: list[float] = []

    async def rejecting(ask: Ask) -> str:
        left.append(ask.deadline - time.monotonic())
        return word("reject")

    asked = gateway(rejecting)
    asked.script["a/one"] = silent
    decision = await decided(asked, risk_officer="r/isk", method="unanimous", quorum=2, within=0.6)

    assert left[0] > 0.05
    assert decision.consensus.settled_reason is SettledReason.RISK_VETO


async def test_nobody_is_asked_about_a_hold_or_a_panel_without_a_result() -> None:
    held = gateway(said=vote_text("HOLD"))
    decision = await decided(held, risk_officer="r/isk")
    assert decision.risk is not None
    assert decision.risk["reasons"] == ["nothing_at_risk: HOLD opens nothing"]
    lost = gateway(said="nonsense")
    assert (await decided(lost, risk_officer="r/isk")).risk is None

    assert "r/isk" not in {ask.model for ask in [*held.asked, *lost.asked]}


async def test_an_unknown_officer_is_refused_with_whatever_else_is_wrong() -> None:
    with pytest.raises(RequestRejected) as refused:
        await decided(gateway(), risk_officer="no/body", models=("no/where",))

    assert [violation.field for violation in refused.value.violations] == ["models[0]", "risk_officer"]


async def test_a_symbol_outside_the_universe_is_refused() -> None:
    with pytest.raises(RequestRejected) as refused:
        await decided(gateway(), market=market(constraints={"universe": ["ETH/USDT"]}))

    assert [violation.field for violation in refused.value.violations] == ["symbol"]


async def test_a_proposal_is_judged_on_its_own() -> None:
    asked = gateway(word("reduce", max_fraction=0.01))
    desk = service(asked, panels=Panels([*MEMBERS, "r/isk"]))
    opinion = Opinion(Action.BUY, "BTC/USDT", stop_loss=63500.0, size=Size("fraction_of_equity", 0.1))
    proposal = Proposal(
        opinion=opinion,
        market=market(constraints={}),
        account=Account(equity=1_000.0),
        deadline=time.monotonic() + 5,
        request_id="req",
        model="r/isk",
    )

    judged = await desk.assess(proposal)

    assert (judged.assessment.max_fraction, judged.tokens) == (0.01, 15)
    assert "1000.0" in asked.asked[0].chat.messages[-1]["content"]


@pytest.mark.parametrize(("fields", "error"), [({"model": "no/body"}, RequestRejected), ({"agent_id": 9}, NotFound)])
async def test_a_proposal_names_who_is_known(fields: dict[str, Any], error: type[Exception]) -> None:
    opinion = Opinion(Action.HOLD, "BTC/USDT")

    with pytest.raises(error):
        await service(gateway()).assess(
            Proposal(opinion=opinion, deadline=time.monotonic() + 1, request_id="r", **fields)
        )
