"""Conversations that stay where they are: the one that answered last, and a first choice all processes share."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.chat import Credential
from app.domain.conversation import conversation_key
from app.domain.routing import Candidate, Plan, PolicyName, Preferences, RoutingQuery
from app.domain.target import Circuit, Target
from app.routing.conversation import TURN_BASED, by_lot
from app.routing.policies import build_policies
from app.routing.router import Router

NAMES = ("a", "b", "c", "d")
KEYS = [conversation_key("local", f"talk {number}") for number in range(4000)]


def candidate(name: str, **more: Any) -> Candidate:
    return Candidate(Target(name, "m"), Credential(), **more)


def planned(*candidates: Candidate, policy: PolicyName = PolicyName.PRIORITY, seed: int = 1, **query: Any) -> Plan:
    return Router(build_policies(random.Random(seed))).plan(candidates, RoutingQuery(**query), policy)


def names(plan: Plan) -> list[str]:
    return [step.target.provider for step in plan.steps]


@pytest.mark.parametrize("policy", PolicyName)
def test_the_one_that_answered_last_is_asked_first_whatever_the_policy(policy: PolicyName) -> None:
    plan = planned(*map(candidate, NAMES), policy=policy, conversation=KEYS[0], last_answered=Target("c", "m"))

    assert names(plan)[0] == "c"
    assert sorted(names(plan)) == list(NAMES)
    assert plan.reason.startswith("the one that answered this conversation last, then ")


@pytest.mark.parametrize("away", [{"circuit": Circuit.OPEN}, {"cooling": 3.0}, {"why_full": "limit x is reached"}])
def test_one_that_cannot_be_asked_now_is_not_stuck_to(away: dict[str, Any]) -> None:
    plan = planned(candidate("a"), candidate("c", **away), conversation=KEYS[0], last_answered=Target("c", "m"))

    assert names(plan)[0] == "a"
    assert plan.reason == "lowest configured priority first"


def test_the_callers_own_order_goes_before_the_memory_of_the_conversation() -> None:
    wanted = Preferences(order=("b",))
    query: dict[str, Any] = {"conversation": KEYS[0], "last_answered": Target("c", "m"), "preferences": wanted}

    assert names(planned(*map(candidate, NAMES), **query)) == ["b", "a", "c", "d"]
    assert names(planned(candidate("a"), candidate("b"), **{**query, "preferences": None})) == ["a", "b"]


def test_a_conversation_goes_on_at_the_fallback_model_that_answered_it() -> None:
    plan = planned(candidate("a"), candidate("b", rank=1), conversation=KEYS[0], last_answered=Target("b", "m"))

    assert names(plan) == ["b", "a"]


@pytest.mark.parametrize("policy", sorted(TURN_BASED))
def test_processes_that_share_nothing_agree_on_who_answers_a_conversation(policy: PolicyName) -> None:
    candidates = [candidate(name, last_used=float(place)) for place, name in enumerate(NAMES)]
    plans = [planned(*candidates, policy=policy, seed=seed, conversation=KEYS[7]) for seed in range(5)]
    others = planned(*reversed(candidates), policy=policy, conversation=KEYS[7])

    assert {tuple(names(plan)) for plan in (*plans, others)} == {tuple(names(plans[0]))}
    assert plans[0].reason.endswith(", by a lot that is the conversation's own")


def test_a_conversation_uses_up_nobodys_turn() -> None:
    router = Router(build_policies(random.Random(1)))
    candidates = [candidate(name) for name in NAMES]

    def first(**query: Any) -> str:
        return router.plan(candidates, RoutingQuery(**query), PolicyName.ROUND_ROBIN).steps[0].target.provider

    turns = []
    for key in KEYS[:8]:
        first(conversation=key)
        turns.append(first())

    assert turns == [*NAMES, *NAMES]


def test_conversations_are_shared_by_weight_and_a_weight_of_nothing_is_a_reserve() -> None:
    candidates = [candidate("a", weight=3.0), candidate("b", weight=1.0), candidate("c", weight=0.0)]
    firsts = Counter(by_lot(candidates, key, PolicyName.WEIGHTED)[0].target.provider for key in KEYS)
    equal = Counter(by_lot(candidates, key, PolicyName.ROUND_ROBIN)[0].target.provider for key in KEYS)

    # Four standard deviations of a fair draw of 4,000.
    assert abs(firsts["a"] - 3000) < 110
    assert firsts["c"] == 0
    assert all(abs(equal[name] - 4000 / 3) < 120 for name in "abc")


@given(st.sampled_from(NAMES), st.sampled_from(KEYS), st.sampled_from(sorted(TURN_BASED)))
def test_a_target_that_is_gone_moves_its_own_conversations_only(gone: str, key: str, policy: PolicyName) -> None:
    before = [one.target.provider for one in by_lot([candidate(name) for name in NAMES], key, policy)]
    after = [one.target.provider for one in by_lot([candidate(name) for name in NAMES if name != gone], key, policy)]

    assert after == [name for name in before if name != gone]


def test_a_name_is_another_conversation_for_another_caller() -> None:
    assert conversation_key("one", "x") != conversation_key("other", "x")
    assert conversation_key("a", "b\0c") != conversation_key("b", "a\0c")
