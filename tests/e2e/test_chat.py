"""`POST /chat`: one typed object, or a stream of typed events."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from tests.behaviours import Answer, Stream, Tokens, ToolCall
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.speaking import HELLO, PATIENT, error_of, provider, streamed
from tests.upstream import Upstream

COST = {"input_per_1m_tokens": 2, "output_per_1m_tokens": 8}


@pytest.fixture(scope="module")
def alpha(upstream_once: StartUpstream) -> Upstream:
    return upstream_once()


@pytest.fixture(scope="module")
def gateway(start_once: StartService, alpha: Upstream) -> httpx.Client:
    free = provider("beta", alpha, models=["beta-1"], priority=200)
    return start_once(providers=[provider("alpha", alpha, cost=COST, priority=1), free], env=PATIENT).client


@pytest.fixture
def client(gateway: httpx.Client, alpha: Upstream) -> httpx.Client:
    alpha.behave(Answer(usage=Tokens(1000, 500)))
    alpha.forget()
    return gateway


def test_an_answer_is_one_object_that_says_everything(client: httpx.Client) -> None:
    response = client.post("/chat", json={"messages": HELLO})

    body = response.json()
    assert response.status_code == 200
    assert body["id"]
    assert body["content"] == "hello from upstream"
    assert (body["provider"], body["model"], body["finish_reason"]) == ("alpha", "alpha-1", "stop")
    assert body["reasoning"] is None
    assert not body["tool_calls"]
    assert body["usage"] == {
        "input_tokens": 1000,
        "output_tokens": 500,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "source": "reported",
    }
    assert body["latency_ms"] > 0
    assert body["warnings"] is not None
    attempt = body["attempts"][0]
    assert (attempt["provider"], attempt["model"], attempt["outcome"]) == ("alpha", "alpha-1", "ok")
    assert {"code", "status", "latency_ms", "cost_usd"} <= attempt.keys()
    assert body["routing"]["policy"] == "priority"
    assert body["routing"]["reason"]
    assert [c["target"] for c in body["routing"]["candidates"]][:1] == ["alpha/alpha-1"]


def test_money_is_a_decimal_string_and_an_unknown_price_is_null(client: httpx.Client) -> None:
    priced = client.post("/chat", json={"messages": HELLO, "model": "alpha/alpha-1"})
    unpriced = client.post("/chat", json={"messages": HELLO, "model": "beta/beta-1"})

    assert isinstance(priced.json()["cost_usd"], str)
    assert Decimal(priced.json()["cost_usd"]) == Decimal("0.006")
    assert Decimal(priced.headers["x-outcry-cost-usd"]) == Decimal("0.006")
    assert unpriced.json()["cost_usd"] is None


def test_a_stream_starts_says_its_deltas_and_is_done(client: httpx.Client, alpha: Upstream) -> None:
    alpha.behave(Stream(words=("buy", " low"), usage=Tokens(1000, 500)))

    seen = streamed(client, "/chat", {"messages": HELLO})

    assert seen[0].name == "start"
    assert seen[0].data == {"provider": "alpha", "model": "alpha-1"}
    deltas = [event.data for event in seen if event.name == "delta"]
    assert deltas == [{"type": "content", "text": "buy"}, {"type": "content", "text": " low"}]
    assert [e.data["output_tokens"] for e in seen if e.name == "usage"] == [500]
    assert seen[-1].name == "done"
    assert "content" not in seen[-1].data
    assert seen[-1].data["finish_reason"] == "stop"
    assert Decimal(seen[-1].data["cost_usd"]) == Decimal("0.006")
    assert seen[-1].data["time_to_first_token_ms"] > 0


def test_a_streamed_tool_call_has_openais_shape(client: httpx.Client, alpha: Upstream) -> None:
    alpha.behave(Stream(words=(), tool_calls=(ToolCall("get_price", '{"symbol": "BTC"}'),)))
    tool = {"type": "function", "function": {"name": "get_price", "parameters": {"type": "object"}}}

    seen = streamed(client, "/chat", {"messages": HELLO, "tools": [tool]})

    deltas = [event.data["tool_call"] for event in seen if event.name == "delta"]
    assert deltas[0]["function"]["name"] == "get_price"
    assert "".join(d["function"].get("arguments") or "" for d in deltas) == '{"symbol": "BTC"}'
    assert seen[-1].data["finish_reason"] == "tool_calls"


def test_a_stream_that_breaks_ends_in_one_error_event(client: httpx.Client, alpha: Upstream) -> None:
    alpha.behave(Stream(error_after=1))

    seen = streamed(client, "/chat", {"messages": HELLO})

    assert [event.name for event in seen] == ["start", "delta", "error"]
    assert seen[-1].data["error"]["code"].startswith("provider_")
    assert seen[-1].data["request_id"]


def test_every_answer_bears_a_request_id(client: httpx.Client) -> None:
    ids = {
        client.post("/chat", json={"messages": HELLO}).headers["x-request-id"],
        client.post("/chat", json={"messages": "?"}).headers["x-request-id"],
        client.get("/no/such/route").headers["x-request-id"],
        client.get("/health/live").headers["x-request-id"],
    }

    assert len(ids) == 4


def test_an_unknown_field_is_refused_by_name(client: httpx.Client) -> None:
    response = client.post("/chat", json={"messages": HELLO, "temprature": 1})

    error = error_of(response, 422, "caller_invalid_field")
    assert "temprature" in str(error["errors"])


@pytest.mark.parametrize("field", ["api_key", "base_url", "api_base"])
def test_no_caller_sends_a_request_elsewhere(client: httpx.Client, alpha: Upstream, field: str) -> None:
    native = client.post("/chat", json={"messages": HELLO, field: "http://127.0.0.1:9"})
    wire = client.post("/v1/chat/completions", json={"model": "auto", "messages": HELLO, field: "http://127.0.0.1:9"})

    assert native.status_code == 422
    assert wire.status_code == 400
    assert alpha.calls == 0


def test_a_deadline_is_kept_while_the_provider_is_silent(client: httpx.Client, alpha: Upstream) -> None:
    alpha.behave(Answer(delay=30))

    response = client.post("/chat", json={"messages": HELLO, "model": "alpha/alpha-1", "deadline_ms": 700})

    assert response.status_code == 504
    assert response.json()["error"]["code"] in {"gateway_deadline_exceeded", "provider_timeout"}
    assert response.elapsed.total_seconds() < 0.7 + 0.25
    assert response.headers["x-should-retry"] == "false"
