"""Bad input is a typed error that names what is wrong, on every surface, and never a 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import StartService
from tests.e2e.markets import market
from tests.e2e.speaking import HELLO, error_of

CHAT = {"messages": HELLO}
WIRE = {"model": "auto", "messages": HELLO}
DECISION = {"symbol": "BTC/USDT", "market": market()}
NATIVE = ["/chat", "/decisions", "/agents"]
EVERY = ["/v1/chat/completions", *NATIVE]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def client(start_once: StartService) -> httpx.Client:
    return start_once().client


@pytest.fixture(autouse=True)
def _still_well(client: httpx.Client) -> Iterator[None]:
    yield
    assert client.post("/chat", json=CHAT).status_code == 200


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"messages": [NaN]}',
        b'{"messages": [], "x": Infinity}',
        b'{"messages": [], "x": 1e999}',
        b'{"a": 1, "a": 2}',
        b'{"messages": "\\ud800"}',
        b"\xff\xfe{\x00}\x00",
        b"[" * 100 + b"]" * 100,
        b'{"a":' * 70 + b"1" + b"}" * 70,
        b"[1, 2]",
        b'"text"',
        b"null",
    ],
    ids=lambda body: body[:24].decode("latin-1") or "empty",
)
def test_a_body_that_is_no_json_object_is_a_400_that_says_so(client: httpx.Client, path: str, body: bytes) -> None:
    response = client.post(path, content=body, headers=JSON)

    error = response.json()["error"]
    assert response.status_code == 400, response.text
    assert error["code"] in {"caller_invalid_json", "caller_invalid_request"}


@pytest.mark.parametrize("path", EVERY)
@pytest.mark.parametrize("chunked", [False, True])
def test_eleven_mebibytes_are_too_large(client: httpx.Client, path: str, chunked: bool) -> None:
    text = json.dumps({"messages": [{"role": "user", "content": "x" * (11 << 20)}]}).encode()

    def parts() -> Iterator[bytes]:
        for start in range(0, len(text), 65_536):
            yield text[start : start + 65_536]

    try:
        response = client.post(path, content=parts() if chunked else text, headers=JSON)
    except (httpx.WriteError, httpx.ReadError):
        return  # cut off while still sending: refused before buffering, all the better
    error_of(response, 413, "caller_too_large")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/chat", {"messages": [{"role": "user", "content": [{"type": "text", "text": {"no": "text"}}]}]}, "messages"),
        ("/chat", {**CHAT, "temperature": "hot"}, "temperature"),
        ("/chat", {**CHAT, "max_tokens": 1.5}, "max_tokens"),
        ("/chat", {**CHAT, "deadline_ms": -1}, "deadline_ms"),
        ("/chat", {**CHAT, "policy": "astrology"}, "policy"),
        ("/chat", {"messages": []}, "messages"),
        ("/chat", {"messages": [{"role": "wizard", "content": "hi"}]}, "messages"),
        ("/chat", {**CHAT, "messages": HELLO * 1025}, "messages"),
        ("/decisions", {**DECISION, "market": market(indicators={"macd": {"hist": "up"}})}, "market.indicators.macd"),
        ("/decisions", {**DECISION, "market": market(series=[{"name": "close", "values": ["x"]}])}, "market.series"),
        ("/decisions", {"market": market()}, "symbol"),
        ("/agents", {"name": {"first": {"second": 3}}}, "name"),
        ("/agents", {}, "name"),
    ],
)
def test_a_wrong_field_is_a_422_that_names_it(client: httpx.Client, path: str, body: Any, field: str) -> None:
    error = error_of(client.post(path, json=body), 422, "caller_invalid_field")

    assert any(violation["field"].startswith(field) for violation in error["errors"]), error
    assert all(violation["message"] for violation in error["errors"])


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": {"no": "text"}}]}]}, "messages"),
        ({"temperature": "hot"}, "temperature"),
        ({"stream": "yes"}, "stream"),
        ({"tools": [{"type": "function"}] * 129}, "tools"),
        ({"model": 7}, "model"),
    ],
)
def test_a_wrong_field_on_the_openai_wire_is_a_400_that_names_it(
    client: httpx.Client, change: dict[str, Any], param: str
) -> None:
    response = client.post("/v1/chat/completions", json={**WIRE, **change})

    error = error_of(response, 400, response.json()["error"]["code"])
    assert param in f"{error['param']} {error['message']}"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-outcry-deadline-ms": "soon"},
        {"x-outcry-agent": "seven"},
        {"x-outcry-policy": "astrology"},
        {"x-outcry-priority": "urgent"},
    ],
)
@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions"])
def test_a_malformed_header_is_a_400_that_names_it(client: httpx.Client, path: str, headers: dict[str, str]) -> None:
    response = client.post(path, json=WIRE if path.startswith("/v1") else CHAT, headers=headers)

    error = error_of(response, 400, "caller_invalid_header")
    assert next(iter(headers)) in f"{error['param']} {error['message']}".lower()


@pytest.mark.parametrize("path", ["/chat", "/v1/chat/completions"])
@pytest.mark.parametrize("model", ["nobody-knows-it", "nobody/knows-it", "sandbox/trendy", "auto:astrology"])
def test_an_unknown_model_or_provider_is_named(client: httpx.Client, path: str, model: str) -> None:
    response = client.post(path, json={"model": model, "messages": HELLO})

    assert response.status_code in {400, 404, 422}
    assert model.partition(":")[2] in response.json()["error"]["message"] or model in response.text


def test_an_unknown_agent_is_named(client: httpx.Client) -> None:
    error = error_of(client.post("/chat", json={**CHAT, "agent_id": 4242}), 404, "caller_unknown_agent")

    assert "4242" in error["message"]


@pytest.mark.parametrize("agent_id", [4242, 2**63])
def test_a_decision_for_an_unknown_agent_is_refused(client: httpx.Client, agent_id: int) -> None:
    question = {"symbol": "BTC/USDT", "prompt": "?", "models": ["sandbox/trend"], "agent_id": agent_id}

    error = error_of(client.post("/decisions", json=question), 404, "caller_unknown_agent")

    assert str(agent_id) in error["message"]


def test_an_unknown_route_and_method_have_the_same_error_shape(client: httpx.Client) -> None:
    error_of(client.get("/no/such/route"), 404, "caller_not_found")
    error_of(client.delete("/chat"), 405, "caller_method_not_allowed")
    error_of(client.get("/v1/chat/completions"), 405, "caller_method_not_allowed")


def test_a_lone_surrogate_deep_inside_is_no_500(client: httpx.Client) -> None:
    body = b'{"model": "auto", "messages": [{"role": "user", "content": "a\\ud83d"}]}'

    assert client.post("/v1/chat/completions", content=body, headers=JSON).status_code == 400


def test_every_route_is_described_with_its_examples(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()

    for path in ("/v1/chat/completions", "/v1/models", "/chat", "/decisions", "/agents", "/usage/summary"):
        assert path in document["paths"], path
