"""How panels are asked and decided by each method: who, when, with which weight, and who may object."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import anyio
import pytest

from app.decisions.service import DecisionEvent, DecisionService, VoteEvent
from app.domain.attempt import Ask
from app.domain.caching import CacheMode
from app.domain.decision import Action, DecisionStatus, Role, SettledReason, VoteStatus
from app.domain.errors import FailureKind, ProviderError
from app.domain.grades import Grade
from app.domain.provider import PanelConfig
from app.domain.target import Target
from tests.decisions.fakes import NOON, Panels, Scripted, Shelf, question, service, vote_text

BUY, SELL, HOLD = vote_text("BUY"), vote_text("SELL"), vote_text("HOLD")


def record(hit_rate: float, *, is_proven: bool = True) -> Grade:
    return Grade(hit_rate=hit_rate, is_proven=is_proven)


async def silent(ask: Ask) -> str:
    await anyio.sleep_forever()
    return ""


def panels(gateway: Scripted, **configured: Any) -> Panels:
    found = Panels([name for name in gateway.script if name != "officer/1"])
    for name, value in configured.items():
        setattr(found, name, value)
    return found


async def test_confidence_outweighs_heads_and_what_is_not_stated_counts_half() -> None:
    sure, unsure, silent_on_it = (vote_text(a, confidence=c) for a, c in (("SELL", 0.9), ("BUY", 0.3), ("BUY", None)))
    gateway = Scripted({"a/1": sure, "b/1": unsure, "c/1": silent_on_it})

    decision = await service(gateway).decide(question(method="confidence_weighted"))

    assert decision.action is Action.SELL
    assert [vote.weight for vote in decision.votes] == [0.9, 0.3, 0.5]
    assert decision.consensus.agreement == pytest.approx(0.9 / 1.7, abs=1e-4)


async def test_a_family_is_discounted_and_named_in_every_vote() -> None:
    gateway = Scripted({name: vote_text("BUY", confidence=0.6) for name in ("a/1", "b/1")} | {"c/1": SELL})
    kin = panels(gateway, families={"a": "meta", "b": "meta"})

    decision = await service(gateway, panels=kin).decide(question(method="confidence_weighted"))

    assert [vote.family for vote in decision.votes] == ["meta", "meta", "c"]
    assert [vote.weight for vote in decision.votes[:2]] == [0.6, pytest.approx(0.6 * (2 / 1.6 - 1))]
    assert decision.consensus.effective_votes == pytest.approx(2 / 1.6 + 1)


async def test_performance_weighs_nobody_until_somebody_was_graded() -> None:
    decision = await service(Scripted({"a/1": BUY, "b/1": BUY, "c/1": SELL})).decide(
        question(method="performance_weighted", settle="all")
    )

    assert decision.action is Action.BUY
    assert {vote.weight for vote in decision.votes if vote.is_valid} == {1.0}
    assert any(warning.startswith("ungraded") for warning in decision.warnings)


async def test_performance_weighs_by_the_chance_that_the_next_vote_is_right() -> None:
    class Graded:
        def of(self, target: Target) -> Grade | None:
            return {"a": record(0.9), "b": record(0.1)}.get(target.provider)

    gateway = Scripted({"a/1": BUY, "b/1": SELL, "c/1": vote_text(None)})
    asked = DecisionService(gateway, panels(gateway), Shelf(), now=time.monotonic, wall=lambda: NOON, grades=Graded())

    decision = await asked.decide(question(method="performance_weighted"))

    assert decision.action is Action.BUY
    assert [vote.weight for vote in decision.votes] == [0.9, 0.1, None]


async def test_who_has_no_record_yet_weighs_what_is_expected_of_everybody() -> None:
    class Graded:
        def of(self, target: Target) -> Grade | None:
            return {"a": record(0.4), "b": record(0.5, is_proven=False)}.get(target.provider)

    gateway = Scripted({"a/1": BUY, "b/1": SELL, "c/1": SELL})
    asked = DecisionService(gateway, panels(gateway), Shelf(), now=time.monotonic, wall=lambda: NOON, grades=Graded())

    decision = await asked.decide(question(method="performance_weighted", settle="all"))

    assert [vote.weight for vote in decision.votes] == [0.4, 0.5, 0.5]
    assert not any(warning.startswith("ungraded") for warning in decision.warnings)


@pytest.mark.parametrize(
    ("officer", "expected"),
    [
        (HOLD, (Action.HOLD, SettledReason.RISK_VETO, False)),
        (SELL, (Action.HOLD, SettledReason.RISK_VETO, False)),
        (BUY, (Action.BUY, SettledReason.ALL_VOTED, True)),
        ("the seventh moon", (Action.BUY, SettledReason.ALL_VOTED, True)),
    ],
)
async def test_the_officer_turns_an_action_into_a_hold_and_a_broken_one_into_nothing(
    officer: str, expected: tuple[Action, SettledReason, bool]
) -> None:
    gateway = Scripted({"a/1": BUY, "b/1": BUY, "officer/1": officer})

    decision = await service(gateway, panels=panels(gateway)).decide(
        question(method="risk_officer_veto", risk_officer="officer/1")
    )

    assert (decision.action, decision.consensus.settled_reason, decision.actionable) == expected
    assert decision.status is DecisionStatus.DECIDED
    assert decision.votes[2].role is Role.RISK_OFFICER
    assert decision.consensus.agreement == 1.0
    assert decision.risk is not None


async def test_the_officer_makes_it_smaller_and_never_larger() -> None:
    sizes = {"a/1": 0.03, "b/1": 0.04, "officer/1": 0.01}
    for officer, expected in ((0.01, 0.01), (0.05, 0.03)):
        sized = {name: vote_text("BUY", size_fraction=size) for name, size in sizes.items()}
        gateway = Scripted(sized | {"officer/1": vote_text("BUY", size_fraction=officer)})

        decision = await service(gateway, panels=panels(gateway)).decide(
            question(method="risk_officer_veto", risk_officer="officer/1")
        )

        assert decision.size is not None
        assert decision.size.value == expected


async def test_an_officer_who_does_not_come_leaves_the_rule_to_speak_at_the_deadline() -> None:
    gateway = Scripted({"a/1": BUY, "b/1": BUY, "officer/1": silent})

    decision = await service(gateway, panels=panels(gateway)).decide(
        question(method="risk_officer_veto", risk_officer="officer/1", within=0.3)
    )

    assert (decision.action, decision.consensus.settled_reason) == (Action.BUY, SettledReason.DEADLINE)
    assert any(warning.startswith("risk_officer_absent") for warning in decision.warnings)


async def test_an_officer_objects_to_no_hold() -> None:
    gateway = Scripted({"a/1": HOLD, "b/1": HOLD, "officer/1": BUY})

    decision = await service(gateway, panels=panels(gateway)).decide(
        question(method="risk_officer_veto", risk_officer="officer/1", settle="all")
    )

    assert decision.risk is not None
    assert (decision.risk["verdict"], decision.consensus.settled_reason) == ("approve", SettledReason.ALL_VOTED)


async def test_nobody_waits_for_the_officer_when_there_is_nothing_to_object_to() -> None:
    gateway = Scripted({"a/1": HOLD, "b/1": HOLD, "officer/1": silent})

    decision = await service(gateway, panels=panels(gateway)).decide(
        question(method="risk_officer_veto", risk_officer="officer/1")
    )

    assert decision.consensus.settled_reason is not SettledReason.DEADLINE
    assert decision.votes[2].status is VoteStatus.CANCELLED
    assert not any(warning.startswith("risk_officer_absent") for warning in decision.warnings)


async def test_without_an_officer_the_rule_may_object() -> None:
    gateway = Scripted({"a/1": BUY, "b/1": BUY})

    decision = await service(gateway).decide(question(method="risk_officer_veto"))

    assert decision.risk is not None
    assert decision.risk["sources"] == ["rule"]


async def test_a_cheap_stage_that_agrees_is_the_whole_panel() -> None:
    gateway = Scripted({"dear/1": SELL, "cheap/1": BUY, "cheap/2": BUY, "unpriced/1": SELL})
    priced = panels(gateway, prices={"dear/1": Decimal(30), "cheap/1": Decimal(1), "cheap/2": Decimal(2)})

    decision = await service(gateway, panels=priced).decide(question(method="two_stage"))

    assert [ask.model for ask in gateway.asked] == ["cheap/1", "cheap/2"]
    assert (decision.action, decision.consensus.settled_reason) == (Action.BUY, SettledReason.ALL_VOTED)
    assert decision.consensus.quorum == 2
    assert [vote.stage for vote in decision.votes] == [2, 1, 1, 2]
    assert (decision.votes[0].status, decision.votes[0].reason or "") >= (VoteStatus.CANCELLED, "not_asked")


@pytest.mark.parametrize("second", [SELL, ProviderError(FailureKind.SERVER_ERROR, "500"), silent])
async def test_a_cheap_stage_that_cannot_agree_asks_the_second(second: Any) -> None:
    gateway = Scripted({"a/1": BUY, "b/1": second, "c/1": BUY, "d/1": BUY})
    staged = panels(
        gateway, panels={"desk": PanelConfig(tuple(gateway.script), "two_stage", None, None, ("a/1", "b/1"))}
    )

    decision = await service(gateway, panels=staged).decide(question(panel="desk", within=1.0))

    assert [ask.model for ask in gateway.asked] == ["a/1", "b/1", "c/1", "d/1"]
    assert (decision.action, decision.status) == (Action.BUY, DecisionStatus.DECIDED)
    assert decision.consensus.quorum == 3


async def test_samples_vote_by_their_plurality_and_report_how_often_they_flip() -> None:
    said = {1: BUY, 2: SELL, 3: BUY, 4: BUY, 5: "the seventh moon"}

    async def wavers(ask: Ask) -> str:
        return said[int(ask.request_id.rpartition("s")[2])]

    gateway = Scripted({"a/1": wavers})

    decision = await service(gateway).decide(question(samples=5, cache=CacheMode.READ_WRITE))

    vote = decision.votes[0]
    assert (decision.action, vote.flip_rate) == (Action.BUY, 0.25)
    assert [sample.action for sample in vote.samples] == [Action.BUY, Action.SELL, Action.BUY, Action.BUY, None]
    assert vote.cost_usd == decision.cost_usd == Decimal("0.005")
    assert vote.usage is not None
    assert vote.usage.input_tokens == 50
    assert {ask.cache for ask in gateway.asked} == {CacheMode.OFF}


async def test_samples_that_tie_abstain() -> None:
    async def wavers(ask: Ask) -> str:
        return BUY if ask.request_id.endswith("1") else SELL

    decision = await service(Scripted({"a/1": wavers})).decide(question(samples=2))

    assert (decision.votes[0].status, decision.votes[0].reason) == (VoteStatus.ABSTAINED, "samples_tied")
    assert decision.votes[0].flip_rate == 0.5
    assert decision.status is DecisionStatus.NO_QUORUM


async def test_at_the_deadline_the_samples_that_came_are_the_vote() -> None:
    async def slow_at_last(ask: Ask) -> str:
        return await silent(ask) if ask.request_id.endswith("3") else BUY

    decision = await service(Scripted({"a/1": slow_at_last})).decide(question(samples=3, within=0.3))

    vote = decision.votes[0]
    assert (decision.action, vote.status) == (Action.BUY, VoteStatus.OK)
    assert [sample.status for sample in vote.samples] == [VoteStatus.OK, VoteStatus.OK, VoteStatus.TIMEOUT]


async def test_the_stream_tells_stage_and_sample_of_each_vote() -> None:
    gateway = Scripted({"a/1": BUY, "b/1": SELL})
    staged = panels(gateway, prices={"a/1": Decimal(1), "b/1": Decimal(2)})

    events = [event async for event in service(gateway, panels=staged).stream(question(method="two_stage", samples=2))]

    votes = [event for event in events if isinstance(event, VoteEvent)]
    assert [(event.vote.model, event.vote.stage, event.sample) for event in votes[:2]] == [("1", 1, 1), ("1", 1, 2)]
    assert isinstance(events[-1], DecisionEvent)


async def test_an_agents_configurations_sit_each_with_its_own() -> None:
    gateway = Scripted({"a/1": BUY})
    own = panels(gateway, configured=[(11, "a/1"), (12, "a/1")])

    decision = await service(gateway, panels=own).decide(question(agent_id=7))

    assert [ask.config_id for ask in gateway.asked] == [11, 12]
    assert not any(warning.startswith("duplicate") for warning in decision.warnings)
