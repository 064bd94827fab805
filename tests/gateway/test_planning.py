"""From an ask to its plan: what callers want of providers, over real names, providers and agents."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from app.domain.attempt import Ask
from app.domain.chat import ChatRequest
from app.domain.embedding import EmbedRequest
from app.domain.errors import Code, RequestRejected
from app.domain.routing import PolicyName, Preferences
from app.domain.target import Target
from app.gateway.planning import Itinerary
from tests.fakes import ScriptedAdapter
from tests.gateway.conftest import HELLO, House, ask, house


def three(**options: Any) -> House:
    return house(alpha=ScriptedAdapter("buy", **options), beta=ScriptedAdapter("sell"), gamma=ScriptedAdapter("hold"))


def planned(way: House, wanted: Ask) -> Itinerary:
    return way.planner.plan(wanted)


def names(itinerary: Itinerary) -> list[str]:
    return [step.target.provider for step in itinerary.plan.steps]


def test_a_callers_order_and_exclusions_shape_the_plan() -> None:
    way = three()

    found = planned(way, ask(way, preferences=Preferences(order=("gamma",), ignore=("alpha",))))

    assert names(found) == ["gamma", "beta"]


def test_an_unknown_name_is_a_warning() -> None:
    way = three()

    found = planned(way, ask(way, preferences=Preferences(order=("delta", "beta"))))

    assert names(found)[0] == "beta"
    assert "provider.order: no provider is named 'delta'" in found.warnings


def test_named_models_are_tried_in_the_callers_order_whatever_the_policy() -> None:
    way = three()
    wanted = ask(way, model="gamma/gamma-1", fallbacks=("beta-1", "alpha-1"), policy=PolicyName.PRIORITY)

    assert names(planned(way, wanted)) == ["gamma", "beta", "alpha"]


def test_without_failover_the_others_are_explained() -> None:
    way = three()

    plan = planned(way, ask(way, allow_failover=False)).plan

    assert [step.target.provider for step in plan.steps] == ["alpha"]
    assert [verdict.why_not for verdict in plan.verdicts] == [None, *["fallbacks are not allowed"] * 2]


@pytest.mark.parametrize("required", [True, False])
def test_who_is_deaf_to_a_parameter_is_asked_only_where_it_may_be_left_out(required: bool) -> None:
    way = three(deaf_to=("seed", "response_format"))
    request = ChatRequest([{"role": "user", "content": "hi"}], {"seed": 7, "response_format": {"type": "json_object"}})

    found = planned(way, ask(way, request=request, preferences=Preferences(require_parameters=required)))

    assert ("alpha" in names(found)) is not required


def test_a_form_is_brought_about_at_every_target_and_keeps_nobody_out() -> None:
    way = three(deaf_to=("response_format",))
    request = ChatRequest([{"role": "user", "content": "hi"}], {"response_format": {"type": "json_object"}})

    assert (
        names(planned(way, ask(way, request=request, preferences=Preferences(require_parameters=True))))[0] == "alpha"
    )


def test_nobody_left_is_the_callers_error() -> None:
    way = three()

    with pytest.raises(RequestRejected) as caught:
        planned(way, ask(way, preferences=Preferences(only=("delta",))))

    assert (caught.value.code, caught.value.param) == (Code.INVALID_REQUEST, "provider.only")


def test_embeddings_take_the_same_wishes() -> None:
    abilities = frozenset({"embeddings"})
    way = house(
        alpha=ScriptedAdapter("x", dialect=abilities, deaf_to=("dimensions",)),
        beta=ScriptedAdapter("x", dialect=abilities),
    )
    wanted = ask(way, request=EmbedRequest(["a"], {"dimensions": 3}), preferences=Preferences(require_parameters=True))

    assert names(planned(way, wanted)) == ["beta"]


async def test_a_request_goes_to_whoever_meets_its_own_deadline() -> None:
    way = three()
    for provider, durations in (("alpha", [0.2] * 8 + [9.0] * 2), ("beta", [1.0] * 10), ("gamma", [7.0] * 10)):
        state = way.pool.state(Target(provider, f"{provider}-1"), "k")
        for seconds in durations:
            state.pace.add(way.clock.now(), seconds, 100)
            state.window.add(way.clock.now(), True, seconds)

    def first(deadline: float) -> str:
        wanted = ask(way, policy=PolicyName.LATENCY_AWARE, deadline=way.clock.now() + deadline)
        return names(planned(way, wanted))[0]

    # Its mean is the best but one, and every fifth answer of it comes too late.
    assert first(5.0) == "beta"
    assert first(0.5) == "alpha"


def test_a_split_draws_by_its_weights_and_keeps_the_others_in_reserve() -> None:
    way = three()
    way.pool.current = replace(
        way.pool.current, aliases={"canary": ("alpha-1", "beta-1")}, splits={"canary": (90.0, 10.0)}
    )

    plans = [names(planned(way, ask(way, model="canary"))) for _ in range(2000)]

    assert Counter(plan[0] for plan in plans)["beta"] / 2000 == pytest.approx(0.1, abs=0.03)
    assert all(sorted(plan) == ["alpha", "beta"] for plan in plans)
    assert names(planned(way, ask(way, model="canary", policy=PolicyName.PRIORITY))) == ["alpha", "beta"]


@pytest.mark.parametrize(
    ("parameters", "most"), [({}, None), ({"max_tokens": 9}, 9), ({"max_tokens": 9, "max_completion_tokens": 5}, 5)]
)
def test_routing_knows_how_long_an_answer_may_be(parameters: dict[str, int], most: int | None) -> None:
    way = three()

    assert planned(way, ask(way, request=ChatRequest(HELLO.messages, parameters))).query.max_tokens == most
