from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.openai import OpenAICodec
from app.adapters.openai_usage import usage_of
from app.domain.errors import FailureKind, ProviderError
from app.domain.usage import Usage
from tests.adapters.streams import chunks_of, told
from tests.golden import golden_bytes, golden_json

CODEC = OpenAICodec()
PARIS = '{"city":"Paris"}'


def sse(*chunks: Any) -> bytes:
    return b"".join(b"data: " + (each if isinstance(each, bytes) else orjson.dumps(each)) + b"\n\n" for each in chunks)


def delta(finish: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


@pytest.mark.parametrize(
    ("name", "text", "finish", "usage"),
    [
        ("openai/chat_response", None, "stop", None),
        ("openai/chat_length_reasoning", "", "length", Usage(120, 256, 64, 0, 256)),
        ("openai/chat_refusal", "", "stop", Usage(30, 11)),
        ("openai/chat_tool_call", "", "tool_calls", Usage(82, 36)),
        ("groq/chat_response", "Hello!", "stop", Usage(18, 30, 0, 0, 12)),
        ("groq/chat_tool_call", "", "tool_calls", None),
        ("deepseek/chat_reasoning", "12231", "stop", Usage(18, 140, 0, 0, 122)),
        ("deepseek/chat_tool_call", "", "tool_calls", Usage(330, 140, 256, 0, 122)),
        ("xai/chat_tool_call_empty_finish_reason", "", "tool_calls", None),
        ("xai/chat_reasoning_content_legacy", "12231", "stop", None),
        ("mistral/chat_response", "Hello!", "stop", Usage(16, 34)),
        ("mistral/chat_model_length", "Once", "length", None),
        ("mistral/chat_reasoning_chunks", "12231", "stop", None),
        ("mistral/chat_tool_call", "", "tool_calls", None),
        ("together/chat_eos", "Hello!", "stop", Usage(20, 12)),
        ("together/chat_response", "Hello!", "stop", None),
        ("azure/chat_content_filter_finish", "I ", "content_filter", None),
        ("vllm/chat_tool_call_reasoning", "", "tool_calls", Usage(14, 12)),
        ("localai/chat_response", "Hello!", "stop", Usage(12, 5)),
        ("localai/chat_tool_call", "", "tool_calls", None),
        ("openrouter/chat_tool_call", None, "tool_calls", None),
        ("gemini/compat_tool_call", "", "tool_calls", Usage(70, 104, 0, 0, 88)),
    ],
)
def test_a_whole_answer_is_read(name: str, text: str | None, finish: str, usage: Usage | None) -> None:
    response = CODEC.decode(golden_bytes(f"{name}.json"))

    assert response.finish_reason == finish == response.completion["choices"][0]["finish_reason"]
    assert text is None or response.text == text
    assert {"id", "object", "created", "model", "choices"} <= response.completion.keys()
    assert {"role", "content", "refusal"} <= response.message.keys()
    assert response.usage is not None
    assert usage is None or response.usage == usage
    for call in response.message.get("tool_calls", ()):
        assert call["type"] == "function"
        assert call["id"]
        assert orjson.loads(call["function"]["arguments"])


def test_what_openai_itself_sends_passes_unchanged() -> None:
    assert CODEC.decode(golden_bytes("openai/chat_response.json")).completion == golden_json(
        "openai/chat_response.json"
    )
    assert CODEC.decode(golden_bytes("openai/chat_tool_call.json")).completion == golden_json(
        "openai/chat_tool_call.json"
    )


@pytest.mark.parametrize(
    ("name", "reasoning"),
    [
        ("groq/chat_response", "User greets; reply."),
        ("deepseek/chat_reasoning", "27*453 = ..."),
        ("mistral/chat_reasoning_chunks", "27*453 ..."),
        ("together/chat_response", "Greet back."),
        ("vllm/chat_tool_call_reasoning", "Need the tool."),
    ],
)
def test_reasoning_has_one_name(name: str, reasoning: str) -> None:
    message = CODEC.decode(golden_bytes(f"{name}.json")).message
    assert message["reasoning_content"] == reasoning
    assert "reasoning" not in message


def test_output_includes_the_reasoning_that_xai_leaves_out() -> None:
    usage = CODEC.decode(golden_bytes("xai/chat_response_reasoning_excluded.json")).usage
    assert usage == Usage(37, 209, 8, 0, 200, reported_cost=Decimal("0.001316"))


@pytest.mark.parametrize(
    ("said", "cost"),
    [
        ({"cost": -0.0}, "0.0"),
        ({"cost": 1e300}, None),
        ({"cost": True, "cost_in_usd_ticks": True}, None),
        ({"cost_in_usd_ticks": 123456789}, "0.0123456789"),
    ],
)
def test_a_stated_cost_is_money_or_nothing(said: dict[str, Any], cost: str | None) -> None:
    usage = usage_of({"prompt_tokens": 1, **said})
    assert usage is not None
    assert str(usage.reported_cost) == str(cost)


def test_openrouter_names_its_price() -> None:
    usage = CODEC.decode(golden_bytes("openrouter/chat_response.json")).usage
    assert usage is not None
    assert usage.reported_cost == Decimal("0.001176")


def test_a_native_finish_reason_is_kept() -> None:
    choice = CODEC.decode(golden_bytes("mistral/chat_model_length.json")).completion["choices"][0]
    assert choice["native_finish_reason"] == "model_length"


def test_blank_lines_before_the_body_are_fine() -> None:
    assert CODEC.decode(golden_bytes("deepseek/nonstream_body_with_leading_blank_lines.txt")).text == "late"


def test_an_unknown_finish_reason_is_taken_as_stop_with_a_warning() -> None:
    response = CODEC.decode(b'{"choices":[{"message":{"content":"x"},"finish_reason":"tired"}]}')
    assert response.finish_reason == "stop"
    assert "tired" in response.warnings[0]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (golden_bytes("openrouter/chat_200_top_level_error.json"), FailureKind.SERVER_ERROR),
        (golden_bytes("openrouter/chat_200_error_choice.json"), FailureKind.SERVER_ERROR),
        (golden_bytes("deepseek/chat_insufficient_resource.json"), FailureKind.OVERLOADED),
        (b'{"error":"Unauthorized","code":401}', FailureKind.AUTH),
        (b'{"error":{"message":"x","code":429}}', FailureKind.RATE_LIMITED),
        (b'{"object":"error","message":"x","code":400}', FailureKind.BAD_REQUEST),
        (b"<html>", FailureKind.BAD_ANSWER),
        (b"[]", FailureKind.BAD_ANSWER),
        (b"{}", FailureKind.BAD_ANSWER),
        (b'{"choices":[]}', FailureKind.BAD_ANSWER),
        (b'{"choices":[{}]}', FailureKind.BAD_ANSWER),
        (b'{"choices":[{"message":{"content":', FailureKind.BAD_ANSWER),
        (b'{"choices":[NaN]}', FailureKind.BAD_ANSWER),
    ],
)
def test_an_error_with_200_is_that_error(body: bytes, kind: FailureKind) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(body)
    assert caught.value.kind is kind


