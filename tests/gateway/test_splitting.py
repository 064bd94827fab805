"""Chats of an agent are split between its configurations, and every attempt says of which arm it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.domain.agent import AgentConfig
from app.domain.chat import ChatRequest
from app.domain.experiment import Arm, Experiment
from app.domain.replay import Replay, ReplayMode
from tests.fakes import ScriptedAdapter
from tests.fakes_experiments import experiment
from tests.gateway.conftest import HELLO, House, ask, house

A, B = AgentConfig(1, 7, "alpha", "alpha-1"), AgentConfig(2, 7, "beta", "beta-1")
SECOND = experiment(arms=(Arm("b", 1.0, 2),), shadow=("alpha/x",))


def split(found: Experiment, *configs: AgentConfig) -> House:
    """Agent 7 with these configurations, its chats split so."""
    way = house(alpha=ScriptedAdapter("hello"), beta=ScriptedAdapter("hello"))
    way.employ(*(configs or (A, B)))
    way.experiments.load(1, [found])
    return way


async def test_an_arm_speaks_with_its_configuration_alone_and_is_on_record() -> None:
    way = split(SECOND)

    told = await way.gateway.complete(ask(way, agent_id=7))

    assert [str(step.target) for step in told.plan.steps] == ["beta/beta-1"]
    assert [(one.variant, one.config_id, one.agent_id) for one in way.recorder.records] == [("exp_1/b", 2, 7)]


async def test_streams_and_agents_by_name_are_split_too() -> None:
    way = split(SECOND)

    async with way.gateway.stream(ask(way, model="agent:7", route="chat_completions")) as stream:
        assert stream.target.provider == "beta"
        async for _ in stream:
            pass

    assert [one.variant for one in way.recorder.records] == ["exp_1/b"]


async def test_a_control_leaves_the_agent_as_it_is_and_is_marked() -> None:
    way = split(replace(SECOND, arms=(Arm("control", 1.0),)))

    told = await way.gateway.complete(ask(way, agent_id=7))

    assert [str(step.target) for step in told.plan.steps] == ["alpha/alpha-1", "beta/beta-1"]
    assert [one.variant for one in way.recorder.records] == ["exp_1/control"]


async def test_requests_with_one_key_stay_in_one_arm() -> None:
    way = split(experiment(sticky_by="metadata.desk"))

    for number in range(40):
        request = ChatRequest(HELLO.messages, {"metadata": {"desk": str(number % 10)}})
        await way.gateway.complete(ask(way, agent_id=7, request=request, request_id=f"r{number}"))

    arms = [one.variant for one in way.recorder.records]
    assert arms[:10] == arms[10:20] == arms[20:30] == arms[30:]
    assert set(arms) == {"exp_1/a", "exp_1/b"}


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"model": "alpha/alpha-1"},
        {"agent_id": 8},
        {"agent_id": None},
        {"config_id": 1},
        {"route": "decisions", "decision_id": "d"},
        {"route": "validate"},
        {"replay": Replay(ReplayMode.RECORD, "run")},
    ],
)
async def test_what_somebody_else_decides_is_in_no_experiment(elsewhere: dict[str, Any]) -> None:
    way = split(SECOND, A, B, replace(A, id=3, agent_id=8))

    await way.gateway.complete(ask(way, **{"agent_id": 7, **elsewhere}))

    assert {one.variant for one in way.recorder.records} == {None}
    assert {one.target.provider for one in way.recorder.records} == {"alpha"}


@pytest.mark.parametrize("config", [replace(B, enabled=False), replace(B, provider="nobody"), replace(B, id=9)])
async def test_an_arm_whose_configuration_cannot_speak_takes_no_traffic(config: AgentConfig) -> None:
    way = split(SECOND, A, config)

    told = await way.gateway.complete(ask(way, agent_id=7))

    assert (str(told.target), way.recorder.records[0].variant) == ("alpha/alpha-1", None)
