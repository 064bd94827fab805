"""Anthropic's wire over both dialects: the same story whoever answers, and the provider's own words where they fit."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Status, Stream, Tokens, ToolCall
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.speaking import HELLO, PATIENT, Event, error_of, provider, streamed
from tests.upstream import Upstream

V1 = "/v1/messages"
PRICE = ToolCall("get_price", '{"symbol": "BTC/USDT", "venue": "binance"}', id="toolu_42")
TOOLS = [{"name": "get_price", "description": "the last price", "input_schema": {"type": "object"}}]
SEARCH = {"type": "web_search_20260209", "name": "web_search"}


@dataclass(frozen=True)
class Wire:
    """A provider in one dialect behind the gateway."""

    upstream: Upstream
    client: httpx.Client
    model: str

    def ask(self, **more: Any) -> httpx.Response:
        return self.client.post(V1, json={"model": self.model, "max_tokens": 50, "messages": HELLO, **more})

    def stream(self, **more: Any) -> list[Event]:
        return streamed(self.client, V1, {"model": self.model, "max_tokens": 50, "messages": HELLO, **more})

    @property
    def sent(self) -> dict[str, Any]:
        """What the provider got last."""
        body = self.upstream.requests[-1].body
        assert body is not None
        return body


@pytest.fixture(scope="module")
def wires(start_once: StartService, upstream_once: StartUpstream) -> dict[str, Wire]:
    alpha = upstream_once()
    claude = upstream_once(dialect="anthropic", models=("claude-sonnet-4-5",))
    gateway = start_once(
        providers=[
            provider("alpha", alpha),
            provider("claude", claude, provider_type="anthropic", models=["claude-sonnet-4-5"]),
        ],
        env=PATIENT,
    )
    return {
        "openai": Wire(alpha, gateway.client, "alpha/alpha-1"),
        "anthropic": Wire(claude, gateway.client, "claude/claude-sonnet-4-5"),
    }


@pytest.fixture(params=["openai", "anthropic"])
def wire(wires: dict[str, Wire], request: pytest.FixtureRequest) -> Wire:
    for one in wires.values():
        one.upstream.behave(Answer())
        one.upstream.forget()
    return wires[request.param]


def told(events: list[Event]) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    """A stream's text, its calls, and its last word."""
    blocks: list[dict[str, Any]] = []
    last: dict[str, Any] = {}
    for event in events:
        assert event.name == event.data["type"]
        match event.name:
            case "content_block_start":
                blocks.append({**event.data["content_block"], "said": ""})
            case "content_block_delta":
                delta = event.data["delta"]
                blocks[event.data["index"]]["said"] += delta.get("text") or delta.get("partial_json") or ""
            case "message_delta":
                last = event.data
    text = "".join(block["said"] for block in blocks if block["type"] == "text")
    return text, [block for block in blocks if block["type"] == "tool_use"], last


def test_an_answer_is_a_message(wire: Wire) -> None:
    wire.upstream.behave(Answer("buy the dip", usage=Tokens(12, 3)))

    response = wire.ask(system="be brief", stop_sequences=["END"])

    message = response.json()
    assert (message["type"], message["role"], message["stop_reason"]) == ("message", "assistant", "end_turn")
    assert [block["text"] for block in message["content"]] == ["buy the dip"]
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (12, 3)
    assert response.headers["request-id"] == response.headers["x-request-id"]
    assert f"{response.headers['x-outcry-provider']}/{response.headers['x-outcry-model']}" == wire.model
    assert "be brief" in json.dumps(wire.sent)
    assert wire.sent.get("stop_sequences", wire.sent.get("stop")) == ["END"]


def test_a_stream_is_the_same_message_in_pieces(wire: Wire) -> None:
    wire.upstream.behave(Stream(words=("buy", " the", " dip"), usage=Tokens(12, 3)))

    events = wire.stream()

    text, _, last = told(events)
    assert (text, last["delta"]["stop_reason"], last["usage"]["output_tokens"]) == ("buy the dip", "end_turn", 3)
    assert (events[0].name, events[-1].name) == ("message_start", "message_stop")
    assert [event.name for event in events].count("content_block_delta") == 3


def test_a_tool_is_called_whole_and_in_pieces(wire: Wire) -> None:
    wire.upstream.behave(Answer(text="", tool_calls=(PRICE,)))
    whole = wire.ask(tools=TOOLS).json()
    wire.upstream.behave(Stream(words=("I", " ask"), tool_calls=(PRICE,)))
    text, calls, last = told(wire.stream(tools=TOOLS))

    expected = json.loads(PRICE.arguments)
    assert [(b["type"], b["id"], b["name"], b["input"]) for b in whole["content"]] == [
        ("tool_use", "toolu_42", "get_price", expected)
    ]
    assert [(c["id"], c["name"], json.loads(c["said"])) for c in calls] == [("toolu_42", "get_price", expected)]
    assert (text, whole["stop_reason"], last["delta"]["stop_reason"]) == ("I ask", "tool_use", "tool_use")
    assert "get_price" in json.dumps(wire.sent["tools"])


