"""Answers of the Responses wire: the object, its items, and the stream that adds up to the same."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from app.api import responses_stream
from app.api.responses_answer import Frame, output_of
from app.api.responses_reasoning import read_reasoning
from app.api.responses_stream import ResponsesStream
from app.domain.chat import ChatChunk
from app.domain.errors import Code, FailureKind, ProviderError, RequestRejected
from app.domain.usage import Usage
from tests.api.speaking import error_of, events_of
from tests.fakes_edge import FakeGateway, FakeStream, delta_chunk, last_chunk, text_chunk
from tests.golden import golden_bytes, golden_json

V1 = "/v1/responses"
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
CALL = {"id": "call_1", "type": "function", "function": {"name": "price", "arguments": '{"symbol":"BTC"}'}}
CUT = ProviderError(FailureKind.STREAM_TRUNCATED, "alpha stopped")


def body(**more: Any) -> dict[str, Any]:
    """A body that is taken."""
    return {"model": "auto", "input": "hi", **more}


async def whole(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    """A whole answer, in the shape that OpenAI's own types want."""
    response = await client.post(V1, json=body(**more))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    Response.model_validate(answer)
    return answer


async def streamed(client: httpx.AsyncClient, **more: Any) -> list[dict[str, Any]]:
    """The events of a stream, in the shape that OpenAI's own types want, numbered without a gap."""
    response = await client.post(V1, json=body(stream=True, **more))
    assert response.headers["content-type"].startswith("text/event-stream")
    return checked(response.text)


def checked(text: str) -> list[dict[str, Any]]:
    """The events of this text."""
    events = events_of(text)
    assert [name for name, _ in events] == [data["type"] for _, data in events]
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    for _, data in events:
        EVENTS.validate_python(data)
    return [data for _, data in events]


def texts(events: list[dict[str, Any]], kind: str) -> str:
    """All deltas of one kind."""
    return "".join(event["delta"] for event in events if event["type"] == f"response.{kind}.delta")


async def test_an_answer_has_every_field_and_says_what_was_asked(client: httpx.AsyncClient) -> None:
    tool = {"type": "function", "name": "price", "parameters": {"type": "object"}}
    text = {"format": {"type": "json_object"}, "verbosity": "low"}

    answer = await whole(
        client,
        instructions="be brief",
        temperature=0.2,
        tools=[tool],
        tool_choice="required",
        parallel_tool_calls=False,
        text=text,
        metadata={"a": "b"},
        reasoning={"effort": "low"},
        store=True,
    )

    assert answer["id"].startswith("resp_")
    assert (answer["object"], answer["status"], answer["model"]) == ("response", "completed", "alpha-1")
    assert (answer["error"], answer["incomplete_details"], answer["previous_response_id"]) == (None, None, None)
    assert (answer["instructions"], answer["temperature"], answer["top_p"]) == ("be brief", 0.2, None)
    assert (answer["tool_choice"], answer["parallel_tool_calls"]) == ("required", False)
    assert answer["tools"][0].items() >= tool.items()
    assert (answer["text"], answer["metadata"]) == (text, {"a": "b"})
    assert answer["reasoning"] == {"effort": "low", "summary": None}
    assert answer["store"] is False


async def test_usage_is_in_this_wires_words(client: httpx.AsyncClient) -> None:
    assert (await whole(client))["usage"] == {
        "input_tokens": 11,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 14,
    }


async def test_reasoning_message_and_calls_are_items_in_this_order(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "Eo8B"}
    gateway.message = {
        "role": "assistant",
        "content": "let me see",
        "reasoning_content": "hm",
        "reasoning_details": [signed],
        "tool_calls": [CALL],
    }

    thought, message, call = (await whole(client))["output"]

    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert read_reasoning(thought).details == (signed,)
    assert message["content"] == [{"type": "output_text", "text": "let me see", "annotations": [], "logprobs": []}]
    assert (call["type"], call["call_id"], call["name"]) == ("function_call", "call_1", "price")
    assert call["arguments"] == '{"symbol":"BTC"}'
    assert len({thought["id"], message["id"], call["id"]}) == 3


