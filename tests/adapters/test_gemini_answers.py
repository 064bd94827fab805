from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.gemini import GeminiCodec
from app.adapters.gemini_candidates import FAILED, FINISH
from app.adapters.gemini_contents import SIGNATURE
from app.adapters.gemini_usage import usage_of
from app.adapters.sse import SSEParser
from app.domain.chat import ChatResponse
from app.domain.errors import FailureKind, ProviderError
from app.domain.usage import Usage
from tests.adapters.streams import chunks_of, told
from tests.golden import golden_bytes

CODEC = GeminiCodec(wall=lambda: 1795219200.0)
OPAQUE = "ZXhhbXBsZS10aG91Z2h0LXNpZ25hdHVyZS1vcGFxdWU="
ID = "chatcmpl-mXYfaZ3KHuWvkdUPx6yp0A8"
FILTERED = [
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "IMAGE_RECITATION",
    "NO_IMAGE",
    "ESCALATION",
    "PUP_LIMITED_DISABLED",
    "MODEL_ARMOR",
]


def decoded(name: str) -> ChatResponse:
    return CODEC.decode(golden_bytes(f"gemini/{name}.json"))


def answer(*parts: Any, finish: Any = "STOP", **more: Any) -> bytes:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0, **more}
    return orjson.dumps({"candidates": [candidate], "responseId": "r"})


def fault(body: bytes) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(body)
    return caught.value


def streamed_fault(*events: bytes) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [b"data: " + each + b"\r\n\r\n" for each in events])
    return caught.value


@pytest.mark.parametrize(
    ("name", "text", "finish", "usage"),
    [
        ("chat_response", "Hello! How can I help you today?", "stop", Usage(8, 52, reasoning_tokens=42)),
        ("chat_thoughts", "12231", "stop", Usage(14, 125, reasoning_tokens=120)),
        ("chat_cached_usage", "ok", "stop", Usage(40000, 2, 32768)),
        ("chat_json_mode", '{"age": 22, "available": false}', "stop", Usage(40, 12)),
        ("chat_max_tokens_empty", "", "length", Usage(12, 256, reasoning_tokens=256)),
        ("chat_safety_candidate", "", "content_filter", Usage(9, 0)),
        ("chat_tool_call", "", "tool_calls", Usage(70, 120, reasoning_tokens=88)),
        ("chat_tool_call_legacy_no_id", "", "tool_calls", Usage(70, 16)),
        ("stream_without_alt_sse", "Hello", "stop", Usage(8, 2)),
    ],
)
def test_an_answer_becomes_a_completion(name: str, text: str, finish: str, usage: Usage) -> None:
    response = decoded(name)
    assert (response.text, response.finish_reason, response.usage) == (text, finish, usage)
    assert response.warnings == ()
    completion = response.completion
    assert completion["object"] == "chat.completion"
    assert completion["created"] == 1795219200
    assert completion["id"].startswith("chatcmpl-")
    assert completion["model"].startswith("gemini-")
    assert completion["usage"]["total_tokens"] == usage.total_tokens
    (choice,) = completion["choices"]
    assert (choice["index"], choice["finish_reason"], choice["logprobs"]) == (0, finish, None)
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["refusal"] is None


def test_the_providers_own_words_are_kept_beside_ours() -> None:
    response = decoded("chat_safety_candidate")
    assert response.completion["choices"][0]["native_finish_reason"] == "SAFETY"
    assert decoded("chat_response").completion["id"] == ID


def test_calls_have_openais_shape_and_their_signature_apart() -> None:
    message = decoded("chat_tool_call").message
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "k3p9x1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}},
        {"id": "k3p9x2", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Rome"}'}},
    ]
    assert message["reasoning_details"] == [{"type": SIGNATURE, "tool_call_id": "k3p9x1", "signature": OPAQUE}]


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    first, second = (decoded("chat_tool_call_legacy_no_id").message["tool_calls"][0]["id"] for _ in range(2))
    assert first.startswith("call_")
    assert first != second