STREAMS: dict[str, tuple[str, str, list[str], str]] = {
    "openai/stream_text_usage": ("Hello! How can I help?", "", [], "stop"),
    "openai/stream_tool_calls": ("", "", [PARIS, '{"city":"Rome"}'], "tool_calls"),
    "openai/stream_content_filter": ("I ", "", [], "content_filter"),
    "groq/stream_x_groq_usage": ("Hello!", "User greets.", [], "stop"),
    "groq/stream_include_usage": ("Hi", "", [], "stop"),
    "groq/stream_tool_call_whole": ("", "", [PARIS], "tool_calls"),
    "deepseek/stream_reasoning_keepalive": ("12231", "27*453 = 12231", [], "stop"),
    "xai/stream_text_usage": ("Hello", "", [], "stop"),
    "xai/stream_tool_call_single_chunk": ("", "", [PARIS], "tool_calls"),
    "mistral/stream_text_usage_last": ("Hello", "", [], "stop"),
    "mistral/stream_tool_call_one_chunk": ("", "", ['{"city": "Paris"}'], "tool_calls"),
    "mistral/stream_reasoning": ("12231", "27*453 = 12231", [], "stop"),
    "together/stream_text": ("Hello", "", [], "stop"),
    "openrouter/stream_text_comments_usage": ("12231", "Compute.", [], "stop"),
    "azure/stream_first_chunk_empty_choices": ("Hello!", "", [], "stop"),
    "azure/stream_async_filter": ("Hello!", "", [], "content_filter"),
    "vllm/stream_usage_every_chunk": ("yes", "Pick", [], "stop"),
    "localai/stream_zero_usage_every_chunk": ("Hello!", "", [], "stop"),
    "gemini/compat_stream_tool_call": ("", "", [PARIS], "tool_calls"),
    "ollama/compat_stream_usage": ("Hello", "", [], "stop"),
    "ollama/compat_stream_tool_call": ("", "", [PARIS], "tool_calls"),
}


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_says_what_a_whole_answer_says(name: str) -> None:
    content, reasoning, arguments, finish = STREAMS[name]

    chunks, is_complete = chunks_of(CODEC, [golden_bytes(f"{name}.sse")])
    result = told(chunks)

    assert is_complete
    assert (result.content, result.reasoning, result.finish) == (content, reasoning, finish)
    assert [call["arguments"] for call in result.calls.values()] == arguments
    assert all(call["id"] and call["name"] == "get_weather" for call in result.calls.values())
    assert len(result.ids) == 1
    assert result.usage_chunks == (1 if result.usage else 0)
    assert all("obfuscation" not in each.chunk for each in chunks)


