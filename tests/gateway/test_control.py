"""Explaining plans without consequence, and changing routing while it runs."""

from __future__ import annotations

import pytest

from app.domain.agent import Agent
from app.domain.audit import Author
from app.domain.errors import Code, FailureKind, NotFound, OutcryError, ProviderError
from app.domain.routing import PolicyName, Preferences
from app.domain.target import Circuit, Target
from app.gateway.control import RoutingControl
from app.gateway.strategy import Strategy
from tests.fakes import FakeSettings, ScriptedAdapter
from tests.gateway.conftest import BORN, House, ask, house

ALPHA = Target("alpha", "alpha-1")


def control(way: House) -> RoutingControl:
    return RoutingControl(way.pool, way.planner, Strategy(way.pool, FakeSettings()))


def two() -> House:
    return house(alpha=ScriptedAdapter("buy"), beta=ScriptedAdapter("sell"))


@pytest.mark.parametrize("policy", PolicyName)
async def test_an_explanation_is_what_happens_next_and_calls_nobody(policy: PolicyName) -> None:
    way = two()
    desk = control(way)
    for _ in range(3):
        await way.gateway.complete(ask(way, policy=policy))
    before = way.calls()

    explained = [desk.explain(ask(way, policy=policy)) for _ in range(3)]
    assert way.calls() == before
    done = await way.gateway.complete(ask(way, policy=policy))

    if policy is not PolicyName.WEIGHTED:
        assert [done.plan.steps] * 3 == [one.plan.steps for one in explained if one.plan is not None]
        assert [done.plan.verdicts] * 3 == [one.verdicts for one in explained]


async def test_a_request_that_nobody_can_take_is_explained_with_its_error_and_no_circuit_is_tried() -> None:
    failing = ProviderError(FailureKind.SERVER_ERROR, "down")
    way = house(alpha=ScriptedAdapter(failing))
    for _ in range(5):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=0))
    way.clock.advance(6)

    found = control(way).explain(ask(way))

    assert found.plan is None
    assert found.error is not None
    assert found.error.code is Code.PROVIDER_CIRCUIT_OPEN
    assert "circuit open" in str(found.verdicts[0].why_not)
    assert way.pool.candidate(ALPHA).circuit is Circuit.OPEN


def test_a_wish_that_leaves_nobody_is_explained_for_each_candidate() -> None:
    way = two()

    found = control(way).explain(ask(way, preferences=Preferences(ignore=("alpha", "beta"))))

    assert found.plan is None
    assert [one.why_not for one in found.verdicts] == ["is in provider.ignore"] * 2


async def test_a_stop_and_an_agent_without_targets_are_explained_with_their_errors() -> None:
    way = two()
    way.directory.load(1, [Agent(7, "desk", None, {}, True, BORN, BORN)], [])
    desk = control(way)

    idle = desk.explain(ask(way, agent_id=7)).error
    await way.kills.kill("all", "flash crash", Author("key1"))
    stopped = desk.explain(ask(way)).error

    assert idle is not None
    assert idle.code is Code.NO_TARGET
    assert stopped is not None
    assert stopped.code is Code.KILLED


def test_a_name_that_means_nothing_is_not_found() -> None:
    with pytest.raises(NotFound):
        control(two()).explain(ask(two(), model="nobody/x"))


async def test_a_strategy_is_in_force_at_once() -> None:
    way = two()
    desk = control(way)

    changed = await desk.set_strategy(PolicyName.ROUND_ROBIN)
    for _ in range(4):
        await way.gateway.complete(ask(way))

    assert (changed.policy, changed) == (PolicyName.ROUND_ROBIN, desk.strategy())
    assert [2, 2] == way.calls()


async def test_a_reset_closes_circuits_ends_pauses_and_lets_keys_out() -> None:
    failing = ProviderError(FailureKind.SERVER_ERROR, "down")
    way = house(alpha=ScriptedAdapter(failing, failing, failing, failing, failing, "buy"))
    for _ in range(5):
        with pytest.raises(OutcryError):
            await way.gateway.complete(ask(way, max_retries=0))
    way.pool.state(ALPHA, "k").cool(way.clock.now() + 60)
    alpha = way.pool.provider("alpha")
    assert alpha is not None
    alpha.park("k", way.clock.now() + 60)

    assert control(way).reset_circuits("alpha", "another model") == ()
    assert control(way).reset_circuits("alpha") == (ALPHA,)

    candidate = way.pool.candidate(ALPHA)
    assert (candidate.circuit, candidate.cooling, candidate.parked) == (Circuit.CLOSED, 0.0, False)
    assert (await way.gateway.complete(ask(way))).response.text == "buy"


def test_only_a_configured_provider_can_be_reset() -> None:
    with pytest.raises(NotFound) as caught:
        control(two()).reset_circuits("nobody")

    assert caught.value.code is Code.UNKNOWN_PROVIDER