def test_thoughts_stand_apart_from_the_text() -> None:
    message = decoded("chat_thoughts").message
    assert message["reasoning_content"] == "**Plan**\nCompute the product."
    assert message["reasoning_details"] == [{"type": SIGNATURE, "tool_call_id": None, "signature": OPAQUE}]


def test_parts_of_text_follow_each_other_without_anything_between() -> None:
    assert CODEC.decode(answer({"text": "a"}, {"text": "b"}, {"text": "c"})).text == "abc"


@pytest.mark.parametrize("native", FILTERED)
def test_what_was_filtered_is_said_to_be(native: str) -> None:
    assert CODEC.decode(answer({"text": "a"}, finish=native)).finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("native", "parts", "finish"),
    [
        ("STOP", [{"text": ""}], "stop"),
        ("MAX_TOKENS", [{"text": "a"}], "length"),
        ("CONTINUATION", [{"text": "a"}], "length"),
        ("STOP", [{"functionCall": {"name": "f"}}], "tool_calls"),
        ("MAX_TOKENS", [{"functionCall": {"name": "f", "args": {}}}], "tool_calls"),
        ("SAFETY", [{"functionCall": {"name": "f"}}], "content_filter"),
    ],
)
def test_the_table_of_finish_reasons(native: str, parts: list[Any], finish: str) -> None:
    assert CODEC.decode(answer(*parts, finish=native)).finish_reason == finish
    chunks, is_complete = chunks_of(CODEC, [b"data: " + answer(*parts, finish=native) + b"\r\n\r\n"])
    assert (told(chunks).finish, is_complete) == (finish, True)


def test_an_unknown_finish_reason_is_a_stop_with_a_warning() -> None:
    response = CODEC.decode(answer({"text": "a"}, finish="NEW_REASON"))
    assert response.finish_reason == "stop"
    assert "NEW_REASON" in response.warnings[0]


@pytest.mark.parametrize("native", FAILED)
def test_a_model_that_failed_is_an_error_that_may_be_tried_again(native: str) -> None:
    body = answer({"text": "a"}, finish=native, finishMessage="because")
    error = fault(body)
    assert error.kind is FAILED[native]
    assert native in error.message
    assert "because" in error.message
    assert streamed_fault(body).kind is error.kind
    assert native not in FINISH


def test_a_malformed_call_is_an_error() -> None:
    error = fault(golden_bytes("gemini/chat_malformed_function_call.json"))
    assert error.kind is FailureKind.BAD_ANSWER
    assert "print(get_weather" in error.message


def test_a_blocked_prompt_is_a_matter_of_content_policy() -> None:
    body = golden_bytes("gemini/chat_prompt_blocked.json")
    assert fault(body).kind is FailureKind.CONTENT_POLICY
    assert "PROHIBITED_CONTENT" in fault(body).message
    assert streamed_fault(orjson.dumps(orjson.loads(body))).kind is FailureKind.CONTENT_POLICY


@pytest.mark.parametrize(
    ("metadata", "usage"),
    [
        # Candidates without the thoughts, candidates with them, and no total to tell.
        ({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 3, "totalTokenCount": 18}
         , Usage(10, 8, reasoning_tokens=3)),
        ({"promptTokenCount": 10, "candidatesTokenCount": 8, "thoughtsTokenCount": 3, "totalTokenCount": 18}
         , Usage(10, 8, reasoning_tokens=3)),
        ({"promptTokenCount": 10, "candidatesTokenCount": 5, "thoughtsTokenCount": 3}
         , Usage(10, 8, reasoning_tokens=3)),
        ({"promptTokenCount": 10, "toolUsePromptTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 3,
          "totalTokenCount": 22}, Usage(14, 8, reasoning_tokens=3)),
        ({"promptTokenCount": 10, "toolUsePromptTokenCount": 4, "candidatesTokenCount": 8, "thoughtsTokenCount": 3,
          "totalTokenCount": 22}, Usage(14, 8, reasoning_tokens=3)),
        ({"promptTokenCount": 10, "cachedContentTokenCount": 99}, Usage(10, 0, 10)),
        ({"promptTokenCount": -1, "candidatesTokenCount": True}, None),
        ({}, None),
        ("x", None),
    ],
)  # fmt: skip
def test_thoughts_are_counted_once(metadata: Any, usage: Usage | None) -> None:
    assert usage_of(metadata) == usage


