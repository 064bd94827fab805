from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.responses import ResponsesCodec
from app.adapters.responses_native import NativeResponsesCodec
from app.domain.errors import FailureKind, ProviderError
from app.domain.usage import Usage
from tests.adapters.streams import a_call, chunks_of, told
from tests.golden import golden_bytes, golden_json

CODEC, NATIVE = ResponsesCodec(), NativeResponsesCodec()
USAGE = Usage(82, 64, 0, 0, 28)
THOUGHT = {"type": "reasoning", "id": "rs_01", "encrypted_content": "gAAAAABexampleOpaque", "summary": []}


def response(*items: dict[str, Any], **fields: Any) -> bytes:
    return orjson.dumps(
        {"id": "resp_1", "created_at": 7, "model": "m", "status": "completed", "output": items} | fields
    )


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "content": list(parts)}


def text(said: str) -> dict[str, Any]:
    return {"type": "output_text", "text": said}


def sse(*payloads: dict[str, Any]) -> bytes:
    return b"".join(b"event: %s\ndata: %s\n\n" % (each["type"].encode(), orjson.dumps(each)) for each in payloads)


def item_event(kind: str, index: int, item: dict[str, Any]) -> dict[str, Any]:
    return {"type": f"response.output_item.{kind}", "output_index": index, "item": item}


def completed(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "response.completed", "response": orjson.loads(response(*items, **fields))}


@pytest.mark.parametrize(
    ("name", "said", "finish", "native"),
    [
        ("openai/responses_response", "Paris is 14 °C.", "stop", "completed"),
        ("openai/responses_incomplete", "Partial", "length", "max_output_tokens"),
        ("openai/responses_tool_call", "", "tool_calls", "completed"),
    ],
)
def test_a_whole_response_is_read(name: str, said: str, finish: str, native: str) -> None:
    answer = CODEC.decode(golden_bytes(f"{name}.json"))

    choice = answer.completion["choices"][0]
    assert (answer.text, answer.finish_reason, answer.usage) == (said, finish, USAGE)
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (finish, native)
    assert {"id", "object", "created", "model", "choices", "usage"} <= answer.completion.keys()
    assert (answer.completion["object"], answer.completion["created"]) == ("chat.completion", 1795219200)
    assert {"role", "content", "refusal"} <= answer.message.keys()
    assert [{**THOUGHT, "tool_call_id": each.get("tool_call_id")} for each in answer.message["reasoning_details"]] == (
        answer.message["reasoning_details"]
    )
    assert answer.native is None


def test_a_call_has_the_id_that_its_output_will_name() -> None:
    answer = CODEC.decode(golden_bytes("openai/responses_tool_call.json")).message
    assert answer["content"] is None
    assert answer["tool_calls"] == [
        {
            "id": "call_1A1b2C3d4",
            "type": "function",
            "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
        }
    ]
    assert answer["reasoning_details"] == [{**THOUGHT, "tool_call_id": "call_1A1b2C3d4"}]


def test_what_comes_out_goes_back_in_the_same_order() -> None:
    given: list[dict[str, Any]] = [
        {**THOUGHT, "id": "rs_1"},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'},
        {**THOUGHT, "id": "rs_2"},
        {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "select 1"},
    ]
    said = CODEC.decode(response(*given)).message
    items = orjson.loads(CODEC.encode(a_call("gpt-6-astra", [said]), stream=False).body)["input"]
    assert items == given


