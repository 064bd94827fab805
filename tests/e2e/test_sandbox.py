"""Without any key three rule-based traders answer, offline, the same way every time, and say what they are."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market
from tests.e2e.speaking import HELLO, PATIENT, content, error_of, provider, streamed

MODELS = ["sandbox/trend", "sandbox/reversion", "sandbox/breakout"]


@pytest.fixture(scope="module")
def client(start_once: StartService) -> httpx.Client:
    return start_once(env=PATIENT).client


def test_a_keyless_gateway_answers_and_says_who_it_is(client: httpx.Client) -> None:
    body = client.post("/chat", json={"messages": HELLO}).json()

    assert body["provider"] == "sandbox"
    assert body["content"]
    assert any("sandbox" in warning for warning in body["warnings"])


def test_its_three_models_are_listed(client: httpx.Client) -> None:
    listed = {model["id"] for model in client.get("/v1/models").json()["data"]}

    assert {*MODELS, "trend", "reversion", "breakout", "auto"} <= listed


def test_the_same_question_has_the_same_answer(client: httpx.Client) -> None:
    assert votes_of(client) == votes_of(client)
    texts = {client.post("/chat", json={"messages": HELLO, "model": "sandbox/trend"}).json()["content"] for _ in "12"}
    assert len(texts) == 1


def votes_of(client: httpx.Client) -> list[tuple[str, str, float, str]]:
    body = {"symbol": "BTC/USDT", "market": market(), "models": MODELS, "settle": "all"}
    votes = client.post("/decisions", json=body).json()["votes"]
    return sorted((v["model"], v["action"], v["confidence"], v["reasoning"]) for v in votes)


def test_it_streams_word_by_word(client: httpx.Client) -> None:
    plain = client.post("/chat", json={"messages": HELLO, "model": "sandbox/trend"}).json()["content"]

    seen = streamed(client, "/v1/chat/completions", {"model": "sandbox/trend", "messages": HELLO})

    assert content(seen) == plain
    assert len([event for event in seen if event.data != "[DONE]"]) > 3
    assert seen[-1].data == "[DONE]"


def test_a_drill_can_make_it_slow(client: httpx.Client) -> None:
    started = time.monotonic()

    response = client.post("/chat", json={"messages": drill("[[slow=300]]"), "model": "sandbox/trend"})

    assert response.status_code == 200
    assert 0.3 <= time.monotonic() - started < 2


def test_a_drill_can_make_it_fail_with_a_status(client: httpx.Client) -> None:
    broken = client.post("/chat", json={"messages": drill("[[fail=500]]"), "model": "sandbox/trend", "max_retries": 0})
    limited = client.post(
        "/chat", json={"messages": drill("[[fail=429]]"), "model": "sandbox/breakout", "max_retries": 0}
    )

    error_of(broken, 502, "provider_error")
    error_of(limited, 429, "provider_rate_limited")


def test_a_drill_can_cut_its_stream(client: httpx.Client) -> None:
    seen = streamed(client, "/v1/chat/completions", {"model": "sandbox/reversion", "messages": drill("[[cut=2]]")})

    assert seen[-1].data["error"]["code"] == "provider_stream_truncated"
    assert content(seen[:-1])


def test_a_drill_can_make_it_talk_nonsense_and_so_abstain(client: httpx.Client) -> None:
    body = {"symbol": "BTC/USDT", "prompt": "[[nonsense]]", "market": market(), "models": MODELS}

    decision = client.post("/decisions", json=body).json()

    assert decision["status"] == "no_quorum"
    assert {vote["action"] for vote in decision["votes"]} == {None}


def test_it_stays_out_of_the_way_once_a_provider_is_configured(start: StartService, upstream: StartUpstream) -> None:
    client = start(providers=[provider("alpha", upstream())]).client

    listed = [model["id"] for model in client.get("/v1/models").json()["data"]]
    response = client.post("/chat", json={"messages": HELLO, "model": "sandbox/trend"})

    assert not [name for name in listed if "sandbox" in name]
    error_of(response, 404, "model_not_found")


def test_it_serves_beside_another_provider_when_it_is_named(start: StartService, upstream: StartUpstream) -> None:
    sandbox = {"name": "paper", "provider_type": "sandbox", "priority": 9}
    client = start(providers=[provider("alpha", upstream(), priority=1), sandbox]).client

    assert client.post("/chat", json={"messages": HELLO}).json()["provider"] == "alpha"
    assert client.post("/chat", json={"messages": HELLO, "model": "paper/trend"}).json()["provider"] == "paper"


def drill(command: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"hello {command}"}]
