"""The order of each policy."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.chat import Credential
from app.domain.grades import Grade
from app.domain.routing import Candidate, PolicyName, RoutingQuery
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard, PriceTier
from app.routing.expectations import QUALITY_FLOOR, accuracy, dependability, expected_cost, validity
from app.routing.policies import READ_THE_PAST, RoutingPolicy, build_policies

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


@pytest.mark.parametrize("name", sorted(set(PolicyName) - READ_THE_PAST))
def test_a_policy_that_does_not_read_the_past_makes_nothing_of_it(name: PolicyName) -> None:
    fresh = [candidate(one) for one in "abc"]
    seen = [
        replace(one, success_rate=place / 3, p95=1.0 / (place + 1), samples=place + 30)
        for place, one in enumerate(fresh)
    ]
    without, chosen = policy(name), policy(name)

    assert order(name, *fresh) == order(name, *seen)
    assert [without.score(one, QUERY) for one in fresh] == [chosen.score(one, QUERY) for one in seen]


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
        candidate("slow", p95=2.0, success_rate=1.0, miss_chance=0.0),
        candidate("fast", p95=0.5, success_rate=1.0, miss_chance=0.0),
        candidate("new"),
    ) == ["new", "fast", "slow", "only failed"]


def test_latency_prefers_the_sure_one_to_the_one_that_is_mostly_fast() -> None:
    assert order(
        PolicyName.LATENCY_AWARE,
        candidate("mostly fast", p95=0.5, success_rate=0.9, miss_chance=0.1),
        candidate("sure", p95=3.0, success_rate=1.0, miss_chance=0.01),
    ) == ["sure", "mostly fast"]


@given(
    st.lists(st.builds(candidate, st.uuids().map(str), miss_chance=st.floats(0, 1), p95=st.floats(0, 9)), max_size=6)
)
def test_latency_never_puts_a_likelier_miss_first(candidates: list[Candidate]) -> None:
    chances = [one.miss_chance or 0.0 for one in policy(PolicyName.LATENCY_AWARE).order(candidates, QUERY)]

    assert all(earlier <= later + 0.01 for earlier, later in pairwise(chances))


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


def test_cost_counts_what_a_model_usually_writes_and_no_more_than_was_asked_for() -> None:
    verbose = candidate("verbose", price=card("1", "1"), usual_output=4000.0)
    terse = candidate("terse", price=card("1", "3"), usual_output=200.0)

    assert order(PolicyName.COST_AWARE, verbose, terse) == ["terse", "verbose"]
    assert order(PolicyName.COST_AWARE, verbose, terse, query=RoutingQuery(max_tokens=50)) == ["verbose", "terse"]


def test_cost_counts_the_cached_share_of_prompts() -> None:
    tier = PriceTier(0, Decimal(2), Decimal(1), cached_input=Decimal("0.1"))
    cached = candidate("cached", price=PriceCard((tier,), "test"), cached_share=0.9)
    plain = candidate("plain", price=card("1", "1"))

    assert order(PolicyName.COST_AWARE, plain, cached, query=RoutingQuery(input_tokens=50_000)) == ["cached", "plain"]


def test_cost_counts_the_attempts_that_a_failing_target_takes() -> None:
    flaky = candidate("flaky", price=card("1", "1"), success_rate=0.8, samples=200)
    steady = candidate("steady", price=card("1.1", "1.1"), success_rate=1.0, samples=200)

    assert order(PolicyName.COST_AWARE, flaky, steady) == ["steady", "flaky"]


def test_below_the_quality_floor_no_price_helps_but_one_failure_is_no_verdict() -> None:
    broken = candidate("broken", price=card("0.01", "0.01"), success_rate=0.5, samples=20)
    unlucky = candidate("unlucky", price=card("1", "1"), success_rate=0.0, samples=1)
    dear = candidate("dear", price=card("50", "50"))

    assert order(PolicyName.COST_AWARE, broken, unlucky, dear, candidate("unknown")) == [
        "unlucky", "dear", "unknown", "broken",
    ]  # fmt: skip


_PRICED = st.lists(
    st.builds(
        candidate,
        st.uuids().map(str),
        price=st.none() | st.builds(card, st.integers(0, 99).map(str), st.integers(0, 99).map(str)),
        success_rate=st.none() | st.floats(0, 1),
        samples=st.integers(1, 256),
        usual_output=st.none() | st.floats(0, 9000),
        cached_share=st.floats(0, 1),
    ),
    max_size=6,
)


@given(_PRICED, st.integers(0, 200_000), st.none() | st.integers(1, 9000))
def test_cost_is_ascending_with_the_unknown_behind_the_known_and_the_poor_behind_all(
    candidates: list[Candidate], tokens: int, most: int | None
) -> None:
    query = RoutingQuery(input_tokens=tokens, max_tokens=most)

    ordered = policy(PolicyName.COST_AWARE).order(candidates, query)

    def place(one: Candidate) -> tuple[bool, bool, Decimal]:
        cost = expected_cost(one, query)
        return dependability(one) < QUALITY_FLOOR, cost is None, cost or Decimal(0)

    assert [place(one) for one in ordered] == sorted(place(one) for one in ordered)


@given(_PRICED, st.integers(1, 9000), st.integers(0, 9000))
def test_a_longer_answer_and_a_worse_rate_never_cost_less(candidates: list[Candidate], most: int, more: int) -> None:
    for one in candidates:
        short = expected_cost(one, RoutingQuery(max_tokens=most))
        long = expected_cost(one, RoutingQuery(max_tokens=most + more))
        surer = expected_cost(replace(one, success_rate=1.0), RoutingQuery(max_tokens=most))
        if short is not None and long is not None and surer is not None:
            assert 0 <= surer <= short <= long


def record(hit_rate: float, **more: Any) -> Grade:
    return Grade(hits=50, graded=100, hit_rate=hit_rate, is_proven=True, **more)


def test_graded_records_go_before_success_rates_and_the_prior_stands_in_for_none() -> None:
    assert order(
        PolicyName.ACCURACY_FIRST,
        candidate("ungraded", success_rate=1.0),
        candidate("often right", grade=record(0.6), success_rate=0.8),
        candidate("seldom right", grade=record(0.4), success_rate=1.0),
    ) == ["often right", "ungraded", "seldom right"]


def test_a_record_that_is_not_long_enough_is_no_record() -> None:
    lucky = candidate("lucky", grade=Grade(hits=3, graded=3))
    skilled = candidate("skilled", grade=record(0.65))

    assert order(PolicyName.ACCURACY_FIRST, lucky, skilled) == ["skilled", "lucky"]


def test_where_nothing_is_graded_accuracy_goes_by_success_rate_and_usable_answers() -> None:
    assert order(PolicyName.ACCURACY_FIRST, candidate("a", success_rate=0.8), candidate("b", success_rate=0.9)) == [
        "b",
        "a",
    ]
    assert order(
        PolicyName.ACCURACY_FIRST,
        candidate("babbles", success_rate=1.0, grade=Grade(valid=5, answers=50)),
        candidate("unheard"),
        candidate("clear", success_rate=0.9, grade=Grade(valid=50, answers=50)),
    ) == ["unheard", "clear", "babbles"]


_GRADES = st.builds(
    lambda rate, proven, answers, valid: Grade(5, 9, rate, proven, min(valid, answers), answers),
    st.floats(0, 1),
    st.booleans(),
    *[st.integers(0, 2000)] * 2,
)


@given(_GRADES)
def test_accuracy_is_a_chance_and_one_more_usable_answer_never_lowers_it(grade: Grade) -> None:
    assert 0 <= accuracy(grade) <= validity(grade) <= 1
    assert accuracy(grade) <= accuracy(replace(grade, valid=grade.valid + 1, answers=grade.answers + 1))
    assert accuracy(grade) >= accuracy(replace(grade, answers=grade.answers + 1))


@given(st.lists(st.none() | _GRADES, max_size=6))
def test_accuracy_is_descending(grades: list[Grade | None]) -> None:
    candidates = [candidate(str(place), grade=grade) for place, grade in enumerate(grades)]
    scores = [accuracy(one.grade) for one in policy(PolicyName.ACCURACY_FIRST).order(candidates, QUERY)]

    assert scores == sorted(scores, reverse=True)


def explored(*candidates: Candidate, query: RoutingQuery = QUERY) -> Counter[str]:
    """Who came first in 2,000 requests, a tenth of which explore."""
    chosen = build_policies(random.Random(7), exploration=0.1)[PolicyName.ACCURACY_FIRST]
    return Counter(chosen.order(candidates, query)[0].target.provider for _ in range(2000))


def test_a_share_of_requests_goes_to_another_so_that_nobody_stays_behind_for_good() -> None:
    first = explored(candidate("good", grade=record(0.6)), candidate("bad", grade=record(0.1)), candidate("new"))

    assert first["good"] == pytest.approx(1800, abs=60)
    assert first["bad"] == pytest.approx(100, abs=40)
    assert first["new"] == pytest.approx(100, abs=40)


def test_nobody_explores_before_there_is_a_record_nor_in_a_rehearsal() -> None:
    assert explored(candidate("a", success_rate=0.9), candidate("b", success_rate=0.8)) == {"a": 2000}
    rehearsal = RoutingQuery(is_rehearsal=True)
    assert explored(candidate("a", grade=record(0.6)), candidate("b"), query=rehearsal) == {"a": 2000}
