"""A storm of callers who leave at any moment they please: nothing of them stays."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from tests.behaviours import Answer, Behaviour, Drip, Silent, Stream
from tests.e2e.nursery import Nursery
from tests.e2e.speaking import within
from tests.faults.aftermath import Aftermath
from tests.faults.caller import request
from tests.faults.reception import ROUTES, WELL, Reception, reception

CALLERS = 300
PARALLEL = 64


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Reception]:
    with reception(tmp_path_factory.mktemp("storm"), nursery=gateway_nursery) as one:
        with ThreadPoolExecutor(PARALLEL) as callers:
            list(
                callers.map(lambda _: one.gateway.client.post("/decisions", json=ROUTES["/decisions"]), range(PARALLEL))
            )
        # Only now: the client's own connections stand, and everything that is made once has been made.
        yield replace(one, aftermath=Aftermath(one.gateway, [one.alpha]))


def test_three_hundred_callers_who_leave_at_any_moment_leave_nothing_behind(place: Reception) -> None:
    chance = random.Random(20261121)
    before = place.aftermath.samples()
    ways: list[Behaviour] = [Silent(), Answer(), Answer(delay=0.05), Drip(gap=0.01), Stream(("tick",) * 50, gap=0.01)]
    place.expects(lambda _: chance.choice(ways))

    def come_and_go(number: int) -> None:
        rolls = random.Random(number)
        path = rolls.choice(list(ROUTES))
        said = request(path, {**ROUTES[path], "stream": rolls.random() < 0.5})
        caller = place.caller()
        # Some leave within the request, the others at any moment of the answer.
        caller.say(said[: rolls.randrange(len(said))] if rolls.random() < 0.2 else said)
        if rolls.random() < 0.1:
            caller.half_close()
        time.sleep(rolls.random() * 0.2)  # when they leave is what is tried
        rolls.choice([caller.leave, caller.vanish])()

    with ThreadPoolExecutor(PARALLEL) as callers:
        list(callers.map(come_and_go, range(CALLERS)))

    assert within(2, lambda: place.aftermath.held().in_flight == {"alpha": 0})
    place.aftermath.assert_moved(before, "outcry_requests_total", CALLERS // 10, status="499", code="caller_cancelled")
    place.aftermath.assert_moved(before, "outcry_attempts_total", CALLERS // 10, outcome="cancelled")
    place.assert_unharmed(before)
    place.assert_well(connections=PARALLEL)  # those that were answered whole may stay in the pool
    assert '"level":"error"' not in place.gateway.log


def test_the_house_serves_as_before_after_the_storm(place: Reception) -> None:
    def ask(_: int) -> int:
        return place.gateway.client.post("/chat", json=ROUTES["/chat"]).status_code

    place.expects(Answer(WELL))
    with ThreadPoolExecutor(PARALLEL) as callers:
        assert set(callers.map(ask, range(CALLERS))) == {200}
