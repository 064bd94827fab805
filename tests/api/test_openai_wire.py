"""OpenAI's wire: what is passed on, what is refused and with which path."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.domain.caching import CacheMode, CacheNote, CacheStatus
from app.domain.hindsight import AsOf, AsOfMode
from app.domain.routing import MaxPrice, PolicyName, Preferences, Priority
from app.services import Services
from tests.api.conftest import client_of
from tests.api.speaking import HELLO, V1, error_of, openai_body
from tests.fakes_edge import FakeGateway

CALL = {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "price", "parameters": {"type": "object"}}}


def said(*messages: Any) -> dict[str, Any]:
    """A body with these messages."""
    return openai_body(messages=list(messages))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": HELLO}, "model"),
        (openai_body(model=""), "model"),
        (openai_body(model=7), "model"),
        ({"model": "auto"}, "messages"),
        (openai_body(messages="hi"), "messages"),
        (openai_body(messages=[]), "messages"),
        (openai_body(messages=HELLO * 1_025), "messages"),
        (said("hi"), "messages[0]"),
        (said({"role": "robot", "content": "x"}), "messages[0].role"),
        (said({"role": ["user"], "content": "x"}), "messages[0].role"),
        (said({"role": "user"}), "messages[0].content"),
        (said({"role": "user", "content": 5}), "messages[0].content"),
        (said({"role": "user", "content": []}), "messages[0].content"),
        (said(HELLO[0], {"role": "user", "content": [{"type": "text", "text": 5}]}), "messages[1].content[0].text"),
        (said({"role": "user", "content": [{"type": 5}]}), "messages[0].content[0].type"),
        (
            said({"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]}),
            "messages[0].content[0].image_url.url",
        ),
        (said({"role": "assistant", "tool_calls": [{"id": 1}]}), "messages[0].tool_calls[0].id"),
        (
            said({"role": "assistant", "tool_calls": [CALL | {"function": {"name": "p", "arguments": {}}}]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (said({"role": "tool", "content": "1"}), "messages[0].tool_call_id"),
        (openai_body(temperature="hot"), "temperature"),
        (openai_body(temperature=2.1), "temperature"),
        (openai_body(temperature=True), "temperature"),
        (openai_body(max_tokens=0), "max_tokens"),
        (openai_body(max_tokens=1.5), "max_tokens"),
        (openai_body(n=0), "n"),
        (openai_body(stream="yes"), "stream"),
        (openai_body(stream_options=[]), "stream_options"),
        (openai_body(stream_options={"include_usage": "yes"}), "stream_options.include_usage"),
        (openai_body(stop=[1]), "stop"),
        (openai_body(tools=[TOOL] * 129), "tools"),
        (openai_body(tools=[{"type": "function"}]), "tools[0].function"),
        (openai_body(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools[0].function.name"),
        (openai_body(response_format={"type": "yaml"}), "response_format.type"),
        (
            openai_body(response_format={"type": "json_schema", "json_schema": {"name": "v", "schema": 1}}),
            "response_format.json_schema.schema",
        ),
        (openai_body(api_key="sk-1"), "api_key"),
        (openai_body(base_url="http://127.0.0.1"), "base_url"),
        (openai_body(api_base=None), "api_base"),
        (openai_body(models=[]), "models"),
        (openai_body(models=["a", 1]), "models[1]"),
        (openai_body(provider="alpha"), "provider"),
        (openai_body(provider={"orders": []}), "provider.orders"),
        (openai_body(provider={"allow_fallbacks": 1}), "provider.allow_fallbacks"),
        (openai_body(provider={"order": "alpha"}), "provider.order"),
        (openai_body(provider={"only": ["alpha", 1]}), "provider.only[1]"),
        (openai_body(provider={"ignore": [""]}), "provider.ignore[0]"),
        (openai_body(provider={"sort": "best"}), "provider.sort"),
        (openai_body(provider={"sort": {}}), "provider.sort"),
        (openai_body(provider={"max_price": 1}), "provider.max_price"),
        (openai_body(provider={"max_price": {"prompt": -1}}), "provider.max_price.prompt"),
        (openai_body(provider={"max_price": {"completion": "1e9"}}), "provider.max_price.completion"),
        (openai_body(provider={"max_price": {"prompt": "many"}}), "provider.max_price.prompt"),
        (openai_body(provider={"max_price": {"prompt": True}}), "provider.max_price.prompt"),
        (openai_body(provider={"max_price": {"words": 1}}), "provider.max_price.words"),
        (openai_body(provider={"require_parameters": "yes"}), "provider.require_parameters"),
    ],
)
async def test_a_wrong_body_is_a_400_that_names_the_place(
    client: httpx.AsyncClient, gateway: FakeGateway, body: dict[str, Any], param: str
) -> None:
    error = error_of(await client.post(V1, json=body), 400, "caller_invalid_request")

    assert error["param"] == param
    assert not gateway.asked


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "caller_invalid_json"),
        (b"hello", "caller_invalid_json"),
        (b'{"model": NaN}', "caller_invalid_json"),
        (b'{"model": "a", "model": "b"}', "caller_invalid_json"),
        (b"[]", "caller_invalid_request"),
        (b"null", "caller_invalid_request"),
        (b"7", "caller_invalid_request"),
    ],
)
async def test_a_body_that_is_no_object_is_a_400(client: httpx.AsyncClient, raw: bytes, code: str) -> None:
    error_of(await client.post(V1, content=raw), 400, code)


@pytest.mark.parametrize(
    ("extra", "param"),
    [({"sort": "throughput"}, "provider.sort"), ({"max_price": {"request": 1}}, "provider.max_price.request")],
)
async def test_an_extra_that_would_be_ignored_is_refused(
    client: httpx.AsyncClient, extra: dict[str, Any], param: str
) -> None:
    error = error_of(await client.post(V1, json=openai_body(provider=extra)), 400, "caller_unsupported_parameter")

    assert error["param"] == param


async def test_what_a_caller_wants_of_providers_reaches_routing(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    wanted = {
        "order": ["beta", "alpha"],
        "only": ["alpha", "beta"],
        "ignore": ["gamma"],
        "sort": "price",
        "max_price": {"prompt": 0.15, "completion": "2.5"},
        "require_parameters": True,
        "allow_fallbacks": False,
    }

    await client.post(V1, json=openai_body(provider=wanted))
    await client.post(V1, json=openai_body(provider={}))

    full, empty = gateway.asked
    assert full.preferences == Preferences(
        ("beta", "alpha"),
        ("alpha", "beta"),
        ("gamma",),
        PolicyName.COST_AWARE,
        MaxPrice(Decimal("0.15"), Decimal("2.5")),
        require_parameters=True,
        allow_fallbacks=False,
    )
    # An order that is closed is still an order: its second may answer for its first.
    assert full.allow_failover
    assert empty.preferences is None


async def test_parameters_go_through_known_or_not_and_what_is_ours_does_not(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    ours = {"model": "a", "models": ["b", "a"], "provider": {"allow_fallbacks": False}, "stream_options": {}}
    theirs = {"temperature": 0.2, "tools": [TOOL], "seed": 7, "frobnicate": {"deep": [1]}, "n": 2}

    await client.post(V1, json={"messages": HELLO, "top_p": None, "stream": False, **ours, **theirs})

    ask = gateway.asked[0]
    assert ask.request.parameters == theirs
    assert list(ask.request.messages) == HELLO
    assert (ask.model, ask.fallbacks, ask.allow_failover) == ("a", ("b",), False)
    assert ask.route == "chat_completions"


async def test_messages_arrive_as_they_were_sent(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "input_audio", "input_audio": {}}]},
        {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "hm", "odd": 1},
        {"role": "tool", "tool_call_id": "call_1", "content": "64231.5"},
    ]

    response = await client.post(V1, json=openai_body(messages=messages))

    assert response.status_code == 200
    assert list(gateway.asked[0].request.messages) == messages


async def test_the_headers_of_intent_reach_the_ask(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    headers = {
        "x-outcry-agent": "7",
        "x-outcry-policy": "latency",
        "x-outcry-deadline-ms": "1500",
        "x-outcry-priority": "high",
        "x-outcry-hedge": "on",
        "x-outcry-cache": "off",
        "x-outcry-replay": "off",
        "x-outcry-run": "run-1",
        "x-outcry-as-of": "2026-11-20T14:15:00Z",
        "x-outcry-as-of-mode": "filter",
    }

    response = await client.post(V1, json=openai_body(), headers=headers)

    ask = gateway.asked[0]
    assert (ask.agent_id, ask.policy, ask.priority) == (7, PolicyName.LATENCY_AWARE, Priority.HIGH)
    assert response.status_code == 200
    assert ask.as_of == AsOf(datetime(2026, 11, 20, 14, 15, tzinfo=UTC), AsOfMode.FILTER)
    assert ask.hedge is True


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("x-outcry-agent", "seven"),
        ("x-outcry-agent", "0"),
        ("x-outcry-agent", "-1"),
        ("x-outcry-agent", "99999999999"),
        ("x-outcry-policy", "cheapest"),
        ("x-outcry-deadline-ms", "1.5"),
        ("x-outcry-deadline-ms", ""),
        ("x-outcry-priority", "urgent"),
        ("x-outcry-cache", "maybe"),
        ("x-outcry-hedge", "true"),
        ("x-outcry-replay", "yes"),
        ("x-outcry-run", "a b"),
        ("x-outcry-conversation", "x" * 129),
        ("x-outcry-as-of", "yesterday"),
        ("x-outcry-as-of", "2026-11-20T14:15:00"),
        ("x-outcry-as-of", "0001-01-01T00:00:00+14:00"),
        ("x-outcry-as-of-mode", "drop"),
        ("x-outcry-hop", "1"),
    ],
)
@pytest.mark.parametrize("path", [V1, "/chat", "/decisions"])
async def test_a_malformed_header_is_a_400_that_names_it(
    client: httpx.AsyncClient, path: str, header: str, value: str
) -> None:
    error = error_of(await client.post(path, json=openai_body(), headers={header: value}), 400, "caller_invalid_header")

    assert error["param"] == header


@pytest.mark.parametrize(
    ("path", "header", "value"),
    [("/v1/embeddings", "x-outcry-replay", "record"), ("/v1/embeddings", "x-outcry-cache", "read")],
)
async def test_a_header_that_would_be_ignored_is_refused(
    client: httpx.AsyncClient, path: str, header: str, value: str
) -> None:
    body = openai_body() if path == V1 else {"model": "embed-1", "input": "up"}

    headers = {"x-outcry-run": "r", header: value}
    error = error_of(await client.post(path, json=body, headers=headers), 400, "caller_unsupported_parameter")

    assert error["param"] == header


@pytest.mark.parametrize(
    ("headers", "mode"),
    [
        ({}, None),
        ({"x-outcry-cache": "off"}, CacheMode.OFF),
        ({"x-outcry-cache": "read-write"}, CacheMode.READ_WRITE),
        ({"cache-control": "max-age=0, No-Store"}, CacheMode.OFF),
        ({"cache-control": "no-cache", "x-outcry-cache": "write"}, CacheMode.WRITE),
        ({"cache-control": "no-cache", "x-outcry-priority": "high"}, CacheMode.OFF),
        ({"cache-control": "max-age=0"}, None),
    ],
)
async def test_headers_say_what_the_cache_may_do(
    client: httpx.AsyncClient, gateway: FakeGateway, headers: dict[str, str], mode: CacheMode | None
) -> None:
    await client.post(V1, json=openai_body(), headers=headers)

    assert gateway.asked[0].cache is mode


@pytest.mark.parametrize("stream", [False, True])
async def test_a_free_answer_is_labelled_and_counts_no_attempt(
    client: httpx.AsyncClient, gateway: FakeGateway, stream: bool
) -> None:
    gateway.cache, gateway.attempts = CacheNote(CacheStatus.HIT, 12.3), ()

    response = await client.post(V1, json=openai_body(stream=stream))

    assert (response.headers["x-outcry-cache"], response.headers["x-outcry-attempts"]) == ("hit; age=12", "0")


async def test_without_the_cache_no_header_speaks_of_it(client: httpx.AsyncClient) -> None:
    assert "x-outcry-cache" not in (await client.post(V1, json=openai_body())).headers


@pytest.mark.parametrize(("wanted", "seconds"), [(None, 60.0), ("1500", 1.5), ("900000", 120.0)])
async def test_the_deadline_is_the_callers_within_the_cap(
    services: Services, gateway: FakeGateway, wanted: str | None, seconds: float
) -> None:
    headers = {"x-outcry-deadline-ms": wanted} if wanted else {}
    frozen = services.__class__(**{f: getattr(services, f) for f in services.__slots__} | {"now": lambda: 1_000.0})

    async with client_of(frozen) as client:
        await client.post(V1, json=openai_body(), headers=headers)

    assert gateway.asked[0].deadline == 1_000.0 + seconds


async def test_the_answer_is_the_providers_with_our_headers(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.warnings = ("unknown window: alpha/alpha-1", "naïve")

    response = await client.post(V1, json=openai_body())

    assert response.json()["object"] == "chat.completion"
    assert "routing" not in response.json()
    assert response.headers["x-outcry-provider"] == "alpha"
    assert response.headers["x-outcry-attempts"] == "1"
    assert response.headers["x-outcry-fallback"] == "false"
    assert response.headers["x-outcry-cost-usd"] == "0.000123"
    assert float(response.headers["x-outcry-overhead-ms"]) == 1.0
    assert response.headers["x-outcry-warnings"] == "unknown window: alpha/alpha-1; na?ve"


async def test_a_body_too_large_is_a_413(client: httpx.AsyncClient) -> None:
    large = b'{"model": "' + b"x" * (10 * 1024 * 1024) + b'"}'

    async def in_pieces() -> Any:
        for start in range(0, len(large), 65_536):
            yield large[start : start + 65_536]

    error_of(await client.post(V1, content=large), 413, "caller_too_large")
    error_of(await client.post(V1, content=in_pieces()), 413, "caller_too_large")
    error_of(await client.post("/chat", content=large[: 1024 * 1024 + 1]), 413, "caller_too_large")


async def test_a_large_body_within_the_limit_is_read(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    text = "price: 1, " * 900_000

    response = await client.post(V1, json=said({"role": "user", "content": text}))

    assert response.status_code == 200
    assert gateway.asked[0].request.messages[0]["content"] == text


async def test_a_compressed_body_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(V1, content=b"\x1f\x8b", headers={"content-encoding": "gzip"})

    error_of(response, 400, "caller_invalid_header")
