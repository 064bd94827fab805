"""Answers and streams of Anthropic's wire, the provider's own or written from the canonical form."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest

from app.adapters.anthropic import AnthropicCodec
from app.adapters.codec import Codec
from app.adapters.openai import OpenAICodec
from app.api.anthropic_answer import rendered
from app.api.anthropic_stream import AnthropicStream
from app.api.anthropic_wire import request_of
from app.domain.attempt import Completion
from app.domain.chat import ChatChunk
from app.domain.errors import FailureKind, ProviderError
from tests.adapters.streams import chunks_of, told
from tests.api.speaking import events_of
from tests.fakes_edge import PLAN, TARGET, USAGE, FakeGateway, FakeStream, delta_chunk, last_chunk, text_chunk
from tests.golden import golden_bytes, golden_json

ANTHROPIC = AnthropicCodec()
BODY: dict[str, Any] = {"model": "auto", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
SIGNED = {"type": "thinking", "thinking": "hm, up", "signature": "c2ln"}
DEEP = '{"a":' * 300 + "1" + "}" * 300
FOREIGN = {"type": "gemini.thought_signature", "tool_call_id": "a", "signature": "x"}


def a_call(index: int, identity: str = "", arguments: str = "") -> dict[str, Any]:
    named = {"id": identity, "type": "function"} if identity else {}
    return {"index": index, **named, "function": {"name": f"f{identity}", "arguments": arguments}}


def calls(*deltas: dict[str, Any]) -> list[ChatChunk]:
    return [delta_chunk({"tool_calls": [delta]}) for delta in deltas]


def written(chunks: list[ChatChunk], finish: str = "stop") -> list[tuple[str, Any]]:
    """The events of a stream of these chunks."""
    wire, stream = AnthropicStream("req_1"), FakeStream(FakeGateway())
    stream.finish_reason = finish
    return events_of((b"".join(map(wire.chunk, chunks)) + wire.end(stream)).decode())


def message_of(events: list[tuple[str, Any]]) -> dict[str, Any]:
    """The message that these events amount to, put together as Anthropic's clients do."""
    assert [name for name, _ in events] == [event["type"] for _, event in events]
    assert (events[0][0], events[-1][0]) == ("message_start", "message_stop")
    message: dict[str, Any] = events[0][1]["message"]
    parts: dict[int, list[str]] = {}
    ended: set[int] = set()
    for name, event in events[1:-1]:
        if name == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append(event["content_block"])
        elif name == "content_block_delta":
            assert event["index"] not in ended
            block, delta = message["content"][event["index"]], event["delta"]
            match delta["type"]:
                case "text_delta":
                    block["text"] += delta["text"]
                case "thinking_delta":
                    block["thinking"] += delta["thinking"]
                case "signature_delta":
                    block["signature"] = delta["signature"]
                case "input_json_delta":
                    parts.setdefault(event["index"], []).append(delta["partial_json"])
        elif name == "content_block_stop":
            ended.add(event["index"])
            if pieces := parts.get(event["index"]):
                message["content"][event["index"]]["input"] = orjson.loads("".join(pieces))
        else:
            assert name == "message_delta"
            message |= event["delta"]
            message["usage"] |= event["usage"]
    assert ended == set(range(len(message["content"])))
    return message


def completion_of(codec: Codec, name: str) -> Completion:
    response = codec.decode(golden_bytes(f"{name}.json"))
    return Completion(response, TARGET, PLAN, (), 0.1, 0.0, response.usage or USAGE, None)


