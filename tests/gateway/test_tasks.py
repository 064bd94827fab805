"""Task tiers: which models, in which order, for how much and how long; and what an agent's own models are to them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain.agent import AgentConfig
from app.domain.data_policy import DataDemand
from app.domain.errors import Code, NotAdmitted, RequestRejected
from app.domain.provider import TaskConfig
from app.domain.routing import Explanation, MaxPrice, PolicyName, Preferences
from tests.fakes import ScriptedAdapter
from tests.gateway.conftest import BORN, House, ask, house

TIERS = {
    "quick_decision": TaskConfig(("beta/beta-1", "alpha/alpha-1"), "round_robin", deadline=2.0),
    "ordered": TaskConfig(("gamma/gamma-1", "alpha/alpha-1")),
    "cheap": TaskConfig(policy="cost_aware"),
    "kept": TaskConfig(preferences=Preferences(only=("beta", "gamma"), order=("gamma",))),
    "secret": TaskConfig(preferences=Preferences(data=DataDemand(no_training=True))),
    "mistyped": TaskConfig(preferences=Preferences(ignore=("nobody",))),
}


@pytest.fixture
def way() -> House:
    made = house(alpha=ScriptedAdapter("a"), beta=ScriptedAdapter("b"), gamma=ScriptedAdapter("c"))
    made.pool.replace(replace(made.pool.stated, tasks=TIERS))
    return made


def explained(way: House, task: str, **changes: Any) -> Explanation:
    return way.planner.explain(ask(way, model=f"task:{task}", **changes))


def order(found: Explanation) -> list[str]:
    assert found.plan is not None
    return [step.target.provider for step in found.plan.steps]


def test_a_tier_has_models_and_a_policy_or_their_order_or_only_a_policy(way: House) -> None:
    named, ordered, cheap = (explained(way, task) for task in ("quick_decision", "ordered", "cheap"))

    assert (sorted(order(named)), order(ordered)) == (["alpha", "beta"], ["gamma", "alpha"])
    assert [found.plan.policy for found in (named, ordered, cheap) if found.plan] == [
        "round_robin",
        "given_order",
        "cost_aware",
    ]


def test_a_request_may_say_another_policy_than_its_tier(way: House) -> None:
    found = explained(way, "ordered", policy=PolicyName.PRIORITY)

    assert order(found) == ["alpha", "gamma"]


def test_what_a_tier_wants_of_providers_holds_beside_the_requests_own_wishes(way: House) -> None:
    found = explained(way, "kept")
    narrowed = explained(way, "kept", preferences=Preferences(order=("beta",)))
    neither = explained(way, "kept", preferences=Preferences(ignore=("beta", "gamma")))

    assert (order(found), order(narrowed)) == (["gamma", "beta"], ["beta", "gamma"])
    assert found.plan is not None
    assert found.plan.reason.startswith("provider.order of its task first, then ")
    assert {one.target.provider: one.why_not for one in found.verdicts} == {
        "gamma": None,
        "beta": None,
        "alpha": "for task kept, is not in provider.only",
    }
    assert isinstance(neither.error, RequestRejected)
    assert neither.error.param == "provider.ignore"


def test_a_tier_that_leaves_nobody_is_the_operators_doing(way: House) -> None:
    found = explained(way, "secret")

    assert isinstance(found.error, NotAdmitted)
    assert found.error.code is Code.NO_TARGET
    assert "for task secret, whether prompts train models is not stated" in found.error.message


def test_a_tiers_price_is_a_limit_for_every_request(way: House) -> None:
    tier = TaskConfig(preferences=Preferences(max_price=MaxPrice(prompt=Decimal(1))))
    way.pool.replace(replace(way.pool.stated, tasks={"dear": tier}))

    found = explained(way, "dear")

    assert "for task dear, the price of its prompt is not known" in str(found.verdicts[0].why_not)


def test_a_provider_that_a_tier_names_and_nobody_is_called_is_a_warning(way: House) -> None:
    assert "task mistyped: provider.ignore: no provider is named 'nobody'" in explained(way, "mistyped").warnings


async def test_a_tiers_deadline_cuts_the_requests_and_never_lengthens_it(way: House) -> None:
    now = way.clock.now()

    for left, expected in ((60.0, 2.0), (1.0, 1.0)):
        await way.gateway.complete(ask(way, model="task:quick_decision", deadline=now + left))
        call = next(one for adapter in way.adapters.values() for one in reversed(adapter.calls))
        assert way.planner.plan(ask(way, model="task:quick_decision", deadline=now + left)).deadline == now + expected
        assert call.timeouts.total <= expected


def test_a_task_without_a_tier_leaves_an_agent_its_own_models(way: House) -> None:
    way.employ(AgentConfig(1, 7, "beta", "beta-1", created_at=BORN, updated_at=BORN))

    unheard_of = explained(way, "unheard_of", agent_id=7)

    assert order(unheard_of) == ["beta"]
    assert "has no configured tier" in unheard_of.warnings[0]
    assert order(explained(way, "ordered", agent_id=7)) == ["gamma", "alpha"]
