"""The native chat: strict on the way in, everything said on the way out."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.domain.attempt import AttemptOutcome
from app.domain.caching import CacheMode, CacheNote, CacheStatus
from app.domain.errors import Code
from app.domain.routing import PolicyName, Priority
from tests.api.speaking import error_of, native_body
from tests.fakes_edge import OTHER, FakeGateway, record


async def test_the_answer_says_who_what_and_how_much(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    failed = record(OTHER, AttemptOutcome.ERROR, code=Code.PROVIDER_ERROR, upstream_status=500)
    gateway.attempts = (failed, record())
    gateway.message = {"role": "assistant", "content": "up", "reasoning_content": "momentum"}
    gateway.warnings = ("careful",)

    response = await client.post("/chat", json=native_body())

    assert response.json() == {
        "id": "chatcmpl-1",
        "content": "up",
        "reasoning": "momentum",
        "tool_calls": [],
        "tool_calls_made": [],
        "provider": "alpha",
        "model": "alpha-1",
        "finish_reason": "stop",
        "structured_output": None,
        "usage": {
            "input_tokens": 11,
            "output_tokens": 3,
            "cached_tokens": 0,
            "reasoning_tokens": 0,
            "source": "reported",
        },
        "cost_usd": "0.000123",
        "latency_ms": 250.0,
        "time_to_first_token_ms": None,
        "attempts": [
            {
                "provider": "beta",
                "model": "beta-1",
                "kind": "first",
                "outcome": "error",
                "code": "provider_error",
                "status": 500,
                "latency_ms": 250.0,
                "cost_usd": None,
            },
            {
                "provider": "alpha",
                "model": "alpha-1",
                "kind": "first",
                "outcome": "ok",
                "code": None,
                "status": None,
                "latency_ms": 250.0,
                "cost_usd": None,
            },
        ],
        "routing": {
            "policy": "priority",
            "reason": "lowest first",
            "candidates": [{"target": "alpha/alpha-1", "score": 1.0, "why_not": None}],
        },
        "cache": None,
        "replayed": False,
        "warnings": ["careful"],
    }
    assert response.headers["x-outcry-attempts"] == "2"
    assert "x-outcry-warnings" not in response.headers


async def test_an_unknown_price_is_null_and_no_header(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.cost = None

    response = await client.post("/chat", json=native_body())

    assert response.json()["cost_usd"] is None
    assert "x-outcry-cost-usd" not in response.headers


async def test_every_wish_reaches_the_ask(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    tool = {"type": "function", "function": {"name": "get_price"}}
    body = {
        "agent_id": 7,
        "model": "auto",
        "policy": "latency",
        "task_type": "quick_decision",
        "temperature": 0.2,
        "max_tokens": 800,
        "response_format": None,
        "tools": [tool],
        "fallbacks": ["anthropic/claude-sonnet-4-5"],
        "allow_failover": False,
        "max_retries": 0,
        "priority": "high",
        "metadata": {"strategy": "btc-5m"},
    }

    response = await client.post("/chat", json=native_body(**body))

    assert response.status_code == 200
    ask = gateway.asked[0]
    assert ask.request.parameters == {"temperature": 0.2, "max_tokens": 800, "tools": [tool]}
    assert (ask.agent_id, ask.model, ask.policy) == (7, "task:quick_decision", PolicyName.LATENCY_AWARE)
    assert (ask.fallbacks, ask.allow_failover, ask.max_retries) == (("anthropic/claude-sonnet-4-5",), False, 0)
    assert (ask.priority, ask.metadata) == (Priority.HIGH, {"strategy": "btc-5m"})


async def test_a_named_model_is_stronger_than_the_task(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    await client.post("/chat", json=native_body(model="alpha/alpha-1", task_type="quick_decision"))

    assert gateway.asked[0].model == "alpha/alpha-1"


async def test_the_body_is_the_nearer_word_and_the_earlier_deadline_counts(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    headers = {"x-outcry-agent": "1", "x-outcry-policy": "cost", "x-outcry-deadline-ms": "500"}

    await client.post("/chat", json=native_body(agent_id=2, policy="priority", deadline_ms=90_000), headers=headers)
    await client.post("/chat", json=native_body(), headers=headers)

    near, far = gateway.asked
    assert (near.agent_id, near.policy) == (2, PolicyName.PRIORITY)
    assert (far.agent_id, far.policy) == (1, PolicyName.COST_AWARE)
    assert abs(near.deadline - far.deadline) < 5


@pytest.mark.parametrize(("body", "hedge"), [({"hedge": False}, False), ({"hedge": None}, True), ({}, True)])
async def test_the_body_is_the_nearer_word_about_hedging(
    client: httpx.AsyncClient, gateway: FakeGateway, body: dict[str, Any], hedge: bool
) -> None:
    await client.post("/chat", json=native_body(**body), headers={"x-outcry-hedge": "on"})

    assert gateway.asked[0].hedge is hedge


@pytest.mark.parametrize(
    ("said", "header", "mode"),
    [
        (None, None, None),
        ("read", None, CacheMode.READ),
        (None, "write", CacheMode.WRITE),
        ("read-write", "read", CacheMode.READ_WRITE),
        ("read-write", "off", CacheMode.OFF),
        ("off", "read", CacheMode.OFF),
    ],
)
async def test_the_body_has_the_word_on_the_cache_unless_the_header_forbids_it(
    client: httpx.AsyncClient, gateway: FakeGateway, said: str | None, header: str | None, mode: CacheMode | None
) -> None:
    headers = {} if header is None else {"x-outcry-cache": header}

    await client.post("/chat", json=native_body(cache=said), headers=headers)

    assert gateway.asked[0].cache is mode


async def test_the_answer_says_what_the_cache_had_to_do_with_it(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    gateway.cache = CacheNote(CacheStatus.HIT, 12.3456)

    response = await client.post("/chat", json=native_body())

    assert response.json()["cache"] == {"status": "hit", "age_s": 12.346}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["messages"]),
        (native_body(messages=[]), ["messages"]),
        (native_body(messages="hi"), ["messages"]),
        (native_body(temprature=1), ["temprature"]),
        (native_body(api_key="sk-1"), ["api_key"]),
        (native_body(base_url="http://x"), ["base_url"]),
        (native_body(temperature="0.2"), ["temperature"]),
        (native_body(temperature=3), ["temperature"]),
        (native_body(stream=1), ["stream"]),
        (native_body(hedge="on"), ["hedge"]),
        (native_body(deadline_ms=0), ["deadline_ms"]),
        (native_body(agent_id="7"), ["agent_id"]),
        (native_body(agent_id=True), ["agent_id"]),
        (native_body(policy="cheapest"), ["policy"]),
        (native_body(priority="urgent"), ["priority"]),
        (native_body(cache="always"), ["cache"]),
        (native_body(task_type="a b"), ["task_type"]),
        (native_body(fallbacks=["a", 1]), ["fallbacks[1]"]),
        (native_body(max_retries=-1), ["max_retries"]),
        (native_body(metadata=[]), ["metadata"]),
        (native_body(tools=["get_price"]), ["tools[0]"]),
        (native_body(tools=[{"type": "function", "function": {"name": ""}}]), ["tools[0].function.name"]),
        (native_body(response_format={"type": "yaml"}), ["response_format.type"]),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 1}]}], "max_tokens": 0, "odd": 1},
            ["max_tokens", "messages[0].content[0].text", "odd"],
        ),
    ],
)
async def test_every_wrong_field_is_named_at_once(
    client: httpx.AsyncClient, gateway: FakeGateway, body: dict[str, Any], fields: list[str]
) -> None:
    error = error_of(await client.post("/chat", json=body), 422, "caller_invalid_field")

    assert sorted(wrong["field"] for wrong in error["errors"]) == fields
    assert all(wrong["message"] for wrong in error["errors"])
    assert not gateway.asked


@pytest.mark.parametrize("raw", [b"", b"{", b'{"messages": [NaN]}', b'{"a": "\\u0000"}', b'{"a": 1, "a": 2}'])
async def test_an_unreadable_body_is_a_400(client: httpx.AsyncClient, raw: bytes) -> None:
    error_of(await client.post("/chat", content=raw), 400, "caller_invalid_json")


async def test_an_escaped_backslash_is_no_zero_character(client: httpx.AsyncClient) -> None:
    body = b'{"messages": [{"role": "user", "content": "\\\\u0000"}]}'

    assert (await client.post("/chat", content=body)).status_code == 200
