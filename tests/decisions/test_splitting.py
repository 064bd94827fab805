"""A decision of an agent belongs to one arm as a whole: its panel, its prompt, every call and every vote."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from app.agents.experiments import Experiments
from app.decisions.service import DecisionService
from app.decisions.splitting import entered
from app.decisions.wire import rendered
from app.domain.decision import Decision
from app.domain.experiment import Arm, Experiment, PromptTemplate, Traffic
from app.domain.replay import Replay, ReplayMode
from tests.decisions.fakes import NOON, Panels, Scripted, Shelf, market, question, vote_text
from tests.fakes_experiments import experiment

BUY = vote_text("BUY")
SECOND = experiment(arms=(Arm("b", 1.0, 2),), applies_to=(Traffic.DECISIONS,))
GERMAN = experiment(arms=(Arm("de", 1.0, language="de"),), applies_to=(Traffic.DECISIONS,))
BARE = experiment(arms=(Arm("bare", 1.0, template=PromptTemplate.NO_REGIME),), applies_to=(Traffic.DECISIONS,))


class Desk:
    """Agent 7 with two configurations, its decisions split so."""

    def __init__(self, found: Experiment) -> None:
        self.gateway, self.shelf = Scripted({"a/1": BUY, "b/1": BUY, "s/1": BUY}), Shelf()
        self.panels = Panels(["a/1", "b/1", "s/1"])
        self.panels.configured = [(1, "a/1"), (2, "b/1")]
        view = Experiments()
        view.load(1, [found])
        self.service = DecisionService(
            self.gateway, self.panels, self.shelf, now=time.monotonic, wall=lambda: NOON, experiments=view
        )

    async def decide(self, **fields: Any) -> Decision:
        return await self.service.decide(question(**{"agent_id": 7, **fields}))

    @property
    def system(self) -> str:
        said: str = self.gateway.asked[0].chat.messages[0]["content"]
        return said


async def test_an_arms_configuration_is_the_whole_panel_and_everything_is_marked() -> None:
    desk = Desk(SECOND)

    told = await desk.decide()

    assert [(vote.provider, vote.model) for vote in told.votes] == [("b", "1")]
    assert [(ask.config_id, ask.variant) for ask in desk.gateway.asked] == [(2, "exp_1/b")]
    assert rendered(told)["variant"] == desk.shelf.answers[told.id]["variant"] == "exp_1/b"
    assert desk.shelf.requests[told.id]["variant"] == "exp_1/b"


async def test_the_risk_officer_who_is_asked_about_it_is_marked_too() -> None:
    desk = Desk(SECOND)
    desk.gateway.script["officer/1"] = ValueError("no verdict")

    await desk.decide(risk_check=True, risk_officer="officer/1")

    assert {ask.model: ask.variant for ask in desk.gateway.asked} == dict.fromkeys(("b/1", "officer/1"), "exp_1/b")


async def test_a_prompt_arm_changes_the_prompt_and_the_template_on_record() -> None:
    plain, german, bare = Desk(experiment(agent_id=8)), Desk(GERMAN), Desk(BARE)

    told = {desk: await desk.decide() for desk in (plain, german, bare)}

    blocks = {desk: {block["id"] for block in one.template["blocks"]} for desk, one in told.items()}
    assert blocks[german] - blocks[plain] == {"language"}
    assert {name.partition("_")[0] for name in blocks[plain] - blocks[bare]} == {"regime"}
    assert len({one.template["hash"] for one in told.values()}) == 3
    assert "language" in german.system
    assert len(bare.system) < len(plain.system)
    assert [len(one.votes) for one in told.values()] == [2, 2, 2]


@pytest.mark.parametrize(
    "fields",
    [
        {"models": ("a/1",)},
        {"quorum": 1},
        {"agent_id": None},
    ],
)
async def test_whoever_names_the_panel_is_in_no_experiment_about_it(fields: dict[str, Any]) -> None:
    desk = Desk(SECOND)

    told = await desk.decide(**fields)

    assert told.variant is None
    assert {ask.variant for ask in desk.gateway.asked} == {None}


def test_what_belongs_to_a_run_is_in_no_experiment() -> None:
    desk, view = Desk(SECOND), Experiments()
    view.load(1, [SECOND])
    asked = question(agent_id=7)

    assert entered(asked, view, desk.panels).variant == "exp_1/b"
    assert entered(replace(asked, replay=Replay(ReplayMode.RECORD, "run")), view, desk.panels).variant is None


@pytest.mark.parametrize(
    "fields", [{"prompt": "what now?"}, {"messages": ({"role": "user", "content": "what now?"},), "market": market()}]
)
async def test_whoever_words_the_prompt_is_in_no_experiment_about_it(fields: dict[str, Any]) -> None:
    assert (await Desk(GERMAN).decide(**fields)).variant is None
    assert (await Desk(SECOND).decide(**fields)).variant == "exp_1/b"


async def test_an_arm_whose_configuration_is_gone_takes_no_decisions() -> None:
    desk = Desk(SECOND)
    desk.panels.configured = [(1, "a/1")]

    told = await desk.decide()

    assert (told.variant, [vote.provider for vote in told.votes]) == (None, ["a"])


async def test_an_experiments_shadow_is_asked_and_one_that_is_gone_does_no_harm() -> None:
    desk = Desk(experiment(arms=(Arm("all", 1.0),), applies_to=(Traffic.DECISIONS,), shadow=("s/1", "gone/1")))
    desk.gateway.script["gone/1"] = ValueError("nobody of this name")

    told = await desk.decide(settle="all")

    assert (told.variant, told.action.value) == ("exp_1/all", "BUY")
    assert {ask.model for ask in desk.gateway.asked} >= {"s/1"}
    assert desk.shelf.requests[told.id]["shadow"] == []


async def test_decisions_about_one_symbol_stay_in_one_arm() -> None:
    arms = tuple(Arm(name, 0.25) for name in "abcd")
    desk = Desk(experiment(arms=arms, sticky_by="symbol", applies_to=(Traffic.DECISIONS,)))

    told = [await desk.decide(request_id=f"r{number}") for number in range(6)]

    assert len({one.variant for one in told}) == 1