def test_the_parts_of_an_answer_are_put_together() -> None:
    answer = CODEC.decode(
        response(
            {
                **THOUGHT,
                "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
            },
            {**message(text("Let me see. ")), "phase": "commentary"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            {**message(text("Done")), "phase": "final_answer"},
            usage={
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
                "output_tokens": 20,
                "output_tokens_details": {"reasoning_tokens": 5},
            },
        )
    )
    assert answer.text == "Let me see. Done"
    assert answer.message["reasoning_content"] == "First.\n\nThen."
    assert answer.usage == Usage(100, 20, 60, 30, 5)
    assert answer.completion["usage"]["prompt_tokens_details"] == {"cached_tokens": 60, "cache_write_tokens": 30}


@pytest.mark.parametrize(
    ("body", "finish", "native"),
    [
        (response(message({"type": "refusal", "refusal": "No."})), "content_filter", "refusal"),
        (response(status="incomplete", incomplete_details={"reason": "content_filter"})
         , "content_filter", "content_filter"),
        (response({"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x'}, status="incomplete"
                  , incomplete_details={"reason": "max_output_tokens"}), "length", "max_output_tokens"),
        (response(message(text("x")), status="incomplete", incomplete_details={"reason": "tired"}), "stop", "tired"),
    ],
)  # fmt: skip
def test_why_an_answer_ended_is_told(body: bytes, finish: str, native: str) -> None:
    answer = CODEC.decode(body)
    assert answer.finish_reason == finish
    assert answer.completion["choices"][0]["native_finish_reason"] == native
    assert bool(answer.warnings) is (native == "tired")


def test_a_refusal_is_no_text() -> None:
    answer = CODEC.decode(response(message({"type": "refusal", "refusal": "No."})))
    assert (answer.text, answer.message["refusal"]) == ("", "No.")


FAILURES = [
    ({"code": "server_error", "message": "x"}, FailureKind.SERVER_ERROR),
    ({"code": "rate_limit_exceeded", "message": "x"}, FailureKind.RATE_LIMITED),
    ({"code": "invalid_prompt", "message": "x"}, FailureKind.CONTENT_POLICY),
    ({"code": "bio_policy", "message": "x"}, FailureKind.CONTENT_POLICY),
    ({"code": "context_length_exceeded", "message": "x"}, FailureKind.CONTEXT_LENGTH),
    ({"code": "insufficient_quota", "message": "x"}, FailureKind.QUOTA_EXHAUSTED),
    ({"code": "slow_down", "message": "x"}, FailureKind.OVERLOADED),
    ({"code": "failed_to_download_image", "message": "x"}, FailureKind.BAD_REQUEST),
    ({"code": "image_content_policy_violation", "message": ""}, FailureKind.CONTENT_POLICY),
    (None, FailureKind.SERVER_ERROR),
]


@pytest.mark.parametrize(("error", "kind"), FAILURES)
def test_a_response_that_failed_is_its_error(error: Any, kind: FailureKind) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(response(status="failed", error=error))
    assert (caught.value.kind, bool(caught.value.message)) == (kind, True)


def test_a_failed_response_with_200_is_no_answer() -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(golden_bytes("openai/responses_failed.json"))
    assert caught.value.kind is FailureKind.SERVER_ERROR


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{}", b"<html>", response(status="queued"), response(status="in_progress"), response(output=None)],
)
def test_what_is_no_finished_response_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(body)
    assert caught.value.kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize("name", ["text", "tool_call"])
@pytest.mark.parametrize("codec", [CODEC, NATIVE])
def test_a_stream_says_what_a_whole_response_says(codec: ResponsesCodec, name: str) -> None:
    whole = codec.decode(golden_bytes(f"openai/responses_{'response' if name == 'text' else name}.json"))

    chunks, is_complete = chunks_of(codec, [golden_bytes(f"openai/responses_stream_{name}.sse")])
    result = told(chunks)

    assert is_complete
    assert (result.content, result.finish, result.usage) == (whole.text, whole.finish_reason, whole.usage)
    asked = whole.message.get("tool_calls", [])
    assert list(result.calls.values()) == [{"id": call["id"], **call["function"]} for call in asked]
    assert list(result.calls) == list(range(len(asked)))
    assert details_of(chunks) == whole.message["reasoning_details"]
    assert len(result.ids) == 1
    assert chunks[-1].chunk["choices"] == []


def details_of(chunks: list[Any]) -> list[Any]:
    deltas = [choice["delta"] for each in chunks for choice in each.chunk["choices"]]
    return [detail for delta in deltas for detail in delta.get("reasoning_details", ())]


@pytest.mark.parametrize("name", ["text", "tool_call"])
@pytest.mark.parametrize("codec", [CODEC, NATIVE])
def test_every_split_point_gives_the_same_chunks(codec: ResponsesCodec, name: str) -> None:
    body = golden_bytes(f"openai/responses_stream_{name}.sse")
    whole = chunks_of(codec, [body])
    for cut in range(0, len(body), 7):
        assert chunks_of(codec, [body[:cut], body[cut:]]) == whole


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["text", "tool_call"]), st.integers(1, 300))
def test_any_size_of_reads_gives_the_same_chunks(name: str, size: int) -> None:
    body = golden_bytes(f"openai/responses_stream_{name}.sse")
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    assert chunks_of(CODEC, cut) == chunks_of(CODEC, [body])