async def test_reasoning_of_a_responses_provider_comes_as_it_was(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    item = {"type": "reasoning", "id": "rs_9", "summary": [{"type": "summary_text", "text": "hm"}]}
    item["encrypted_content"] = "gAAAA"
    gateway.message = {**gateway.message, "reasoning_content": "hm", "reasoning_details": [item]}

    thought, _ = (await whole(client))["output"]

    assert thought == {**item, "status": "completed"}


@pytest.mark.parametrize(
    ("finish", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
    ],
)
async def test_the_finish_reason_is_the_status(
    client: httpx.AsyncClient, gateway: FakeGateway, finish: str, status: str, reason: str | None
) -> None:
    gateway.finish_reason = finish
    gateway.script = [text_chunk("up"), last_chunk(finish)]

    answer = await whole(client)
    last = (await streamed(client))[-1]

    for each in (answer, last["response"]):
        assert each["status"] == each["output"][-1]["status"] == status
        assert each["incomplete_details"] == (reason and {"reason": reason})
        assert (each["completed_at"] is None) is (status == "incomplete")
    assert last["type"] == f"response.{status}"


async def test_a_refusal_that_was_said_is_a_whole_answer(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.finish_reason = "content_filter"
    gateway.message = {"role": "assistant", "content": None, "refusal": "I won't"}
    gateway.script = [delta_chunk({"refusal": "I "}), delta_chunk({"refusal": "won't"}), last_chunk("content_filter")]

    answer = await whole(client)
    events = await streamed(client)

    assert texts(events, "refusal") == "I won't"
    for each in (answer, events[-1]["response"]):
        assert each["status"] == "completed"
        assert each["output"][0]["content"] == [{"type": "refusal", "refusal": "I won't"}]


async def test_an_empty_answer_is_an_empty_message(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.message = {"role": "assistant", "content": ""}
    gateway.script = [last_chunk()]

    for each in (await whole(client), (await streamed(client))[-1]["response"]):
        (message,) = each["output"]
        assert [part["text"] for part in message["content"]] == [""]


async def test_citations_lose_chats_nesting(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    cited = {"start_index": 0, "end_index": 2, "title": "t", "url": "https://x"}
    note = {"type": "url_citation", "url_citation": cited}
    gateway.message = {"role": "assistant", "content": "up", "annotations": [note]}
    gateway.script = [text_chunk("up"), delta_chunk({"annotations": [note]}), last_chunk()]

    for each in (await whole(client), (await streamed(client))[-1]["response"]):
        assert each["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", **cited}]


async def test_the_events_of_a_text_come_in_their_order(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.script = [text_chunk("u"), text_chunk("p"), last_chunk()]

    events = await streamed(client)

    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert events[0]["response"]["status"] == "in_progress"
    assert events[0]["response"]["id"] == events[-1]["response"]["id"]
    assert events[6]["text"] == "up"
    assert events[-1]["response"]["output"] == [events[8]["item"]]
    assert events[-1]["response"]["usage"]["total_tokens"] == 14


async def test_reasoning_text_and_parallel_calls_each_open_and_close(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "Eo8B"}
    second = {"index": 1, "id": "call_2", "type": "function", "function": {"name": "news", "arguments": ""}}
    gateway.script = [
        delta_chunk({"reasoning_content": "hm"}),
        delta_chunk({"reasoning_details": [signed]}),
        text_chunk("let me see"),
        delta_chunk({"tool_calls": [{"index": 0, **CALL, "function": {"name": "price", "arguments": ""}}]}),
        delta_chunk({"tool_calls": [second]}),
        delta_chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"symbol":'}}]}),
        delta_chunk({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
        delta_chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"BTC"}'}}]}),
        last_chunk("tool_calls"),
    ]

    events = await streamed(client)

    items = events[-1]["response"]["output"]
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call"]
    assert read_reasoning(items[0]).details == (signed,)
    assert [item["arguments"] for item in items[2:]] == ['{"symbol":"BTC"}', "{}"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == [event["output_index"] for event in done] == [0, 1, 2, 3]
    assert [event["item"] for event in done] == items
    assert added[2]["item"]["arguments"] == ""
    assert texts(events, "reasoning_summary_text") == "hm"


async def test_details_of_two_kinds_fill_two_items(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    own = {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "gAAAA"}
    signed = {"type": "thinking", "thinking": "hm", "signature": "Eo8B"}
    gateway.script = [delta_chunk({"reasoning_details": [own, signed]}), text_chunk("up"), last_chunk()]

    events = await streamed(client)

    added = [event for event in events if event["type"] == "response.output_item.added"]
    assert [event["output_index"] for event in added] == [0, 1, 2]
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["reasoning", "reasoning", "message"]


async def test_details_after_the_answer_follow_it(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    signature = {"type": "gemini.thought_signature", "tool_call_id": "call_1", "signature": "s"}
    gateway.script = [text_chunk("up"), delta_chunk({"reasoning_details": [signature]}), last_chunk()]

    message, late = (await streamed(client))[-1]["response"]["output"]

    assert message["type"] == "message"
    assert read_reasoning(late).is_late
    assert read_reasoning(late).details == (signature,)


async def test_an_error_after_the_head_is_the_last_event(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.script = [text_chunk("up"), CUT]

    response = await client.post(V1, json=body(stream=True), headers={"x-request-id": "mine"})

    error = checked(response.text)[-1]
    assert error == {
        "type": "error",
        "sequence_number": 5,
        "code": "provider_stream_truncated",
        "message": "alpha stopped",
        "param": None,
        "request_id": "mine",
    }


async def test_an_error_before_the_head_is_a_status(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.before = CUT

    error_of(await client.post(V1, json=body(stream=True)), 502, "provider_stream_truncated")


async def test_an_answer_that_never_ends_is_cut(
    client: httpx.AsyncClient, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses_stream, "MOST_HELD", 10_000)
    gateway.script = [text_chunk("x" * 1_000) for _ in range(100)]

    assert (await streamed(client))[-1]["code"] == "provider_bad_answer"


async def test_a_providers_own_answer_is_passed_on(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.native = golden_json("openai/responses_tool_call.json")

    assert await whole(client) == gateway.native


@pytest.mark.parametrize("name", ["text", "tool_call"])
async def test_a_providers_own_events_are_passed_on_byte_by_byte(
    client: httpx.AsyncClient, gateway: FakeGateway, name: str
) -> None:
    raw = golden_bytes(f"openai/responses_stream_{name}.sse")
    gateway.script = [native(frame) for frame in frames(raw)]

    response = await client.post(V1, json=body(stream=True))

    assert response.content == raw.strip() + b"\n\n"


async def test_an_error_in_a_providers_own_events_goes_on_counting(
    client: httpx.AsyncClient, gateway: FakeGateway
) -> None:
    begun = frames(golden_bytes("openai/responses_stream_text.sse"))[:3]
    gateway.script = [*(native(frame) for frame in begun), CUT]

    events = checked((await client.post(V1, json=body(stream=True))).text)

    assert (events[-1]["type"], events[-1]["sequence_number"]) == ("error", 3)


@pytest.mark.parametrize(
    ("canonical", "own"),
    [
        ("messages", "input"),
        ("messages[3].content[0]", "input"),
        ("response_format.json_schema.schema", "text.format"),
        ("max_completion_tokens", "max_output_tokens"),
        ("reasoning_effort", "reasoning.effort"),
        ("tools[0].function", "tools[0].function"),
        ("input[1].content", "input[1].content"),
        (None, None),
    ],
)
@pytest.mark.parametrize("streams", [False, True])
async def test_an_error_names_the_field_that_the_caller_wrote(
    client: httpx.AsyncClient, gateway: FakeGateway, canonical: str | None, own: str | None, *, streams: bool
) -> None:
    gateway.before = RequestRejected(Code.UNSUPPORTED_PARAMETER, "no", param=canonical)

    error = error_of(await client.post(V1, json=body(stream=streams)), 400, "caller_unsupported_parameter")

    assert error["param"] == own


def frames(raw: bytes) -> list[bytes]:
    """The events of a recorded stream, each as its bytes."""
    return [block + b"\n\n" for block in raw.strip().split(b"\n\n")]


def native(frame: bytes) -> ChatChunk:
    """A chunk that carries a provider's own event."""
    return ChatChunk({"choices": []}, carries=True, native=frame)


words = st.text(min_size=1, max_size=6)
pieces = st.lists(words, max_size=4)


@given(
    reasoning=pieces,
    details=st.lists(st.fixed_dictionaries({"type": st.just("thinking"), "signature": words}), max_size=2),
    content=pieces,
    refusal=pieces,
    calls=st.lists(st.tuples(words, pieces), max_size=3),
    finish=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
)
def test_a_stream_adds_up_to_the_whole_answer(
    reasoning: list[str],
    details: list[dict[str, Any]],
    content: list[str],
    refusal: list[str],
    calls: list[tuple[str, list[str]]],
    finish: str,
) -> None:
    if not reasoning:
        details = []
    message: dict[str, Any] = {"role": "assistant", "content": "".join(content) or None}
    message |= {"refusal": "".join(refusal) or None, "reasoning_content": "".join(reasoning)}
    message |= {"reasoning_details": details, "tool_calls": []}
    deltas: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in reasoning]
    deltas += [{"reasoning_details": [detail]} for detail in details]
    deltas += [{"content": piece} for piece in content] + [{"refusal": piece} for piece in refusal]
    for index, (name, arguments) in enumerate(calls):
        head = {"id": f"call_{index}", "type": "function"}
        message["tool_calls"].append({**head, "function": {"name": name, "arguments": "".join(arguments)}})
        deltas.append({"tool_calls": [{"index": index, **head, "function": {"name": name, "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in arguments]
    gateway = FakeGateway()
    gateway.finish_reason = finish
    wire, stream = ResponsesStream(Frame({}), "r"), FakeStream(gateway)
    stream.usage = Usage(11, 3)

    said = wire.head(stream) + b"".join(wire.chunk(delta_chunk(delta)) for delta in deltas) + wire.end(stream)

    response = checked(said.decode())[-1]["response"]
    expected = output_of({"message": message}, Frame({}), response["status"])
    assert without_ids(response["output"]) == without_ids(expected)


def without_ids(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Items as JSON that any answer would have."""
    return [{name: value for name, value in item.items() if name != "id"} for item in orjson.loads(orjson.dumps(items))]
