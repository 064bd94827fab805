"""When a provider fails before the first content, the next one answers and nobody notices."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.behaviours import (
    Answer,
    Behaviour,
    Drip,
    Empty,
    EndlessLine,
    GzipBomb,
    Html,
    JsonError200,
    Redirect,
    Refuse,
    Reset,
    Silent,
    Status,
    Stream,
    Tokens,
    TruncatedJson,
    WrongLength,
    WrongMode,
)
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, PATIENT, content, error_of, events, metrics, provider, streamed, total
from tests.upstream import Received, Upstream

BROKEN: list[Behaviour] = [
    Refuse(),
    Status(500),
    Reset(),
    Reset(after_content=True),
    Html(),
    Empty(),
    JsonError200(),
    WrongMode(),
    TruncatedJson(),
    WrongLength(),
    GzipBomb(mebibytes=64),
    Redirect(),
    Silent(),
    Drip(part="headers"),
    Drip(part="body"),
]
BROKEN_STREAMS: list[Behaviour] = [
    Refuse(),
    Status(500),
    Reset(),
    Html(),
    Empty(),
    JsonError200(),
    WrongMode(),
    Silent(),
    EndlessLine(mebibytes=8),
    Stream(cut_after=0),
    Stream(reset_after=0),
    Stream(stall_after=0),
    Stream(error_after=0),
    Stream(stall_after=0, comments=20, gap=0.01),
    Stream(words=(), no_finish=True, no_done=True),
    Stream(words=("",) * 100, no_finish=True, stall_after=100),
]
TIMEOUTS = {"connect": 0.5, "first_token": 0.4, "idle": 0.4, "total": 0.6}


class Pair:
    """Two providers behind one gateway: `alpha` is asked first, `beta` is healthy."""

    def __init__(self, alpha: Upstream, beta: Upstream, gateway: Service) -> None:
        self.alpha, self.beta, self.gateway = alpha, beta, gateway
        self.client = gateway.client

    def scripted(self, *script: Any) -> Pair:
        self.beta.behave(Answer("beta answers"))
        self.alpha.behave(*script)
        self.alpha.forget()
        self.beta.forget()
        return self


@pytest.fixture(scope="module")
def pair(start_once: StartService, upstream_once: StartUpstream) -> Pair:
    alpha, beta = upstream_once(), upstream_once(models=("beta-1",))
    gateway = start_once(
        providers=[
            provider("alpha", alpha, priority=1, timeouts=TIMEOUTS, models=["shared-1"]),
            provider("beta", beta, priority=2, models=["shared-1", "beta-1"]),
        ],
        env=PATIENT,
    )
    return Pair(alpha, beta, gateway)


def name_of(behaviour: Behaviour) -> str:
    return str(behaviour).replace("Behaviour", "")[:60]


@pytest.mark.parametrize("broken", BROKEN, ids=name_of)
def test_another_provider_answers_when_the_first_is_broken(pair: Pair, broken: Behaviour) -> None:
    pair.scripted(broken)

    response = pair.client.post("/chat", json={"messages": HELLO, "model": "shared-1"})

    body = response.json()
    assert (response.status_code, body["content"], body["provider"]) == (200, "beta answers", "beta"), body
    assert response.headers["x-outcry-fallback"] == "true"
    assert response.headers["x-outcry-attempts"] == "2"
    assert [a["outcome"] for a in body["attempts"]] == ["error", "ok"]
    assert body["attempts"][0]["code"].startswith("provider_")
    assert pair.beta.calls == 1


@pytest.mark.parametrize("broken", BROKEN_STREAMS, ids=name_of)
def test_a_stream_that_fails_before_content_is_another_providers(pair: Pair, broken: Behaviour) -> None:
    pair.scripted(broken)
    body = {"model": "shared-1", "messages": HELLO, "stream": True}

    with pair.client.stream("POST", "/v1/chat/completions", json=body) as response:
        seen = list(events(response))

    assert response.status_code == 200
    assert content(seen) == "beta answers"
    assert seen[-1].data == "[DONE]"
    assert response.headers["x-outcry-provider"] == "beta"
    assert response.headers["x-outcry-fallback"] == "true"


@pytest.mark.parametrize(
    "broken",
    [Stream(cut_after=1), Stream(reset_after=1), Stream(stall_after=1), Stream(error_after=1), Stream(no_finish=True)],
    ids=name_of,
)
def test_after_content_nothing_is_spliced_and_the_error_is_in_band(pair: Pair, broken: Stream) -> None:
    pair.scripted(broken)

    seen = streamed(pair.client, "/v1/chat/completions", {"model": "shared-1", "messages": HELLO})

    assert pair.beta.calls == 0
    assert content(seen[:-1]).startswith("hello")
    assert "beta" not in content(seen[:-1])
    assert all(event.data != "[DONE]" for event in seen)
    error = seen[-1].data["error"]
    assert error["code"].startswith("provider_")
    assert [event for event in seen[:-1] if "error" in event.data] == []


def test_a_stream_without_its_last_marker_is_whole_when_it_finished(pair: Pair) -> None:
    pair.scripted(Stream(no_done=True))

    seen = streamed(pair.client, "/v1/chat/completions", {"model": "shared-1", "messages": HELLO})

    assert content(seen) == "hello from upstream"
    assert seen[-1].data == "[DONE]"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_a_stream_cut_into_tiny_chunks_says_the_same(pair: Pair, size: int) -> None:
    pair.scripted(Stream(words=("hé", "llo ✓"), piece=size))

    assert content(streamed(pair.client, "/v1/chat/completions", {"model": "shared-1", "messages": HELLO})) == (
        "héllo ✓"
    )


def test_a_pinned_target_fails_with_a_true_status_and_without_a_retry_invitation(pair: Pair) -> None:
    pair.scripted(Status(500, message="it broke"))

    plain = pair.client.post("/v1/chat/completions", json={"model": "alpha/shared-1", "messages": HELLO})
    stream = pair.client.post(
        "/v1/chat/completions", json={"model": "alpha/shared-1", "messages": HELLO, "stream": True}
    )

    for response in (plain, stream):
        error_of(response, 502, "provider_error")
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["x-outcry-provider"] == "alpha"
    assert pair.beta.calls == 0


def test_no_more_attempts_are_made_than_max_retries_allows(pair: Pair) -> None:
    pair.scripted(Status(500))
    pair.beta.behave(Status(500))

    one = pair.client.post("/chat", json={"messages": HELLO, "model": "shared-1", "max_retries": 0})
    asked_once = pair.alpha.calls + pair.beta.calls
    three = pair.client.post("/chat", json={"messages": HELLO, "model": "shared-1"})

    assert (one.status_code, asked_once) == (502, 1)
    assert three.status_code == 502
    assert pair.alpha.calls + pair.beta.calls <= 1 + 3


def test_without_failover_the_first_failure_is_the_answer(pair: Pair) -> None:
    pair.scripted(Status(500))

    response = pair.client.post(
        "/chat", json={"messages": HELLO, "model": "shared-1", "allow_failover": False, "max_retries": 0}
    )

    assert response.status_code == 502
    assert pair.beta.calls == 0


def test_named_fallbacks_are_tried_after_the_model_itself(pair: Pair) -> None:
    pair.scripted(Status(500))

    response = pair.client.post(
        "/chat", json={"messages": HELLO, "model": "alpha/shared-1", "fallbacks": ["beta/beta-1"]}
    )

    assert (response.json()["provider"], response.json()["model"]) == ("beta", "beta-1")


@pytest.mark.parametrize("fault", [Status(400), Status(413), Status(422)], ids=name_of)
def test_a_callers_fault_is_asked_once_and_nobody_else_is_asked(pair: Pair, fault: Status) -> None:
    pair.scripted(fault)

    response = pair.client.post("/chat", json={"messages": HELLO, "model": "shared-1"})

    assert response.status_code == fault.code
    assert "scripted failure" in response.json()["error"]["message"]
    assert (pair.alpha.calls, pair.beta.calls) == (1, 0)


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_who_leaves_closes_the_call_upstream(pair: Pair, stream: bool) -> None:
    pair.scripted(Stream(words=("tick",) * 1000, gap=0.1) if stream else Silent())
    closed = pair.alpha.connections_closed
    body = {"model": "alpha/shared-1", "messages": HELLO, "stream": stream}

    if stream:
        with pair.client.stream("POST", "/v1/chat/completions", json=body) as response:
            assert next(events(response)).data["choices"]
    else:
        with pytest.raises(httpx.ReadTimeout), plain_client(pair.gateway.base_url, seconds=0.2) as client:
            client.post("/v1/chat/completions", json=body)

    # Sooner than any timer of the provider's, the attempt's total of 0.6 s included.
    assert pair.alpha.wait_until(lambda u: u.connections_closed > closed, 0.35 if not stream else 0.5)


def test_a_provider_that_asks_to_wait_is_left_alone(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream(Status(429, headers={"retry-after": "20"}), Answer("alpha again"))
    beta = upstream(Answer("beta answers"))
    both = [provider("alpha", alpha, priority=1), provider("beta", beta, priority=2)]
    client = start(providers=both).client

    said = [client.post("/chat", json={"messages": HELLO}).json()["content"] for _ in range(3)]

    assert said == ["beta answers"] * 3
    assert alpha.calls == 1
    assert client.get("/providers/health").json()["providers"]["alpha"]["cooldown_until"] is not None


@pytest.mark.parametrize("status", [503, 529])
def test_an_overloaded_provider_is_passed_over(start: StartService, upstream: StartUpstream, status: int) -> None:
    alpha, beta = upstream(Status(status)), upstream(Answer("beta answers"))
    client = start(providers=[provider("alpha", alpha, priority=1), provider("beta", beta, priority=2)]).client

    body = client.post("/chat", json={"messages": HELLO}).json()

    assert body["content"] == "beta answers"
    assert body["attempts"][0]["code"] == "provider_overloaded"


def test_when_every_candidate_is_rate_limited_so_is_the_caller(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream(Status(429, headers={"retry-after": "7"}))
    client = start(providers=[provider("alpha", alpha)]).client

    response = client.post("/chat", json={"messages": HELLO, "max_retries": 0})

    error_of(response, 429, "provider_rate_limited")
    assert 0 < float(response.headers["retry-after"]) <= 7
    assert 0 < float(response.headers["retry-after-ms"]) <= 7000


def test_a_refused_key_is_no_fault_of_the_caller(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream(Status(401, message="bad key sk-alpha-0123456789abcdef"))
    gateway = start(providers=[provider("alpha", alpha)])

    response = gateway.client.post("/chat", json={"messages": HELLO})

    error_of(response, 502, "provider_auth_failed")
    assert "sk-alpha-0123456789abcdef" not in response.text + gateway.log


def test_an_open_circuit_answers_at_once_and_says_when_to_come_back(
    start: StartService, upstream: StartUpstream
) -> None:
    alpha = upstream(Status(500))
    gateway = start(
        providers=[provider("alpha", alpha)],
        env={"OUTCRY_BREAKER__FAILURES": "3", "OUTCRY_BREAKER__OPEN_SECONDS": "30"},
    )
    body = {"messages": HELLO, "max_retries": 0}
    for _ in range(3):
        assert gateway.client.post("/chat", json=body).status_code == 502
    sent = alpha.calls

    answers = [gateway.client.post("/chat", json=body) for _ in range(4)]

    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) >= 3  # one in five seconds may be let through to see whether it is back
    error_of(refused[-1], 503, "provider_circuit_open")
    assert float(refused[-1].headers["retry-after"]) > 0
    assert alpha.calls <= sent + 1
    health = gateway.client.get("/providers/health").json()["providers"]["alpha"]
    assert health["circuit"] == "open"
    assert total(metrics(gateway.client), "outcry_circuit_state", provider="alpha", model="alpha-1") == 2


def test_round_robin_takes_turns(start: StartService, upstream: StartUpstream) -> None:
    alpha, beta = upstream(), upstream()
    config = {"providers": [provider("alpha", alpha), provider("beta", beta)], "failover_strategy": "round_robin"}
    client = start(config=config).client

    for _ in range(6):
        assert client.post("/chat", json={"messages": HELLO}).status_code == 200

    assert (alpha.calls, beta.calls) == (3, 3)


def test_a_request_limit_admits_exactly_that_many_and_then_falls_over(
    start: StartService, upstream: StartUpstream
) -> None:
    alpha, beta = upstream(), upstream(Answer("beta answers"))
    limited = provider("alpha", alpha, priority=1, rate_limit={"requests_per_minute": 3})
    client = start(providers=[limited, provider("beta", beta, priority=2)]).client

    said = [client.post("/chat", json={"messages": HELLO}) for _ in range(5)]
    pinned = client.post("/chat", json={"messages": HELLO, "model": "alpha/alpha-1"})

    assert (alpha.calls, beta.calls) == (3, 2)
    assert {response.status_code for response in said} == {200}
    error = error_of(pinned, 429, pinned.json()["error"]["code"])
    assert error["code"] in {"policy_rate_limit", "provider_rate_limited"}
    assert "requests_per_minute" in error["message"]
    assert float(pinned.headers["retry-after"]) > 0


def test_no_request_is_lost_while_one_of_two_providers_fails_half_of_its_calls(
    start: StartService, upstream: StartUpstream
) -> None:
    def half(request: Received) -> Behaviour:
        return Status(500) if next(turns) % 2 else Answer("alpha answers")

    turns = iter(range(10_000))
    alpha, beta = upstream(half), upstream(Answer("beta answers"))
    client = start(
        config={
            "providers": [provider("alpha", alpha, priority=1), provider("beta", beta, priority=2)],
            "failover_strategy": "round_robin",
        }
    ).client
    body = json.dumps({"messages": HELLO}).encode()

    def ask(_: int) -> int:
        return client.post("/chat", content=body, headers={"content-type": "application/json"}).status_code

    with ThreadPoolExecutor(8) as callers:
        statuses = list(callers.map(ask, range(500)))

    assert statuses.count(200) == 500


@pytest.mark.parametrize("streamed", [False, True])
def test_an_absurd_count_of_tokens_fails_nobody(start: StartService, upstream: StartUpstream, streamed: bool) -> None:
    alpha = upstream(Answer("hello", usage=Tokens(10**30, 5)))
    client = start(config={"providers": [provider("alpha", alpha)]}).client

    for path in ("/chat", "/v1/chat/completions"):
        answer = client.post(path, json={"model": "alpha-1", "messages": HELLO, "stream": streamed})

        assert answer.status_code == 200
        assert "gateway_internal" not in answer.text
