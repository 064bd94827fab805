"""What a server that merely resembles OpenAI's may do without anybody noticing; one test for each tolerance."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.presets import PRESETS
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.provider import ProviderType
from tests.adapters.streams import Told, chunks_of, told

CODEC = PRESETS[ProviderType.OPENAI_COMPATIBLE].codec
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
DONE = b"data: [DONE]\n\n"


def whole(finish: Any = "stop", *, usage: Any = None, **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi", **message}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}


def decoded(body: Any) -> Any:
    return CODEC.decode(orjson.dumps(body))


def event(value: Any) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"


def delta(finish: Any = None, **fields: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def streamed(*pieces: bytes) -> tuple[Told, bool]:
    chunks, is_complete = chunks_of(CODEC, [b"".join(pieces)])
    return told(chunks), is_complete


@pytest.mark.parametrize("missing", ["id", "created", "model", "object", "usage"])
def test_a_missing_field_is_filled_in(missing: str) -> None:
    body = whole()
    del body[missing]
    response = decoded(body)
    assert {"id", "object", "created", "model", "choices"} <= response.completion.keys()
    assert (response.text, response.usage) == ("hi", None)
    chunk = {name: value for name, value in delta("stop", content="hi").items() if name != missing}
    result, is_complete = streamed(event(chunk), DONE)
    assert (result.content, is_complete, len(result.ids)) == ("hi", True, 1)


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, 7, "x"])
def test_usage_that_says_nothing_is_no_usage(usage: Any) -> None:
    response = decoded(whole(usage=usage))
    assert response.usage is None
    assert "usage" not in response.completion
    result, _ = streamed(event({**delta(content="hi"), "usage": usage}), event(FINISH), DONE)
    assert (result.usage, result.usage_chunks) == (None, 0)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": "overloaded", "error_type": "overloaded"}, K.OVERLOADED),
        ({"error": "it broke"}, K.SERVER_ERROR),
        ({"error": {"message": "x", "code": "429"}}, K.RATE_LIMITED),
        ({"error": {"message": "x", "code": "rate_limit_exceeded"}}, K.RATE_LIMITED),
        ({"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, K.BAD_REQUEST),
        ({"detail": "Not authenticated"}, K.BAD_ANSWER),
        ({"message": "no such thing"}, K.BAD_ANSWER),
        ([{"error": {"message": "x"}}], K.BAD_ANSWER),
    ],
)
def test_an_error_that_comes_with_200_is_one(body: Any, kind: K) -> None:
    with pytest.raises(ProviderError) as caught:
        decoded(body)
    assert caught.value.kind is kind


def test_what_stands_where_an_answer_belongs_is_told() -> None:
    with pytest.raises(ProviderError, match="Not authenticated"):
        decoded({"detail": "Not authenticated"})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":"plain"}', "plain"),
        (b'{"detail":"plain"}', "plain"),
        (b'{"message":"plain"}', "plain"),
        (b'{"error":{"message":"plain"}}', "plain"),
        (b'[{"error":{"message":"plain"}}]', "plain"),
        (b"<html><body><h1>502 Bad Gateway</h1></body></html>", "502 Bad Gateway"),
        (b'data: {"error":{"message":"plain"}}\n\ndata: [DONE]\n\n', "plain"),
        (b"plain", "plain"),
        (b"", "the provider answered 502 without a word"),
    ],
)
def test_an_error_is_read_in_any_shape(body: bytes, said: str) -> None:
    error = CODEC.failure(502, {}, body)
    assert (error.kind, error.message.strip()) == (K.SERVER_ERROR, said)


@pytest.mark.parametrize("finish", ["", "eos", "end_turn", None, 7])
def test_a_finish_reason_may_be_odd_or_missing(finish: Any) -> None:
    assert decoded(whole(finish)).finish_reason == "stop"
    assert decoded(whole(finish, tool_calls=[CALL])).finish_reason == "tool_calls"


@pytest.mark.parametrize("finish", ["", "eos", "end_turn"])
def test_a_stream_may_end_with_an_odd_finish_reason(finish: str) -> None:
    result, is_complete = streamed(event(delta(content="hi")), event(delta(finish)), DONE)
    assert (result.finish, is_complete) == ("stop", True)
    calls = [{"index": 0, **CALL}]
    result, is_complete = streamed(event(delta(tool_calls=calls)), event(delta(finish)), DONE)
    assert (result.finish, is_complete) == ("tool_calls", True)


def test_a_stream_without_any_finish_reason_may_be_cut_and_is_not_complete() -> None:
    assert streamed(event(delta(content="hi")), DONE)[1] is False


def test_a_delta_may_be_null() -> None:
    result, is_complete = streamed(
        event({"choices": [{"index": 0, "delta": None}]}),
        event(delta(content="hi")),
        event({"choices": [{"index": 0, "delta": None, "finish_reason": "stop"}]}),
    )
    assert (result.content, is_complete) == ("hi", True)


def test_an_event_needs_no_space_after_its_name() -> None:
    lines = event(delta("stop", content="hi")).replace(b"data: ", b"data:")
    assert streamed(lines, b"data:[DONE]\n\n")[0].content == "hi"


def test_the_end_marker_may_be_missing_or_have_spaces_after_it() -> None:
    for end in (b"", b"data: [DONE]   \n\n", b"data: [DONE]"):
        result, is_complete = streamed(event(delta("stop", content="hi")), end)
        assert (result.content, is_complete) == ("hi", True)


def test_a_role_in_every_delta_is_said_once() -> None:
    body = [event(delta(role="assistant", content=text)) for text in ("a", "b")]
    chunks, _ = chunks_of(CODEC, [b"".join(body) + event(FINISH)])
    assert [each.chunk["choices"][0]["delta"].get("role") for each in chunks] == ["assistant", None, None]


@pytest.mark.parametrize("arguments", [{"a": 1}, '{"a":1}'])
def test_arguments_may_be_an_object(arguments: Any) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    message = decoded(whole(tool_calls=[call])).message
    assert message["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    result, _ = streamed(event(delta(tool_calls=[{"index": 0, **call}])), event(FINISH))
    assert result.calls[0]["arguments"] == '{"a":1}'


def test_the_index_of_a_call_may_be_missing() -> None:
    second = {**CALL, "id": "b"}
    result, _ = streamed(event(delta(tool_calls=[CALL, second])), event(FINISH))
    assert {number: call["id"] for number, call in result.calls.items()} == {0: "a", 1: "b"}
    assert result.finish == "tool_calls"


def test_a_call_without_an_id_gets_one() -> None:
    bare = {"function": {"name": "f", "arguments": "{}"}}
    assert decoded(whole(tool_calls=[bare, {**bare, "id": "c"}, {**bare, "id": ""}])).message["tool_calls"][0]["id"]
    ids = {call["id"] for call in decoded(whole(tool_calls=[bare, {**bare, "id": "c"}])).message["tool_calls"]}
    assert len(ids) == 2
    assert "c" not in ids  # the id of the whole answer


@pytest.mark.parametrize("content", [[{"type": "text", "text": "h"}, {"type": "text", "text": "i"}], ["h", "i"]])
def test_content_may_be_a_list_of_parts(content: Any) -> None:
    assert decoded(whole(content=content)).text == "hi"
    assert streamed(event(delta("stop", content=content)))[0].content == "hi"


def test_think_tags_are_left_for_the_gateway() -> None:
    text = "<think>why</think>hi"
    assert decoded(whole(content=text)).text == text


def test_a_byte_order_mark_is_skipped() -> None:
    assert streamed(b"\xef\xbb\xbf", event(delta("stop", content="hi")))[0].content == "hi"


def test_comments_between_events_are_skipped() -> None:
    noise = b": ping\n\n:\n\n: OPENROUTER PROCESSING\r\n\r\n\n\n"
    assert streamed(noise, event(delta(content="hi")), noise, event(FINISH), noise, DONE)[0].content == "hi"


def test_custom_calls_stay_what_they_are() -> None:
    call = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "text"}}
    assert decoded(whole(tool_calls=[call])).message["tool_calls"] == [call]
    later = {"index": 0, "custom": {"input": "more"}}
    chunks, _ = chunks_of(CODEC, [event(delta(tool_calls=[{"index": 0, **call}])) + event(delta(tool_calls=[later]))])
    assert [each.chunk["choices"][0]["delta"]["tool_calls"] for each in chunks] == [[{"index": 0, **call}], [later]]
