"""Callers who ask for more than there is, all at once: exactly what fits is served, the others are told why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.behaviours import Answer
from tests.e2e.nursery import Nursery
from tests.faults.caller import Reply, request
from tests.faults.reception import MODEL, ROUTES, Reception, reception

LIMIT = 12
BURST = LIMIT * 10
PARALLEL = 40


@pytest.fixture(scope="module")
def open_place(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Reception]:
    with reception(tmp_path_factory.mktemp("open"), nursery=gateway_nursery) as one:
        yield one


def burst(place: Reception, path: str) -> list[Reply]:
    """Ten times the limit, as fast as they can be sent."""

    def ask(_: int) -> Reply:
        with place.caller() as caller:
            caller.ask(path, ROUTES[path])
            return caller.reply()

    with ThreadPoolExecutor(PARALLEL) as callers:
        return list(callers.map(ask, range(BURST)))


@pytest.mark.parametrize(
    "limit",
    [
        {"requests_per_minute": LIMIT},
        {"requests_per_minute": LIMIT // 2, "burst_limit": LIMIT, "strategy": "token_bucket"},  # refills one in 10 s
    ],
    ids=["sliding_window", "token_bucket"],
)
def test_of_a_burst_ten_times_the_limit_exactly_the_limit_is_served(
    tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None, limit: dict[str, Any]
) -> None:
    with reception(tmp_path_factory.mktemp("flood"), nursery=gateway_nursery, rate_limit=limit, warm=False) as place:
        before = place.aftermath.samples()
        place.expects(Answer())

        replies = burst(place, "/v1/chat/completions")

        told = [reply for reply in replies if reply.status != 200]
        assert Counter(reply.status for reply in replies) == {200: LIMIT, 429: BURST - LIMIT}
        assert place.alpha.calls == LIMIT
        assert {reply.code for reply in told} == {"policy_rate_limit"}
        assert all("requests_per_minute" in reply.json["error"]["message"] for reply in told)
        assert all(0 < int(reply.headers["retry-after"]) <= 60 for reply in told)
        assert all(0 < float(reply.headers["retry-after-ms"]) <= 60_000 for reply in told)
        place.aftermath.assert_moved(before, "outcry_requests_total", BURST - LIMIT, status="429")
        place.aftermath.assert_moved(before, "outcry_limit_rejections_total", BURST - LIMIT)
        place.assert_unharmed(before)
        place.aftermath.assert_given_back(connections=LIMIT)


def test_of_a_burst_at_a_place_for_few_at_once_the_others_are_told_soon(
    tmp_path_factory: pytest.TempPathFactory,
    gateway_nursery: Nursery | None,
) -> None:
    with reception(tmp_path_factory.mktemp("few"), nursery=gateway_nursery, max_concurrent=3) as place:
        before = place.aftermath.samples()
        place.expects(Answer(delay=1.0))

        replies = burst(place, "/chat")

        served = sum(reply.status == 200 for reply in replies)
        assert place.alpha.calls == served >= 3
        assert served + sum(reply.status == 429 for reply in replies) == BURST
        refused = next(reply for reply in replies if reply.status == 429)
        assert refused.code == "policy_rate_limit"
        assert "max_concurrent" in refused.json["error"]["message"]
        assert int(refused.headers["retry-after"]) >= 1
        place.assert_unharmed(before)
        place.assert_well(connections=3)


def test_pipelined_requests_are_answered_in_their_order(open_place: Reception) -> None:
    open_place.expects(Answer("one"), Answer("two", delay=0.1), Answer("three"))
    with open_place.caller() as caller:
        caller.say(request("/chat", ROUTES["/chat"]) * 3)

        assert [caller.reply().json["content"] for _ in range(3)] == ["one", "two", "three"]

    open_place.assert_well()


def test_a_hundred_pipelined_requests_are_one_at_a_time(open_place: Reception) -> None:
    most = 0

    def each(_: object) -> Answer:
        nonlocal most
        most = max(most, int(open_place.alpha.connections_open))
        return Answer("each")

    open_place.expects(each)
    open_place.aftermath.assert_given_back()
    with open_place.caller() as caller:
        caller.say(request("/chat", ROUTES["/chat"]) * 100)

        assert [caller.reply().status for _ in range(100)] == [200] * 100

    assert most <= 2  # the free probe has one of its own
    open_place.assert_well()


def test_three_hundred_connections_that_say_nothing_are_no_hindrance(open_place: Reception) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(open_place.caller()) for _ in range(300)]
        for caller in callers[::2]:
            caller.say(b"POST /chat HTTP/1.1\r\nhost: local")

        open_place.expects(Answer("at ease"))
        open_place.aftermath.assert_serves("/chat", {"model": MODEL}, "at ease")

    open_place.assert_well()