def test_every_candidate_is_a_choice() -> None:
    candidates = [
        {"index": 1, "content": {"parts": [{"text": "b"}]}, "finishReason": "MAX_TOKENS"},
        {"index": 0, "content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
    ]
    choices = CODEC.decode(orjson.dumps({"candidates": candidates})).completion["choices"]
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in choices] == [
        (0, "a", "stop"),
        (1, "b", "length"),
    ]


def test_log_probabilities_have_openais_shape() -> None:
    chosen = {"token": "é", "tokenId": 1, "logProbability": -0.5}
    other = {"token": "e", "logProbability": -1}
    body = answer(
        {"text": "é"}, logprobsResult={"chosenCandidates": [chosen], "topCandidates": [{"candidates": [chosen, other]}]}
    )
    expected = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    logprobs = CODEC.decode(body).completion["choices"][0]["logprobs"]
    assert logprobs == {
        "content": [{**expected, "top_logprobs": [expected, {"token": "e", "logprob": -1.0, "bytes": [101]}]}],
        "refusal": None,
    }
    chunks, _ = chunks_of(CODEC, [b"data: " + body + b"\n\n"])
    assert [c.chunk["choices"][0]["logprobs"] for c in chunks if c.carries] == [logprobs]


def test_a_part_that_a_chat_has_no_words_for_is_dropped_with_a_warning() -> None:
    response = CODEC.decode(answer({"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "aaaa"}}))
    assert response.text == "a"
    assert response.warnings[0].startswith("inlineData")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b"7",
        b"[7]",
        b"[]",
        b"{}",
        b'{"candidates":[]}',
        b'{"candidates":{}}',
        b'{"candidates":[7]}',
        b'{"candidates":[{}]}',
        b'{"candidates":[{"finishReason":"STOP"}]}',
        b'{"candidates":[{"finishReason":"STOP","content":{}}]}',
        b'{"candidates":[{"finishReason":"STOP","content":{"parts":[]}}]}',
        b'{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}',
        answer({"text": "a"}, finish=7),
        answer({"text": "a"}, index="x"),
        answer({"text": "a"}, index=3),
        answer({"text": 7}),
        answer("a"),
        answer({"hologram": {}}),
        answer({"text": "a", "thoughtSignature": 7}),
        answer({"functionCall": {}}),
        answer({"functionCall": {"name": "f", "args": "x"}}),
        answer({"text": "a"}, content=7),
        answer({"text": "a"}, content={"parts": 7}),
        answer({"text": "a"}, logprobsResult={"chosenCandidates": [{}]}),
    ],
)
def test_an_answer_that_makes_no_sense_is_a_bad_answer(body: bytes) -> None:
    assert fault(body).kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize(
    ("name", "content", "reasoning", "finish", "usage"),
    [
        ("stream_text", "Hello! How can I help you today?", "", "stop", Usage(8, 52, reasoning_tokens=42)),
        ("stream_thoughts", "12231", "**Plan**\nMultiply.", "stop", Usage(14, 125, reasoning_tokens=120)),
        ("stream_tool_call", "", "", "tool_calls", Usage(70, 120, reasoning_tokens=88)),
        ("stream_safety_midway", "Step one", "", "content_filter", Usage(9, 2)),
    ],
)
def test_a_stream_becomes_chunks(name: str, content: str, reasoning: str, finish: str, usage: Usage) -> None:
    chunks, is_complete = chunks_of(CODEC, [golden_bytes(f"gemini/{name}.sse")])
    result = told(chunks)

    assert is_complete
    assert (result.content, result.reasoning, result.finish, result.usage) == (content, reasoning, finish, usage)
    assert result.ids == {ID}
    assert result.usage_chunks == 1
    assert chunks[-1].chunk["choices"] == []
    assert chunks[-1].chunk["usage"]["completion_tokens"] == usage.output_tokens
    assert chunks[0].chunk["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk.carries for chunk in chunks].count(True) >= 1


def test_streamed_calls_come_whole_and_numbered() -> None:
    chunks, _ = chunks_of(CODEC, [golden_bytes("gemini/stream_tool_call.sse")])
    calls = [call for c in chunks for x in c.chunk["choices"] for call in x["delta"].get("tool_calls", ())]
    assert calls == [
        {"index": index, "id": id_, "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
        for index, id_, arguments in [(0, "k3p9x1", '{"city":"Paris"}'), (1, "k3p9x2", '{"city":"Rome"}')]
    ]


@pytest.mark.parametrize(
    ("name", "call_id"), [("stream_text", None), ("stream_thoughts", None), ("stream_tool_call", "k3p9x1")]
)
def test_a_streams_signature_can_be_sent_back(name: str, call_id: str | None) -> None:
    chunks, _ = chunks_of(CODEC, [golden_bytes(f"gemini/{name}.sse")])
    details = [d for c in chunks for x in c.chunk["choices"] for d in x["delta"].get("reasoning_details", ())]
    assert details == [{"type": SIGNATURE, "tool_call_id": call_id, "signature": OPAQUE}]


@pytest.mark.parametrize(
    ("stream", "whole"),
    [("stream_text", "chat_response"), ("stream_tool_call", "chat_tool_call")],
)
def test_a_stream_says_what_the_whole_answer_says(stream: str, whole: str) -> None:
    result = told(chunks_of(CODEC, [golden_bytes(f"gemini/{stream}.sse")])[0])
    response = decoded(whole)
    assert (result.content, result.finish, result.usage) == (response.text, response.finish_reason, response.usage)
    said = [{"id": c["id"], **c["function"]} for c in response.message.get("tool_calls", ())]
    assert list(result.calls.values()) == said


@pytest.mark.parametrize("name", ["stream_text", "stream_thoughts", "stream_tool_call", "stream_safety_midway"])
def test_a_stream_and_its_own_events_as_one_array_say_the_same(name: str) -> None:
    body = golden_bytes(f"gemini/{name}.sse")
    result = told(chunks_of(CODEC, [body])[0])
    events = [event.data for event in SSEParser().feed(body)]
    response = CODEC.decode(f"[{','.join(events)}]".encode())
    assert (result.content, result.finish) == (response.text, response.finish_reason)
    assert result.reasoning == response.message.get("reasoning_content", "")
    assert list(result.calls.values()) == [
        {"id": c["id"], **c["function"]} for c in response.message.get("tool_calls", ())
    ]
    assert result.usage is not None
    assert response.usage is not None
    assert result.usage.output_tokens == response.usage.output_tokens


@pytest.mark.parametrize("name", ["stream_text", "stream_thoughts", "stream_tool_call", "stream_safety_midway"])
def test_every_split_point_gives_the_same_story(name: str) -> None:
    body = golden_bytes(f"gemini/{name}.sse")
    assert b"\r\n\r\n" in body
    whole = told(chunks_of(CODEC, [body])[0])
    for cut in range(len(body) + 1):
        assert told(chunks_of(CODEC, [body[:cut], body[cut:]])[0]) == whole, cut
    assert told(chunks_of(CODEC, [body[at : at + 1] for at in range(len(body))])[0]) == whole


def test_every_candidate_of_a_stream_ends_by_itself() -> None:
    def event(*candidates: dict[str, Any]) -> bytes:
        return b"data: " + orjson.dumps({"candidates": list(candidates), "responseId": "r"}) + b"\r\n\r\n"

    one = {"index": 0, "content": {"parts": [{"text": "a"}]}}
    two = {"index": 1, "content": {"parts": [{"functionCall": {"name": "f", "id": "x"}}]}}
    started, is_complete = chunks_of(CODEC, [event(one, two), event({"index": 0, "finishReason": "STOP"})])
    assert not is_complete
    chunks, is_complete = chunks_of(
        CODEC,
        [event(one, two), event({"index": 0, "finishReason": "STOP"}), event({"index": 1, "finishReason": "STOP"})],
    )
    assert is_complete
    finishes = [(x["index"], x["finish_reason"]) for c in chunks for x in c.chunk["choices"] if x["finish_reason"]]
    assert finishes == [(0, "stop"), (1, "tool_calls")]
    assert len(started) < len(chunks)


def test_an_error_inside_a_stream_is_raised_after_what_came_before() -> None:
    body = golden_bytes("gemini/stream_error_midway.sse")
    parser, decoder = SSEParser(), CODEC.stream_decoder()
    first, second = parser.feed(body)
    assert [c.chunk["choices"][0]["delta"].get("content") for c in decoder.feed(first)] == ["", "Partial"]
    with pytest.raises(ProviderError) as caught:
        decoder.feed(second)
    assert (caught.value.kind, caught.value.upstream_status) == (FailureKind.OVERLOADED, 503)


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_an_error_that_stands_bare_in_a_stream_is_heard_wherever_it_is_cut(end: bytes) -> None:
    error = b'{\r\n  "error": {\r\n    "code": 503,\r\n    "status": "UNAVAILABLE"\r\n  }\r\n}'
    body = golden_bytes("gemini/stream_error_midway.sse").split(b"\r\n\r\n")[0] + b"\r\n\r\n" + error + end
    for cut in range(len(body)):
        with pytest.raises(ProviderError) as caught:
            chunks_of(CODEC, [body[:cut], body[cut:]])
        assert caught.value.kind is FailureKind.OVERLOADED, cut


@pytest.mark.parametrize("event", [b"<html>", b"7", b'{"candidates":7}', answer({"hologram": {}})])
def test_an_event_that_makes_no_sense_is_a_bad_answer(event: bytes) -> None:
    assert streamed_fault(event).kind is FailureKind.BAD_ANSWER


def test_a_stream_in_which_nothing_is_said_is_a_bad_answer() -> None:
    assert streamed_fault(b'{"candidates":[{"finishReason":"STOP"}]}').kind is FailureKind.BAD_ANSWER
    chunks, is_complete = chunks_of(CODEC, [b'data: {"candidates":[{"finishReason":"MAX_TOKENS"}]}\n\n'])
    assert (told(chunks).finish, is_complete) == ("length", True)


def test_a_stream_that_is_one_array_is_read_too() -> None:
    body = golden_bytes("gemini/stream_without_alt_sse.json")
    for cut in range(len(body)):
        chunks, is_complete = chunks_of(CODEC, [body[:cut], body[cut:]])
        result = told(chunks)
        assert (result.content, result.finish, is_complete) == ("Hello", "stop", True), cut


def test_the_last_count_stands_where_the_end_counts_nothing() -> None:
    counted = orjson.dumps({"candidates": [{"content": {"parts": [{"text": "a"}]}}], "usageMetadata": {
        "promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}})  # fmt: skip
    ending = b'{"candidates":[{"finishReason":"STOP"}]}'
    chunks, _ = chunks_of(CODEC, [b"data: " + each + b"\r\n\r\n" for each in (counted, counted, ending)])
    assert chunks[-1].chunk["choices"] == []
    assert chunks[-1].usage == Usage(3, 1)


def test_a_stream_that_was_cut_is_not_complete() -> None:
    body = golden_bytes("gemini/stream_text.sse")
    events = body.split(b"\r\n\r\n")
    assert not chunks_of(CODEC, [b"\r\n\r\n".join(events[:2]) + b"\r\n\r\n"])[1]