async def test_a_plain_answer_is_a_message(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/messages", json=BODY)

    message = response.json()
    assert (message["type"], message["role"], message["id"]) == ("message", "assistant", "msg_1")
    assert message["content"] == [{"type": "text", "text": "up", "citations": None}]
    assert (message["stop_reason"], message["stop_sequence"], message["model"]) == ("end_turn", None, "alpha-1")
    assert (message["usage"]["input_tokens"], message["usage"]["output_tokens"]) == (11, 3)
    assert response.headers["request-id"] == response.headers["x-request-id"]
    assert response.headers["x-outcry-provider"] == "alpha"
    assert response.headers["x-outcry-cost-usd"] == "0.000123"


async def test_a_providers_own_message_is_forwarded(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.native = golden_json("anthropic/chat_tool_call.json")

    assert (await client.post("/v1/messages", json=BODY)).json() == gateway.native


@pytest.mark.parametrize(
    "name",
    ["chat_response", "chat_cached_usage", "chat_max_tokens", "chat_thinking_response", "chat_tool_call"],
)
def test_a_message_is_the_same_again_after_translation(name: str) -> None:
    golden = golden_json(f"anthropic/{name}.json")
    message = rendered(completion_of(ANTHROPIC, f"anthropic/{name}"))

    for field in ("id", "type", "role", "model", "stop_reason", "stop_sequence"):
        assert message[field] == golden[field], field
    assert [bare(block) for block in message["content"]] == [bare(block) for block in golden["content"]]
    for count, tokens in message["usage"].items():
        assert (golden["usage"].get(count) or type(tokens)()) == tokens or isinstance(tokens, dict), count


def bare(block: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name not in ("citations", "caller")}


def test_a_refusal_says_why() -> None:
    message = rendered(completion_of(ANTHROPIC, "anthropic/chat_refusal"))
    assert message["stop_reason"] == "refusal"
    assert message["stop_details"]["explanation"] == "Explanation text (unstable)."


def test_what_others_answer_is_a_message_too() -> None:
    message = rendered(completion_of(OpenAICodec(), "openai/chat_tool_call"))
    called = [block for block in message["content"] if block["type"] == "tool_use"]
    assert message["stop_reason"] == "tool_use"
    assert [(block["name"], type(block["input"])) for block in called] == [("get_weather", dict)] * len(called)
    assert called


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (None, {}),
        ("{", {"arguments": "{"}),
        ("[1]", {"arguments": "[1]"}),
        ('{"a":1}', {"a": 1}),
        (DEEP, {"arguments": DEEP}),
    ],
)
async def test_arguments_are_an_object_whatever_the_model_wrote(
    client: httpx.AsyncClient, gateway: FakeGateway, arguments: Any, expected: dict[str, Any]
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    gateway.message = {"role": "assistant", "content": None, "tool_calls": [call]}
    gateway.finish_reason = "tool_calls"

    message = (await client.post("/v1/messages", json=BODY)).json()

    assert message["content"] == [{"type": "tool_use", "id": "c", "name": "f", "input": expected}]


async def test_reasoning_of_any_provider_comes_back_to_it(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.message |= {"reasoning_content": "hm", "reasoning_details": [FOREIGN]}

    message = (await client.post("/v1/messages", json=BODY)).json()

    assert [block["type"] for block in message["content"]] == ["thinking", "redacted_thinking", "text"]
    again = request_of(
        BODY | {"messages": [*BODY["messages"], {"role": "assistant", "content": message["content"]}]}, {}
    )
    assert again.messages[1]["reasoning_content"] == "hm"
    assert again.messages[1]["reasoning_details"] == [FOREIGN]
    assert again.native is not None
    assert "redacted_thinking" not in str(again.native.body)


async def test_a_stream_is_a_message_in_pieces(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    response = await client.post("/v1/messages", json=BODY | {"stream": True})

    assert response.headers["request-id"]
    assert [name for name, _ in events_of(response.text)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = message_of(events_of(response.text))
    assert message["content"] == [{"type": "text", "text": "up", "citations": None}]
    assert message["usage"]["output_tokens"] == 3


@pytest.mark.parametrize("name", ["stream_text", "stream_thinking_text", "stream_tool_call", "stream_thinking_omitted"])
def test_a_stream_is_the_same_again_after_translation(name: str) -> None:
    chunks, _ = chunks_of(ANTHROPIC, [golden_bytes(f"anthropic/{name}.sse")])
    wire, stream = AnthropicStream("req_1"), FakeStream(FakeGateway())
    stream.usage, stream.finish_reason = told(chunks).usage, told(chunks).finish

    again, is_complete = chunks_of(ANTHROPIC, [b"".join(map(wire.chunk, chunks)) + wire.end(stream)])

    assert is_complete
    before, after = told(chunks), told(again)
    assert (after.content, after.reasoning, after.calls) == (before.content, before.reasoning, before.calls)
    assert (after.finish, after.usage) == (before.finish, before.usage)
    assert details_of(again) == details_of(chunks)


def details_of(chunks: list[ChatChunk]) -> list[Any]:
    return [d for c in chunks for x in c.chunk["choices"] for d in x["delta"].get("reasoning_details", ())]


def test_blocks_are_numbered_in_their_order() -> None:
    chunks = [
        delta_chunk({"reasoning_content": "hm, "}),
        delta_chunk({"reasoning_content": "up"}),
        delta_chunk({"reasoning_details": [SIGNED]}),
        text_chunk("I "),
        text_chunk("ask"),
        *calls(a_call(0, "a", '{"x"'), a_call(0, arguments=":1}"), a_call(1, "b")),
        last_chunk("tool_calls"),
    ]
    events = written(chunks, "tool_calls")
    message = message_of(events)

    assert message["content"] == [
        SIGNED,
        {"type": "text", "text": "I ask", "citations": None},
        {"type": "tool_use", "id": "a", "name": "fa", "input": {"x": 1}},
        {"type": "tool_use", "id": "b", "name": "fb", "input": {}},
    ]
    assert message["stop_reason"] == "tool_use"
    order = [(name, event["index"]) for name, event in events if name in ("content_block_start", "content_block_stop")]
    assert order == [(f"content_block_{step}", place) for place in range(4) for step in ("start", "stop")]


def test_arguments_of_parallel_calls_may_alternate() -> None:
    chunks = calls(a_call(0, "a"), a_call(1, "b", '{"y"'), a_call(0, arguments='{"x":1}'), a_call(1, arguments=":2}"))
    message = message_of(written(chunks, "tool_calls"))
    assert [block["input"] for block in message["content"]] == [{"x": 1}, {"y": 2}]


def test_calls_that_all_bear_the_first_number_are_told_apart() -> None:
    chunks = calls(a_call(0, "a", '{"x":1}'), a_call(0, "b", '{"y":2}'))
    message = message_of(written(chunks, "tool_calls"))
    assert [(block["id"], block["input"]) for block in message["content"]] == [("a", {"x": 1}), ("b", {"y": 2})]


def test_replay_details_of_others_are_sealed_and_bounded() -> None:
    small = message_of(written([delta_chunk({"reasoning_details": [FOREIGN]}), text_chunk("up")]))
    assert [block["type"] for block in small["content"]] == ["text", "redacted_thinking"]
    large = FOREIGN | {"signature": "x" * 70_000}
    assert len(message_of(written([delta_chunk({"reasoning_details": [large]}), text_chunk("up")]))["content"]) == 1


@pytest.mark.parametrize("odd", [None, 7, "x", [], [None], ["x"], [{}], {}, [{"index": [], "function": "f"}]])
@pytest.mark.parametrize("name", ["content", "reasoning_content", "reasoning_details", "refusal", "tool_calls"])
def test_a_delta_with_an_odd_field_is_no_bug(name: str, odd: Any) -> None:
    message_of(written([delta_chunk({name: odd}), text_chunk("up"), last_chunk()]))


def test_an_answer_of_nothing_is_a_message_all_the_same() -> None:
    message = message_of(written([]))
    assert (message["content"], message["stop_reason"], message["model"]) == ([], "end_turn", "alpha-1")


async def test_a_providers_own_events_are_forwarded_and_nothing_else(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    golden = golden_bytes("anthropic/stream_tool_call.sse")
    codec = AnthropicCodec(is_native=True)
    gateway.script = [*chunks_of(codec, [golden])[0]]

    response = await client.post("/v1/messages", json=BODY | {"stream": True})

    assert response.content.strip() == golden.strip()


async def test_a_native_stream_without_its_end_is_given_one(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    cut = golden_bytes("anthropic/stream_text.sse").split(b"event: message_stop")[0]
    gateway.script = [*chunks_of(AnthropicCodec(is_native=True), [cut])[0]]

    response = await client.post("/v1/messages", json=BODY | {"stream": True})

    assert events_of(response.text)[-1] == ("message_stop", {"type": "message_stop"})


async def test_an_error_after_the_beginning_is_an_event(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.script = [text_chunk("up"), ProviderError(FailureKind.OVERLOADED, "alpha 529: overloaded")]

    response = await client.post("/v1/messages", json=BODY | {"stream": True})

    name, error = events_of(response.text)[-1]
    assert (name, error["type"]) == ("error", "error")
    assert (error["error"]["type"], error["error"]["code"]) == ("overloaded_error", "provider_overloaded")
    assert error["request_id"] == response.headers["request-id"]
