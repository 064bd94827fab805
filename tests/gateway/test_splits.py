"""Weighted aliases and canaries over many requests: each arm gets its share, and the others stand in for it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from app.domain.conversation import conversation_key
from app.domain.target import Target
from tests.fakes import ScriptedAdapter
from tests.gateway.conftest import House, ask, house

REQUESTS = 4000
NAMES = ("alpha/alpha-1", "beta/beta-1", "gamma/gamma-1")


def splitting(*shares: float) -> House:
    way = house(**{name: ScriptedAdapter("buy") for name in ("alpha", "beta", "gamma")})
    way.pool.replace(replace(way.pool.stated, aliases={"canary": NAMES[: len(shares)]}, splits={"canary": shares}))
    return way


def firsts(way: House, **changes: Any) -> Counter[str]:
    return Counter(
        str(way.planner.plan(ask(way, model="canary", **changes)).plan.steps[0].target) for _ in range(REQUESTS)
    )


def is_share(count: int, share: float) -> bool:
    """Within four standard deviations of what a fair draw gives."""
    return abs(count - REQUESTS * share) <= 4 * math.sqrt(REQUESTS * share * (1 - share))


@pytest.mark.parametrize("shares", [(95.0, 5.0), (1.0, 1.0), (1.0, 0.0), (0.2, 0.3, 0.5)])
def test_requests_are_split_by_the_shares(shares: tuple[float, ...]) -> None:
    counted = firsts(splitting(*shares))

    assert all(is_share(counted[name], share / sum(shares)) for name, share in zip(NAMES, shares, strict=False))


def test_an_arm_that_is_away_leaves_its_share_to_the_others_in_their_proportion() -> None:
    way = splitting(0.2, 0.3, 0.5)
    way.pool.state(Target("gamma", "gamma-1"), "k").cool(way.clock.now() + 60)

    counted = firsts(way)

    assert counted[NAMES[2]] == 0
    assert is_share(counted[NAMES[0]], 0.4)


def test_every_arm_is_in_reserve_for_the_others() -> None:
    way = splitting(1.0, 0.0)

    assert [str(step.target) for step in way.planner.plan(ask(way, model="canary")).plan.steps] == list(NAMES[:2])


def test_conversations_are_split_by_the_shares_and_stay_in_their_arm() -> None:
    way = splitting(9.0, 1.0)
    keys = [conversation_key("local", str(number)) for number in range(REQUESTS)]

    def arm(key: str) -> str:
        return str(way.planner.plan(ask(way, model="canary", conversation=key)).plan.steps[0].target)

    arms = [arm(key) for key in keys]

    assert is_share(arms.count(NAMES[1]), 0.1)
    assert [arm(key) for key in keys[:200]] == arms[:200]
