"""What a key or an agent may ask of the gateway, over HTTP: exactly so much, and a refusal that names the limit."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.behaviours import Answer, Status, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, metrics, provider, total
from tests.upstream import Upstream

KEYS = {name: f"{name}-key-of-sixteen" for name in ("burst", "words", "failing", "agents", "streams", "panel", "free")}


def key_id(name: str) -> str:
    """The public name of a key, as the record and the limits know it."""
    return f"key:{hashlib.sha256(KEYS[name].encode()).hexdigest()[:8]}"


@pytest.fixture(scope="module")
def upstream(upstream_once: StartUpstream) -> Upstream:
    return upstream_once(Answer("fine", usage=Tokens(30, 10)))


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstream: Upstream) -> Service:
    limits = {
        key_id("burst"): {"requests_per_minute": 20},
        key_id("words"): {"tokens_per_minute": 600},
        key_id("failing"): {"requests_per_minute": 2},
        key_id("streams"): {"requests_per_minute": 1},
        key_id("panel"): {"requests_per_minute": 1},
        "agent:1": {"requests_per_minute": 1},
    }
    config = {"providers": [provider("alpha", upstream)], "caller_limits": limits}
    return start_once(config=config, env={"OUTCRY_API_KEYS": ",".join(KEYS.values())})


def chat(gateway: Service, key: str, route: str = "/chat", **body: object) -> httpx.Response:
    headers = {"authorization": f"Bearer {KEYS[key]}", "connection": "close"}
    return gateway.client.post(route, json={"messages": HELLO, "max_tokens": 100, **body}, headers=headers)


def test_a_burst_ten_times_the_limit_gets_exactly_the_limit(gateway: Service, upstream: Upstream) -> None:
    asked = len(upstream.requests)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: chat(gateway, "burst"), range(200)))
    assert Counter(answer.status_code for answer in answers) == {200: 20, 429: 180}
    assert len(upstream.requests) - asked == 20
    refused = next(answer for answer in answers if answer.status_code == 429)
    error = error_of(refused, 429, "policy_rate_limit")
    assert f"limit requests_per_minute of {key_id('burst')} is reached" in error["message"]
    assert 0 < int(refused.headers["retry-after-ms"]) <= 60_000
    assert KEYS["burst"] not in refused.text
    assert chat(gateway, "free").status_code == 200


def test_tokens_count_as_they_were_used(gateway: Service) -> None:
    statuses = [chat(gateway, "words").status_code for _ in range(14)]
    # 40 tokens each, and room for some 120 is needed to be let in: never more than 600, and not far less.
    assert Counter(statuses)[200] in range(12, 15)
    larger = chat(gateway, "words", max_tokens=700)
    assert larger.status_code == 429
    assert "larger than limit tokens_per_minute" in larger.text
    assert "retry-after" not in larger.headers
    assert larger.headers["x-should-retry"] == "false"


def test_what_no_provider_was_asked_for_counts_for_nothing(gateway: Service) -> None:
    for _ in range(5):
        assert chat(gateway, "failing", model="nobody-has-this").status_code == 404
    assert [chat(gateway, "failing").status_code for _ in range(3)] == [200, 200, 429]


def test_an_agents_limit_holds_for_every_key(gateway: Service) -> None:
    created = gateway.client.post("/agents", json={"name": "a"}, headers={"x-api-key": KEYS["agents"]}).json()
    body = {"provider": "alpha", "model_name": "alpha-1"}
    path = f"/agents/{created['id']}/llm-config"
    assert gateway.client.put(path, json=body, headers={"x-api-key": KEYS["agents"]}).status_code == 201
    assert chat(gateway, "agents", agent_id=created["id"]).status_code == 200
    refused = chat(gateway, "free", model=f"agent:{created['id']}")
    assert "of agent:1 is reached" in error_of(refused, 429, "policy_rate_limit")["message"]
    assert chat(gateway, "agents").status_code == 200


@pytest.mark.parametrize("route", ["/chat", "/v1/chat/completions"])
def test_a_stream_is_refused_with_a_true_status(gateway: Service, route: str) -> None:
    answers = [chat(gateway, "streams", route, stream=True, model="auto") for _ in range(2)]
    error_of(answers[-1], 429, "policy_rate_limit")


def test_a_decision_is_one_request_whole_or_streamed(gateway: Service, upstream: Upstream) -> None:
    upstream.behave(Answer('{"action": "BUY", "confidence": 0.7, "reasoning": "x"}'))
    try:
        body = {"symbol": "BTC/USDT", "prompt": "now?", "models": ["alpha/alpha-1"]}
        headers = {"authorization": f"Bearer {KEYS['panel']}"}
        first = gateway.client.post("/decisions", json=body, headers=headers)
        assert first.status_code == 200
        for stream in (False, True):
            refused = gateway.client.post("/decisions", json={**body, "stream": stream}, headers=headers)
            error_of(refused, 429, "policy_rate_limit")
    finally:
        upstream.behave(Answer("fine", usage=Tokens(30, 10)))


def test_a_provider_that_failed_was_asked_and_counts(start: StartService, upstream_once: StartUpstream) -> None:
    broken = upstream_once(Status(400, message="no"))
    gateway = start(
        config={
            "providers": [provider("alpha", broken)],
            "caller_limits": {"default": {"requests_per_minute": 1}},
        }
    )
    statuses = [gateway.client.post("/chat", json={"messages": HELLO}).status_code for _ in range(2)]
    assert statuses == [400, 429]
    counted = metrics(gateway.client)
    assert total(counted, "outcry_limit_rejections_total", limit="requests_per_minute") == 1