ITEMS = [
    {**THOUGHT, "summary": [{"type": "summary_text", "text": "Why"}, {"type": "summary_text", "text": "not"}]},
    message(text("a"), {"type": "refusal", "refusal": "b"}),
    {"type": "function_call", "call_id": "x", "name": "f", "arguments": '{"a":1}'},
    {"type": "custom_tool_call", "call_id": "y", "name": "g", "input": "select 1"},
    {"type": "function_call", "call_id": "z", "name": "h", "arguments": ""},
]


def test_a_server_that_streams_whole_items_loses_nothing() -> None:
    whole = CODEC.decode(response(*ITEMS))
    body = sse(*(item_event("done", index, item) for index, item in enumerate(ITEMS)), completed(*ITEMS))

    chunks, is_complete = chunks_of(CODEC, [body])

    assert is_complete
    deltas = [choice["delta"] for each in chunks for choice in each.chunk["choices"]]
    assert "".join(delta.get("content", "") for delta in deltas) == whole.text
    assert "".join(delta.get("refusal", "") for delta in deltas) == whole.message["refusal"]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == whole.message["reasoning_content"]
    assert calls_in(deltas) == whole.message["tool_calls"]
    assert {each.finish_reason for each in chunks} == {None, whole.finish_reason}


def calls_in(deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    calls: dict[int, dict[str, Any]] = {}
    for piece in (piece for delta in deltas for piece in delta.get("tool_calls", ())):
        number = piece["index"]
        kind = "custom" if "custom" in piece else "function"
        field = "input" if kind == "custom" else "arguments"
        if number not in calls:
            calls[number] = {"id": piece["id"], "type": piece["type"], kind: dict(piece[kind])}
        else:
            calls[number][kind][field] += piece[kind][field]
    return [calls[number] for number in sorted(calls)]


def test_paragraphs_of_thought_are_apart_as_in_the_whole() -> None:
    def thought(index: int, part: int, delta: str) -> dict[str, Any]:
        return {
            "type": "response.reasoning_summary_text.delta",
            "output_index": index,
            "summary_index": part,
            "delta": delta,
        }

    body = sse(thought(0, 0, "Fi"), thought(0, 0, "rst"), thought(0, 1, "then"), thought(2, 0, "last"), completed())
    assert told(chunks_of(CODEC, [body])[0]).reasoning == "First\n\nthen\n\nlast"


def test_the_error_event_is_the_error() -> None:
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [golden_bytes("openai/responses_stream_failed.sse")])
    assert caught.value.kind is FailureKind.RATE_LIMITED
    assert caught.value.retry_after == pytest.approx(11.054)


@pytest.mark.parametrize(("error", "kind"), FAILURES)
def test_a_stream_that_fails_is_its_error(error: Any, kind: FailureKind) -> None:
    failed = {"type": "response.failed", "response": orjson.loads(response(status="failed", error=error))}
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [sse(failed)])
    assert caught.value.kind is kind


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "response.completed"},
        {"type": "response.completed", "response": {"status": "in_progress"}},
        {"type": "response.function_call_arguments.delta", "output_index": 4, "delta": "{"},
        {"type": "response.output_item.added", "item": 7},
    ],
)
def test_an_event_that_makes_no_sense_is_a_bad_answer(payload: dict[str, Any]) -> None:
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [sse(payload)])
    assert caught.value.kind is FailureKind.BAD_ANSWER


def test_a_stream_without_its_last_event_is_cut() -> None:
    body = golden_bytes("openai/responses_stream_text.sse")
    assert not chunks_of(CODEC, [body[: body.index(b"event: response.completed")]])[1]


@pytest.mark.parametrize("name", ["text", "tool_call"])
def test_every_event_of_a_native_stream_passes_on_as_it_came(name: str) -> None:
    body = golden_bytes(f"openai/responses_stream_{name}.sse")
    chunks, _ = chunks_of(NATIVE, [body])
    assert b"".join(each.native for each in chunks) == body.rstrip(b"\n") + b"\n\n"
    assert [each.carries for each in chunks if each.carries] == [
        each.carries for each in chunks_of(CODEC, [body])[0] if each.carries
    ]


