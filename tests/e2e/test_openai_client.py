"""The unmodified OpenAI client works by its base URL alone, over both dialects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest

from tests.behaviours import Answer, Status, Stream, Tokens, ToolCall
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.speaking import PATIENT, provider
from tests.upstream import Upstream

PRICE = ToolCall("get_price", '{"symbol": "BTC/USDT", "venue": "binance"}', id="call_42")
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "get_price",
            "description": "the last price",
            "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}},
        },
    }
]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


@dataclass(frozen=True)
class Wire:
    """A provider in one dialect behind a gateway, and the client that speaks to it."""

    upstream: Upstream
    client: openai.OpenAI
    model: str


@pytest.fixture(scope="module")
def wires(start_once: StartService, upstream_once: StartUpstream) -> Iterator[dict[str, Wire]]:
    alpha = upstream_once()
    claude = upstream_once(dialect="anthropic", models=("claude-sonnet-4-5",))
    gateway = start_once(
        providers=[
            provider("alpha", alpha),
            provider("claude", claude, provider_type="anthropic", models=["claude-sonnet-4-5"]),
        ],
        env=PATIENT,
    )
    with openai.OpenAI(base_url=f"{gateway.base_url}/v1", api_key="none-needed", max_retries=0) as client:
        yield {
            "openai": Wire(alpha, client, "alpha/alpha-1"),
            "anthropic": Wire(claude, client, "claude/claude-sonnet-4-5"),
        }


@pytest.fixture(params=["openai", "anthropic"])
def wire(wires: dict[str, Wire], request: pytest.FixtureRequest) -> Wire:
    chosen = wires[request.param]
    chosen.upstream.behave(Answer())
    chosen.upstream.forget()
    return chosen


def test_a_completion_has_content_finish_reason_and_usage(wire: Wire) -> None:
    wire.upstream.behave(Answer("buy the dip", usage=Tokens(12, 3)))

    completion = wire.client.chat.completions.create(model=wire.model, messages=HELLO, max_tokens=50)

    assert completion.object == "chat.completion"
    assert completion.choices[0].message.content == "buy the dip"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (12, 3)
    assert completion.usage.total_tokens == 15


def test_a_stream_arrives_in_pieces_and_ends_with_its_usage(wire: Wire) -> None:
    wire.upstream.behave(Stream(words=("buy", " the", " dip"), usage=Tokens(12, 3)))

    chunks = list(
        wire.client.chat.completions.create(
            model=wire.model, messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
    )

    said = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert said == ["buy", " the", " dip"]
    finishes = [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason]
    assert finishes == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 15
    assert len({c.id for c in chunks}) == 1


def test_usage_is_in_a_stream_only_when_it_was_asked_for(wire: Wire) -> None:
    wire.upstream.behave(Stream())

    chunks = list(wire.client.chat.completions.create(model=wire.model, messages=HELLO, stream=True))

    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_a_tool_call_comes_back_whole(wire: Wire) -> None:
    wire.upstream.behave(Answer(text="", tool_calls=(PRICE,)))

    choice = wire.client.chat.completions.create(model=wire.model, messages=HELLO, tools=TOOLS).choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert (call.id, call.function.name) == ("call_42", "get_price")
    assert json.loads(call.function.arguments) == json.loads(PRICE.arguments)
    sent = wire.upstream.requests[-1].body
    assert sent is not None
    assert "get_price" in json.dumps(sent["tools"])


def test_a_streamed_tool_calls_deltas_add_up_to_the_arguments(wire: Wire) -> None:
    wire.upstream.behave(Stream(words=(), tool_calls=(PRICE,)))

    chunks = list(wire.client.chat.completions.create(model=wire.model, messages=HELLO, tools=TOOLS, stream=True))

    deltas = [d for c in chunks if c.choices for d in c.choices[0].delta.tool_calls or []]
    assert {delta.index for delta in deltas} == {0}
    assert [delta.id for delta in deltas if delta.id] == ["call_42"]
    assert [delta.function.name for delta in deltas if delta.function and delta.function.name] == ["get_price"]
    arguments = "".join(delta.function.arguments or "" for delta in deltas if delta.function)
    assert json.loads(arguments) == json.loads(PRICE.arguments)
    assert [c.choices[0].finish_reason for c in chunks if c.choices and c.choices[0].finish_reason] == ["tool_calls"]


def test_a_tool_result_reaches_the_provider(wire: Wire) -> None:
    call = {"id": "call_42", "type": "function", "function": {"name": "get_price", "arguments": '{"symbol": "BTC"}'}}
    messages: list[Any] = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_42", "content": "64231.5"},
    ]

    wire.client.chat.completions.create(model=wire.model, messages=messages, tools=TOOLS)

    sent = json.dumps(wire.upstream.requests[-1].body)
    assert "64231.5" in sent
    assert "call_42" in sent


def test_json_mode_comes_back_as_bare_json(wire: Wire) -> None:
    wire.upstream.behave(Answer('{"action": "HOLD"}'))

    completion = wire.client.chat.completions.create(
        model=wire.model, messages=HELLO, response_format={"type": "json_object"}
    )

    assert json.loads(completion.choices[0].message.content or "") == {"action": "HOLD"}


def test_a_json_schema_reaches_the_provider(wire: Wire) -> None:
    schema: Any = {"type": "object", "properties": {"action": {"type": "string"}}, "required": ["action"]}
    wire.upstream.behave(Answer('{"action": "HOLD"}'))

    wire.client.chat.completions.create(
        model=wire.model,
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "vote", "schema": schema, "strict": True}},
    )

    sent = json.dumps(wire.upstream.requests[-1].body)
    assert '"required": ["action"]' in sent
    assert '"action": {"type": "string"}' in sent


def test_only_the_providers_own_key_goes_upstream(wire: Wire) -> None:
    wire.client.chat.completions.create(model=wire.model, messages=HELLO)

    request = wire.upstream.requests[-1]
    assert request.key == f"sk-{wire.model.partition('/')[0]}-0123456789abcdef"
    assert "none-needed" not in json.dumps([request.headers, request.body])


def test_an_answer_cut_short_by_length_says_so(wire: Wire) -> None:
    wire.upstream.behave(Answer("buy the", finish_reason="length"))

    completion = wire.client.chat.completions.create(model=wire.model, messages=HELLO, max_tokens=2)

    assert completion.choices[0].finish_reason == "length"


def test_an_answer_says_who_gave_it(wire: Wire) -> None:
    answer = wire.client.chat.completions.with_raw_response.create(model=wire.model, messages=HELLO)

    headers = answer.headers
    assert f"{headers['x-outcry-provider']}/{headers['x-outcry-model']}" == wire.model
    assert headers["x-outcry-attempts"] == "1"
    assert headers["x-outcry-fallback"] == "false"
    assert float(headers["x-outcry-overhead-ms"]) >= 0
    assert headers["x-request-id"]


def test_unknown_parameters_go_through_to_the_same_dialect(wires: dict[str, Wire]) -> None:
    wire = wires["openai"]
    wire.upstream.behave(Answer())

    wire.client.chat.completions.create(
        model=wire.model, messages=HELLO, seed=7, extra_body={"a_field_of_tomorrow": {"x": 1}}
    )

    sent = wire.upstream.requests[-1].body
    assert sent is not None
    assert sent["seed"] == 7
    assert sent["a_field_of_tomorrow"] == {"x": 1}
    assert sent["model"] == "alpha-1"


def test_every_model_that_may_be_asked_for_is_listed(wires: dict[str, Wire]) -> None:
    client = wires["openai"].client

    listed = {model.id for model in client.models.list()}

    assert {"alpha/alpha-1", "alpha-1", "claude/claude-sonnet-4-5", "claude-sonnet-4-5", "auto"} <= listed
    assert any(name.startswith("auto:") for name in listed)
    assert not any("sandbox" in name for name in listed)
    assert client.models.retrieve("alpha-1").id == "alpha-1"
    assert client.models.retrieve("alpha/alpha-1").object == "model"


def test_an_unknown_model_is_a_404_that_names_the_closest(wires: dict[str, Wire]) -> None:
    client = wires["openai"].client

    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="alpha-l", messages=HELLO)

    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "alpha-1" in caught.value.message
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody-serves-this")


def test_a_providers_own_400_is_passed_on_with_its_message(wire: Wire) -> None:
    wire.upstream.behave(Status(400, message="temperature is out of range"))

    with pytest.raises(openai.BadRequestError, match="temperature is out of range"):
        wire.client.chat.completions.create(model=wire.model, messages=HELLO, temperature=1.0)

    assert wire.upstream.calls == 1


def test_a_stream_that_breaks_after_content_raises_in_the_client(wire: Wire) -> None:
    wire.upstream.behave(Stream(cut_after=2))
    said: list[str] = []
    stream = wire.client.chat.completions.create(model=wire.model, messages=HELLO, stream=True)

    with pytest.raises(openai.APIError) as caught:
        said.extend(c.delta.content or "" for chunk in stream for c in chunk.choices)

    assert "".join(said) == "hello from"
    assert caught.value.code == "provider_stream_truncated"