@pytest.mark.parametrize("name", ["openai/stream_tool_calls", "azure/stream_async_filter", "mistral/stream_reasoning"])
def test_every_split_point_gives_the_same_chunks(name: str) -> None:
    body = golden_bytes(f"{name}.sse")
    whole = chunks_of(CODEC, [body])
    for cut in range(len(body)):
        assert chunks_of(CODEC, [body[:cut], body[cut:]]) == whole


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.integers(1, 400))
def test_any_size_of_reads_gives_the_same_chunks(name: str, size: int) -> None:
    body = golden_bytes(f"{name}.sse")
    cut = [body[at : at + size] for at in range(0, len(body), size)]
    assert told(chunks_of(CODEC, cut)[0]) == told(chunks_of(CODEC, [body])[0])


def test_usage_comes_once_and_last_in_a_chunk_without_choices() -> None:
    chunks, _ = chunks_of(CODEC, [golden_bytes("vllm/stream_usage_every_chunk.sse")])
    assert chunks[0].usage == Usage(14, 0)
    assert chunks[-1].chunk["choices"] == []
    assert chunks[-1].usage == Usage(14, 3)
    assert all("usage" not in each.chunk for each in chunks[:-1])


def test_the_first_content_is_told_from_the_empty_beginning() -> None:
    chunks, _ = chunks_of(CODEC, [golden_bytes("openai/stream_text_usage.sse")])
    assert [each.carries for each in chunks] == [False, True, True, True, False, False]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("openai/stream_error_midway", FailureKind.SERVER_ERROR),
        ("groq/stream_error_midway", FailureKind.BAD_ANSWER),
        ("openrouter/stream_error_midway", FailureKind.SERVER_ERROR),
        ("vllm/stream_error_midway", FailureKind.SERVER_ERROR),
    ],
)
def test_an_error_inside_a_stream_is_raised(name: str, kind: FailureKind) -> None:
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [golden_bytes(f"{name}.sse")])
    assert caught.value.kind is kind


def test_a_stream_that_lost_its_error_is_not_complete() -> None:
    _, is_complete = chunks_of(CODEC, [golden_bytes("ollama/compat_stream_error_lost.sse")])
    assert not is_complete


def test_the_end_marker_alone_does_not_make_a_stream_complete() -> None:
    _, is_complete = chunks_of(CODEC, [sse(delta(content="half a"), b"[DONE]")])
    assert not is_complete


def test_an_empty_finish_reason_counts_at_the_end_marker_only() -> None:
    calls = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]
    chunks, is_complete = chunks_of(CODEC, [sse(delta("", content="x"), delta("", tool_calls=calls), b"[DONE] ")])
    assert is_complete
    assert [each.finish_reason for each in chunks] == [None, None, "tool_calls"]


def test_calls_that_all_have_index_0_are_told_apart_by_id() -> None:
    def call(id_: str | None, arguments: Any) -> dict[str, Any]:
        return {"index": 0, **({"id": id_} if id_ else {}), "function": {"name": "", "arguments": arguments}}

    body = sse(
        delta(tool_calls=[call("a", "{")]),
        delta(tool_calls=[call(None, "}")]),
        delta(tool_calls=[call("b", {"x": 1})]),
        delta(tool_calls=[call("b", "")]),
        delta("stop"),
        b"[DONE]",
    )
    result = told(chunks_of(CODEC, [body])[0])
    assert {n: (c["id"], c["arguments"]) for n, c in result.calls.items()} == {0: ("a", "{}"), 1: ("b", '{"x":1}')}
    assert result.finish == "tool_calls"


def test_every_choice_needs_its_end() -> None:
    def of(index: int, finish: str | None, **fields: Any) -> dict[str, Any]:
        return {"choices": [{"index": index, "delta": fields, "finish_reason": finish}]}

    half = sse(of(0, None, content="a"), of(1, None, content="b"), of(0, "stop"))
    assert not chunks_of(CODEC, [half])[1]
    assert chunks_of(CODEC, [half + sse(of(1, "stop"))])[1]


@pytest.mark.parametrize("event", [b"7", b"[1]", b"{", b'{"choices":[3]}', b'{"choices":[{"index":"x","delta":{}}]}'])
def test_what_is_no_chunk_is_a_bad_answer(event: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [sse(event)])
    assert caught.value.kind is FailureKind.BAD_ANSWER


@pytest.mark.parametrize(
    "event",
    [
        b'{"choices":null}',
        b'{"choices":[{"delta":null}]}',
        b'{"choices":[{"delta":{"tool_calls":null}}],"usage":7}',
        b'{"x_groq":3,"choices":[{"delta":{"content":null},"logprobs":null}],"usage":{"prompt_tokens":null}}',
    ],
)
def test_odd_but_harmless_chunks_are_tolerated(event: bytes) -> None:
    chunks, _ = chunks_of(CODEC, [sse(event)])
    assert not any(each.carries for each in chunks)