@pytest.mark.parametrize(
    ("kind", "carries"),
    [("response.web_search_call.searching", True), ("response.queued", False), ("response.brand.new", False)],
)
def test_an_event_that_the_chat_wire_has_no_words_for_passes_on_too(kind: str, *, carries: bool) -> None:
    event = sse({"type": kind, "output_index": 0, "item_id": "ws"})
    chunks, _ = chunks_of(NATIVE, [event])
    assert [(each.chunk["choices"], each.native, each.carries) for each in chunks] == [([], event, carries)]
    assert chunks_of(CODEC, [event])[0] == []


def test_an_error_in_a_native_stream_is_raised_and_not_passed_on() -> None:
    with pytest.raises(ProviderError):
        chunks_of(NATIVE, [golden_bytes("openai/responses_stream_failed.sse")])


def test_a_native_response_is_there_beside_the_canonical_one() -> None:
    answer = NATIVE.decode(golden_bytes("openai/responses_response.json"))
    assert answer.native == golden_json("openai/responses_response.json")
    assert answer.text == "Paris is 14 °C."


WORDS = st.text(st.sampled_from('aé "\\{\n'), min_size=1, max_size=12)
ITEM: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(lambda *said: message(*map(text, said)), WORDS, WORDS),
    st.builds(lambda said: message({"type": "refusal", "refusal": said}), WORDS),
    st.builds(
        lambda parts: {**THOUGHT, "summary": [{"type": "summary_text", "text": part} for part in parts]},
        st.lists(WORDS, max_size=2),
    ),
    st.builds(lambda said: {"type": "function_call", "call_id": "c", "name": "f", "arguments": said}, WORDS),
    st.builds(lambda said: {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": said}, WORDS),
    st.just({"type": "web_search_call", "id": "ws"}),
)
FIELDS = {
    "function_call": ("arguments", "response.function_call_arguments.delta"),
    "custom_tool_call": ("input", "response.custom_tool_call_input.delta"),
}


def pieces_of(index: int, item: dict[str, Any], size: int) -> list[dict[str, Any]]:
    """The deltas of one item, `size` characters each."""
    if item["type"] in FIELDS:
        name, kind = FIELDS[item["type"]]
        parts: list[tuple[str, dict[str, int], str]] = [(kind, {}, item[name])]
    elif item["type"] == "reasoning":
        kind = "response.reasoning_summary_text.delta"
        parts = [(kind, {"summary_index": at}, part["text"]) for at, part in enumerate(item["summary"])]
    else:
        named = {"output_text": "text", "refusal": "refusal"}
        parts = [
            (f"response.{part['type']}.delta", {"content_index": at}, part[named[part["type"]]])
            for at, part in enumerate(item.get("content", ()))
        ]
    return [
        {"type": kind, "output_index": index, **place, "delta": said[at : at + size]}
        for kind, place, said in parts
        for at in range(0, len(said), size)
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(ITEM, max_size=6), st.integers(1, 5), st.integers(1, 3), st.sampled_from([CODEC, NATIVE]))
def test_any_answer_streams_to_what_it_is_as_a_whole(
    items: list[dict[str, Any]], size: int, step: int, codec: ResponsesCodec
) -> None:
    items = [
        {**item, "call_id": f"{item['call_id']}{at}"} if "call_id" in item else item for at, item in enumerate(items)
    ]
    empty = {"arguments": "", "input": "", "content": [], "summary": []}
    events: list[dict[str, Any]] = [{"type": "response.created", "response": {"id": "resp_1", "model": "m"}}]
    for at, item in enumerate(items):
        index = at * step
        begun = {name: empty.get(name, value) for name, value in item.items()}
        events += [item_event("added", index, begun), *pieces_of(index, item, size), item_event("done", index, item)]

    chunks, is_complete = chunks_of(codec, [sse(*events, completed(*items))])

    whole = codec.decode(response(*items))
    deltas = [choice["delta"] for each in chunks for choice in each.chunk["choices"]]
    assert is_complete
    assert "".join(delta.get("content", "") for delta in deltas) == whole.text
    assert "".join(delta.get("refusal", "") for delta in deltas) == (whole.message["refusal"] or "")
    said = "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert said == whole.message.get("reasoning_content", "")
    assert calls_in(deltas) == whole.message.get("tool_calls", [])
    assert details_of(chunks) == whole.message.get("reasoning_details", [])
    assert [each.finish_reason for each in chunks if each.finish_reason] == [whole.finish_reason]
