"""The split: shares hold, keys stick, a further arm takes keys and moves none between the others."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.agents.experiments import Experiments, Traits, assigned, chosen
from app.domain.experiment import Arm, Traffic
from tests.fakes_experiments import experiment

KEYS = [f"key {number}" for number in range(2_000)]
WEIGHTS = st.lists(st.integers(1, 20), min_size=2, max_size=6)


def arms_of(weights: list[int]) -> list[Arm]:
    return [Arm(f"arm{place}", weight / sum(weights)) for place, weight in enumerate(weights)]


@settings(max_examples=25, deadline=None)
@given(WEIGHTS, st.text(max_size=12))
def test_every_arm_gets_its_share_of_the_keys(weights: list[int], name: str) -> None:
    arms = arms_of(weights)

    counts = dict.fromkeys((arm.name for arm in arms), 0)
    for key in KEYS:
        counts[chosen(name, arms, key).name] += 1

    for arm in arms:
        # Five standard deviations of a binomial count: one run in some hundred thousand is further off by chance.
        reach = 5 * math.sqrt(len(KEYS) * arm.share * (1 - arm.share))
        assert abs(counts[arm.name] - arm.share * len(KEYS)) <= reach


@settings(max_examples=25, deadline=None)
@given(WEIGHTS, st.integers(1, 20))
def test_a_further_arm_takes_its_share_and_moves_no_key_between_the_others(weights: list[int], more: int) -> None:
    before, after = arms_of(weights), arms_of([*weights, more])

    moved = 0
    for key in KEYS:
        was, now = chosen("x", before, key).name, chosen("x", after, key).name
        assert now in (was, after[-1].name)
        moved += was != now

    share = after[-1].share
    assert abs(moved - share * len(KEYS)) <= 5 * math.sqrt(len(KEYS) * share * (1 - share))


@given(st.permutations(arms_of([1, 2, 3])), st.text(max_size=40))
def test_a_key_sticks_whatever_the_order_of_the_arms(arms: list[Arm], key: str) -> None:
    assert chosen("x", arms, key).name == chosen("x", arms_of([1, 2, 3]), key).name


def test_two_experiments_split_the_same_keys_differently() -> None:
    arms = arms_of([1, 1])

    same = sum(chosen("x", arms, key) == chosen("y", arms, key) for key in KEYS)

    assert 800 < same < 1_200


@pytest.mark.parametrize(
    ("sticky_by", "same"),
    [
        ("key", {"caller": "c"}),
        ("conversation", {"conversation": "talk"}),
        ("symbol", {"symbol": "BTC/USDT"}),
        ("metadata.desk", {"metadata": {"desk": "btc"}}),
        ("metadata.desk", {"metadata": {"desk": 7}}),
    ],
)
def test_what_shares_the_key_shares_the_arm(sticky_by: str, same: dict[str, Any]) -> None:
    split = experiment(sticky_by=sticky_by)

    arms = {assigned(split, Traits(**{"request_id": str(n), "caller": str(n)} | same)).arm.name for n in range(50)}

    assert len(arms) == 1


@pytest.mark.parametrize("sticky_by", ["request", "conversation", "symbol", "metadata.desk"])
def test_what_has_no_such_key_is_split_by_request(sticky_by: str) -> None:
    split = experiment(sticky_by=sticky_by)

    arms = [assigned(split, Traits(str(n), "c", metadata={"desk": {}})).variant for n in range(200)]

    assert 60 < arms.count("exp_1/a") < 140


def test_two_spellings_of_a_symbol_are_one_key() -> None:
    split = experiment(sticky_by="symbol")

    for base in ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT"):
        one, other = (assigned(split, Traits("r", "c", symbol=base + end)).arm for end in ("/USDT", "USDT"))
        assert one == other


def test_a_snapshot_holds_until_a_newer_one_comes() -> None:
    view = Experiments()
    assert (view.is_loaded, view.of(7, Traffic.CHAT)) == (False, None)

    view.load(2, [experiment(applies_to=(Traffic.CHAT,))])
    view.load(1, [])

    found = view.of(7, Traffic.CHAT)
    assert found is not None
    assert found.id == "exp_1"
    assert view.of(7, Traffic.DECISIONS) is None
    assert view.of(8, Traffic.CHAT) is None
    assert view.of(None, Traffic.CHAT) is None
    view.load(3, [])
    assert view.of(7, Traffic.CHAT) is None


def test_the_oldest_of_two_that_split_the_same_is_in_force() -> None:
    view = Experiments()

    view.load(1, [experiment(), replace(experiment(), id="exp_2")])

    found = view.of(7, Traffic.CHAT)
    assert found is not None
    assert found.id == "exp_1"
