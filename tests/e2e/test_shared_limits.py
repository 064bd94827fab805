"""Two workers keep one provider's limits together, however the requests fall to them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.behaviours import Answer
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, PATIENT, error_of, provider
from tests.upstream import Received, Upstream

SLOWLY = 0.3


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """None: the service's own SQLite file."""
    if request.param == "sqlite":
        yield None
        return
    server = request.getfixturevalue("postgres")
    url = server.create()
    yield url
    server.drop(url)


@pytest.fixture(scope="module")
def upstreams(upstream_once: StartUpstream) -> dict[str, Upstream]:
    return {"minute": upstream_once(), "slots": upstream_once(), "bucket": upstream_once()}


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstreams: dict[str, Upstream], database_url: str | None) -> Service:
    for upstream in upstreams.values():
        upstream.forget()
    limits = {
        "minute": {"requests_per_minute": 20},
        "bucket": {"requests_per_minute": 5, "burst_limit": 15, "strategy": "token_bucket"},
    }
    return start_once(
        providers=[
            provider("minute", upstreams["minute"], rate_limit=limits["minute"]),
            provider("bucket", upstreams["bucket"], rate_limit=limits["bucket"]),
            provider("slots", upstreams["slots"], max_concurrent=3),
        ],
        env={"OUTCRY_WORKERS": "2", **PATIENT},
        database_url=database_url,
    )


def chats(gateway: Service, model: str, times: int, at_once: int = 50) -> list[httpx.Response]:
    """The answers to so many requests, each over a connection of its own."""

    def chat(_: int) -> httpx.Response:
        body = {"model": model, "messages": HELLO, "max_tokens": 10}
        with plain_client(gateway.base_url) as client:
            return client.post("/chat", json=body)

    with ThreadPoolExecutor(at_once) as callers:
        return list(callers.map(chat, range(times)))


def statuses(answers: list[httpx.Response]) -> dict[int, int]:
    found = [answer.status_code for answer in answers]
    return {status: found.count(status) for status in sorted(set(found))}


def test_a_minutes_limit_is_one_for_all_workers(gateway: Service, upstreams: dict[str, Upstream]) -> None:
    answers = chats(gateway, "minute/minute-1", 200)

    assert statuses(answers) == {200: 20, 429: 180}
    error_of(next(one for one in answers if one.status_code == 429), 429, "policy_rate_limit")
    assert upstreams["minute"].calls == 20
    assert statuses(chats(gateway, "minute/minute-1", 30)) == {429: 30}


def test_a_bucket_is_one_for_all_workers(gateway: Service, upstreams: dict[str, Upstream]) -> None:
    began = time.monotonic()
    answered = statuses(chats(gateway, "bucket/bucket-1", 100))[200]
    flowed_in = 5 * (time.monotonic() - began) / 60

    assert 15 <= answered <= 15 + flowed_in + 1
    assert upstreams["bucket"].calls == answered


def test_no_more_calls_are_under_way_than_the_limit(gateway: Service, upstreams: dict[str, Upstream]) -> None:
    arrivals: list[float] = []

    def answer(_: Received) -> Answer:
        arrivals.append(time.monotonic())
        return Answer(delay=SLOWLY)

    upstreams["slots"].behave(answer)
    answered = statuses(chats(gateway, "slots/slots-1", 60, at_once=30))[200]

    assert answered == len(arrivals) >= 3
    # Each is under way for that long at least.
    assert all(later - earlier >= SLOWLY * 0.9 for earlier, later in zip(arrivals, arrivals[3:], strict=False))