def test_a_result_reaches_the_provider(wire: Wire) -> None:
    call = {"type": "tool_use", "id": "toolu_42", "name": "get_price", "input": {"symbol": "BTC"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_42", "content": "64231.5"}
    turns = [*HELLO, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]

    assert wire.ask(messages=turns, tools=TOOLS).status_code == 200

    sent = json.dumps(wire.sent)
    assert "64231.5" in sent
    assert "toolu_42" in sent


def test_only_the_providers_own_key_goes_upstream(wire: Wire) -> None:
    wire.client.post(
        V1,
        json={"model": wire.model, "max_tokens": 5, "messages": HELLO},
        headers={"x-api-key": "the-callers-0123456789", "authorization": "Bearer the-callers-0123456789"},
    )

    request = wire.upstream.requests[-1]
    assert request.key == f"sk-{wire.model.partition('/')[0]}-0123456789abcdef"
    assert "the-callers" not in json.dumps([request.headers, request.body])


def test_a_providers_own_400_is_passed_on_with_its_message(wire: Wire) -> None:
    wire.upstream.behave(Status(400, message="that is too much"))

    response = wire.ask()

    error = error_of(response, 400, "caller_invalid_request")
    assert (response.json()["type"], error["type"], error["message"]) == (
        "error",
        "invalid_request_error",
        "that is too much",
    )


def test_a_stream_that_breaks_ends_in_an_error_event(wire: Wire) -> None:
    wire.upstream.behave(Stream(cut_after=2))

    events = wire.stream()

    assert told(events[:-1])[0] == "hello from"
    assert events[-1].name == "error"
    assert events[-1].data["type"] == "error"
    assert events[-1].data["error"]["code"] == "provider_stream_truncated"


def test_what_anthropic_alone_knows_goes_on_in_its_own_words(wires: dict[str, Wire]) -> None:
    wire = wires["anthropic"]
    wire.upstream.behave(Answer())
    headers = {"anthropic-beta": "some-beta-1", "anthropic-version": "2026-10-21"}
    body = {"max_tokens": 5, "messages": HELLO, "tools": [SEARCH], "a_field_of_tomorrow": {"x": 1}}

    response = wire.client.post(V1, json={"model": wire.model, **body}, headers=headers)

    assert response.json()["id"] == "msg_upstream"
    assert wire.sent == {"model": "claude-sonnet-4-5", **body}
    seen = wire.upstream.requests[-1].headers
    assert (seen["anthropic-beta"], seen["anthropic-version"]) == ("some-beta-1", "2026-10-21")


def test_a_tool_of_anthropics_own_is_refused_where_no_such_target_is_left(wires: dict[str, Wire]) -> None:
    wire = wires["openai"]
    wire.upstream.forget()

    error = error_of(wire.ask(tools=[SEARCH]), 400, "caller_unsupported_parameter")

    assert error["param"] == "tools[0]"
    assert wire.upstream.calls == 0


def test_a_message_falls_over_to_another_dialect(wires: dict[str, Wire]) -> None:
    wires["anthropic"].upstream.behave(Status(529))
    wires["openai"].upstream.behave(Answer("alpha stands in"))

    response = wires["anthropic"].ask(models=[wires["openai"].model])

    assert response.json()["content"][0]["text"] == "alpha stands in"
    assert response.headers["x-outcry-fallback"] == "true"


def test_tokens_are_counted_by_whom_it_is_free(wires: dict[str, Wire]) -> None:
    claude, alpha = wires["anthropic"], wires["openai"]
    claude.upstream.behave(Status(200, body='{"input_tokens": 2095}'))
    alpha.upstream.forget()
    body = {"messages": HELLO, "system": "be brief"}

    counted = claude.client.post(f"{V1}/count_tokens", json={"model": claude.model, **body})
    guessed = alpha.client.post(f"{V1}/count_tokens", json={"model": alpha.model, **body})

    assert counted.json() == {"input_tokens": 2095}
    assert counted.headers["x-outcry-token-source"] == "provider"
    assert claude.upstream.requests[-1].path == "/v1/messages/count_tokens"
    assert claude.sent == {"model": "claude-sonnet-4-5", **body}
    assert guessed.json()["input_tokens"] > 0
    assert guessed.headers["x-outcry-token-source"] in ("tokenizer", "estimate")
    assert alpha.upstream.calls == 0
