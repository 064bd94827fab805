"""The order of each policy."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.chat import Credential
from app.domain.routing import Candidate, PolicyName, RoutingQuery
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard, PriceTier
from app.routing.policies import RoutingPolicy, build_policies

QUERY = RoutingQuery()


def candidate(name: str, **more: Any) -> Candidate:
    return Candidate(Target(name, "m"), Credential(), **more)


def card(input_price: str, output_price: str) -> PriceCard:
    return PriceCard((PriceTier(0, Decimal(input_price), Decimal(output_price)),), "test")


def policy(name: PolicyName) -> RoutingPolicy:
    return build_policies(random.Random(1))[name]


def order(name: PolicyName, *candidates: Candidate, query: RoutingQuery = QUERY) -> list[str]:
    return [chosen.target.provider for chosen in policy(name).order(candidates, query)]


def test_every_policy_name_has_a_policy() -> None:
    assert set(build_policies(random.Random())) == set(PolicyName)


_CANDIDATES = st.lists(
    st.builds(
        candidate,
        st.uuids().map(str),
        priority=st.integers(-5, 5),
        weight=st.floats(0, 10),
        circuit=st.sampled_from([Circuit.CLOSED, Circuit.HALF_OPEN]),
        success_rate=st.none() | st.floats(0, 1),
        p95=st.none() | st.floats(0, 60),
        last_used=st.floats(0, 1e6),
        price=st.none() | st.just(card("1", "2")),
    ),
    max_size=6,
)


@given(_CANDIDATES, st.sampled_from(PolicyName))
def test_no_policy_drops_or_doubles_a_candidate(candidates: list[Candidate], name: PolicyName) -> None:
    ordered = policy(name).order(candidates, QUERY)

    assert sorted(c.target for c in ordered) == sorted(c.target for c in candidates)
    for chosen in ordered:
        policy(name).score(chosen, QUERY)


def test_priority_takes_the_lowest_number_and_keeps_the_order_of_equals() -> None:
    assert order(
        PolicyName.PRIORITY, candidate("a", priority=2), candidate("b", priority=1), candidate("c", priority=1)
    ) == ["b", "c", "a"]


def test_round_robin_gives_everyone_the_same_share() -> None:
    robin = policy(PolicyName.ROUND_ROBIN)
    three = [candidate(name) for name in "abc"]

    firsts = [robin.order(three, QUERY)[0].target.provider for _ in range(9)]
    assert firsts == list("abcabcabc")
    assert [c.target.provider for c in robin.order(three[:2], QUERY)] == ["a", "b"]


def test_least_recently_used_takes_the_one_that_rested_longest() -> None:
    assert order(
        PolicyName.LEAST_RECENTLY_USED, candidate("a", last_used=9.0), candidate("b"), candidate("c", last_used=3.0)
    ) == ["b", "c", "a"]


def test_weights_are_shares() -> None:
    weighted = policy(PolicyName.WEIGHTED)
    candidates = [candidate("heavy", weight=3.0), candidate("light"), candidate("never", weight=0.0)]

    firsts = Counter(weighted.order(candidates, QUERY)[0].target.provider for _ in range(4000))

    assert firsts["heavy"] / 4000 == pytest.approx(0.75, abs=0.03)
    assert firsts["never"] == 0


def test_health_takes_the_one_that_fails_least_and_trial_circuits_last() -> None:
    assert order(
        PolicyName.HEALTH_BASED,
        candidate("trial", circuit=Circuit.HALF_OPEN, success_rate=1.0),
        candidate("poor", success_rate=0.5),
        candidate("good", success_rate=0.99, priority=5),
        candidate("new", priority=9),
    ) == ["good", "new", "poor", "trial"]


def test_latency_tries_the_unmeasured_and_distrusts_what_only_failed() -> None:
    assert order(
        PolicyName.LATENCY_AWARE,
        candidate("only failed", success_rate=0.0),
        candidate("slow", p95=2.0, success_rate=1.0),
        candidate("fast", p95=0.5, success_rate=1.0),
        candidate("new"),
    ) == ["new", "fast", "slow", "only failed"]


def test_cost_takes_the_cheapest_for_this_prompt_and_unknown_is_not_free() -> None:
    candidates = (
        candidate("unknown"),
        candidate("cheap to read", price=card("0.1", "50")),
        candidate("cheap to write", price=card("5", "1")),
    )
    assert order(PolicyName.COST_AWARE, *candidates, query=RoutingQuery(input_tokens=100_000)) == [
        "cheap to read", "cheap to write", "unknown",
    ]  # fmt: skip
    assert order(PolicyName.COST_AWARE, *candidates, query=RoutingQuery(input_tokens=10)) == [
        "cheap to write", "cheap to read", "unknown",
    ]  # fmt: skip


def test_accuracy_goes_by_success_rate_and_says_that_nothing_is_graded() -> None:
    assert order(PolicyName.ACCURACY_FIRST, candidate("a", success_rate=0.8), candidate("b", success_rate=0.9)) == [
        "b",
        "a",
    ]
    assert "no graded decisions" in policy(PolicyName.ACCURACY_FIRST).says
