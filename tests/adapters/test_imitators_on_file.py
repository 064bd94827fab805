"""Every answer on file of the providers that imitate OpenAI, read as its provider's notes say."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import orjson
import pytest

from app.adapters.codec import Codec
from app.adapters.presets import PRESETS
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.provider import ProviderType
from app.domain.usage import Usage
from tests.adapters.streams import chunks_of, told
from tests.golden import GOLDEN, golden_bytes, golden_json

PARIS, SPACED = '{"city":"Paris"}', '{"city": "Paris"}'
DEEPSEEK, GROQ, MISTRAL, TOGETHER = Usage(18, 140, 0, 0, 122), Usage(18, 30, 0, 0, 12), Usage(16, 34), Usage(20, 12)
XAI = Usage(37, 209, 8, 0, 200, reported_cost=Decimal("0.001316"))
OPENROUTER = Usage(194, 20, 0, 0, 8, reported_cost=Decimal("0.001176"))
VLLM, LOCALAI = Usage(14, 12), Usage(12, 5)

# Finish, content, reasoning, arguments of calls, usage.
Said = tuple[str, str, str, list[str], Usage]
WHOLE: dict[str, Said] = {
    "deepseek/chat_reasoning.json": ("stop", "12231", "27*453 = ...", [], DEEPSEEK),
    "deepseek/chat_tool_call.json": ("tool_calls", "", "Need the tool.", [PARIS], Usage(330, 140, 256, 0, 122)),
    "deepseek/nonstream_body_with_leading_blank_lines.txt": ("stop", "late", "", [], DEEPSEEK),
    "groq/chat_response.json": ("stop", "Hello!", "User greets; reply.", [], GROQ),
    "groq/chat_tool_call.json": ("tool_calls", "", "", [PARIS], GROQ),
    "xai/chat_reasoning_content_legacy.json": ("stop", "12231", "First, ...", [], XAI),
    "xai/chat_response_reasoning_excluded.json": ("stop", "12231", "", [], XAI),
    "xai/chat_tool_call_empty_finish_reason.json": ("tool_calls", "", "", [PARIS], XAI),
    "mistral/chat_model_length.json": ("length", "Once", "", [], MISTRAL),
    "mistral/chat_reasoning_chunks.json": ("stop", "12231", "27*453 ...", [], MISTRAL),
    "mistral/chat_response.json": ("stop", "Hello!", "", [], MISTRAL),
    "mistral/chat_tool_call.json": ("tool_calls", "", "", [SPACED], MISTRAL),
    "together/chat_eos.json": ("stop", "Hello!", "", [], TOGETHER),
    "together/chat_response.json": ("stop", "Hello!", "Greet back.", [], TOGETHER),
    "together/chat_tool_call.json": ("tool_calls", "", "", [PARIS], TOGETHER),
    "openrouter/chat_response.json": ("stop", "12231", "Compute.", [], OPENROUTER),
    "openrouter/chat_tool_call.json": ("tool_calls", "", "", [PARIS], OPENROUTER),
    "vllm/chat_response.json": ("stop", "Hello!", "", [], VLLM),
    "vllm/chat_tool_call_reasoning.json": ("tool_calls", "", "Need the tool.", [PARIS], VLLM),
    "localai/chat_response.json": ("stop", "Hello!", "", [], LOCALAI),
    "localai/chat_tool_call.json": ("tool_calls", "", "", [PARIS], LOCALAI),
}
STREAMED: dict[str, Said] = {
    "deepseek/stream_reasoning_keepalive.sse": ("stop", "12231", "27*453 = 12231", [], DEEPSEEK),
    "groq/stream_include_usage.sse": ("stop", "Hi", "", [], GROQ),
    "groq/stream_tool_call_whole.sse": ("tool_calls", "", "", [PARIS], GROQ),
    "groq/stream_x_groq_usage.sse": ("stop", "Hello!", "User greets.", [], GROQ),
    "xai/stream_text_usage.sse": ("stop", "Hello", "", [], XAI),
    "xai/stream_tool_call_single_chunk.sse": ("tool_calls", "", "", [PARIS], XAI),
    "mistral/stream_reasoning.sse": ("stop", "12231", "27*453 = 12231", [], MISTRAL),
    "mistral/stream_text_usage_last.sse": ("stop", "Hello", "", [], MISTRAL),
    "mistral/stream_tool_call_one_chunk.sse": ("tool_calls", "", "", [SPACED], MISTRAL),
    "together/stream_text.sse": ("stop", "Hello", "", [], TOGETHER),
    "openrouter/stream_text_comments_usage.sse": ("stop", "12231", "Compute.", [], OPENROUTER),
    "vllm/stream_usage_every_chunk.sse": ("stop", "yes", "Pick", [], Usage(14, 3)),
    "localai/stream_zero_usage_every_chunk.sse": ("stop", "Hello!", "", [], LOCALAI),
}
FAILED: dict[str, K] = {
    "deepseek/chat_insufficient_resource.json": K.OVERLOADED,
    "groq/stream_error_midway.sse": K.BAD_ANSWER,
    "openrouter/chat_200_error_choice.json": K.SERVER_ERROR,
    "openrouter/chat_200_top_level_error.json": K.SERVER_ERROR,
    "openrouter/stream_error_midway.sse": K.SERVER_ERROR,
    "vllm/stream_error_midway.sse": K.SERVER_ERROR,
}
# The same conversation, whole and streamed.
PAIRS = [
    ("groq/chat_tool_call.json", "groq/stream_tool_call_whole.sse"),
    ("xai/chat_tool_call_empty_finish_reason.json", "xai/stream_tool_call_single_chunk.sse"),
    ("mistral/chat_tool_call.json", "mistral/stream_tool_call_one_chunk.sse"),
    ("localai/chat_response.json", "localai/stream_zero_usage_every_chunk.sse"),
]
ELSEWHERE = {"models_list.json", "tokenize.json"}
PROVIDERS = ["deepseek", "groq", "xai", "mistral", "together", "openrouter", "vllm", "localai"]


def codec_of(name: str) -> Codec:
    return PRESETS[ProviderType(name.partition("/")[0])].codec


def test_every_answer_on_file_is_in_a_table() -> None:
    on_file = {
        str(path.relative_to(GOLDEN))
        for provider in PROVIDERS
        for path in (GOLDEN / provider).iterdir()
        if path.name not in ELSEWHERE and not path.name.startswith(("error_", "request_"))
    }
    assert on_file == WHOLE.keys() | STREAMED.keys() | FAILED.keys()


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_is_read(name: str) -> None:
    response = codec_of(name).decode(golden_bytes(name))
    message = response.message
    calls = message.get("tool_calls", [])
    arguments = [call["function"]["arguments"] for call in calls]
    said = (response.finish_reason, response.text, message.get("reasoning_content", ""), arguments, response.usage)
    assert said == WHOLE[name]
    assert all(call["id"] and call["id"] != response.completion["id"] for call in calls)
    assert response.completion["usage"]["completion_tokens"] == WHOLE[name][4].output_tokens


@pytest.mark.parametrize("name", STREAMED)
def test_a_stream_is_read(name: str) -> None:
    chunks, is_complete = chunks_of(codec_of(name), [golden_bytes(name)])
    result = told(chunks)
    arguments = [call["arguments"] for call in result.calls.values()]
    assert (result.finish, result.content, result.reasoning, arguments, result.usage) == STREAMED[name]
    assert is_complete
    assert result.usage_chunks == 1
    assert chunks[-1].chunk["usage"]["completion_tokens"] == STREAMED[name][4].output_tokens
    roles = [
        choice["delta"]["role"] for each in chunks for choice in each.chunk["choices"] if "role" in choice["delta"]
    ]
    assert roles == ["assistant"]


@pytest.mark.parametrize(("whole", "streamed"), PAIRS)
def test_a_stream_says_what_the_whole_answer_says(whole: str, streamed: str) -> None:
    assert WHOLE[whole][:4] == STREAMED[streamed][:4]
    message = codec_of(whole).decode(golden_bytes(whole)).message
    result = told(chunks_of(codec_of(streamed), [golden_bytes(streamed)])[0])
    assert result.content == (message["content"] or "")
    assert [(call["name"], call["arguments"]) for call in result.calls.values()] == [
        (call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", ())
    ]


@pytest.mark.parametrize("name", FAILED)
def test_an_error_in_a_success_is_raised(name: str) -> None:
    codec = codec_of(name)
    with pytest.raises(ProviderError) as caught:
        chunks_of(codec, [golden_bytes(name)]) if name.endswith(".sse") else codec.decode(golden_bytes(name))
    assert caught.value.kind is FAILED[name]


@pytest.mark.parametrize("name", [name for name in STREAMED if "tool" in name or "reasoning" in name])
def test_every_split_point_gives_the_same_chunks(name: str) -> None:
    body, codec = golden_bytes(name), codec_of(name)
    whole = chunks_of(codec, [body])
    assert all(chunks_of(codec, [body[:cut], body[cut:]]) == whole for cut in range(len(body)))


def events(*values: Any) -> bytes:
    return b"".join(b"data: " + orjson.dumps(value) + b"\n\n" for value in values)


def test_an_early_stop_that_groq_hides_is_an_error() -> None:
    hidden = {"id": "c", "choices": [], "x_groq": {"id": "r", "error": "over capacity, please try again"}}
    with pytest.raises(ProviderError, match="over capacity"):
        chunks_of(codec_of("groq/"), [events(hidden)])


def test_usage_that_comes_twice_is_counted_once() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    last = {"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}
    extra = {"id": "c", "choices": [], "usage": usage}
    for name in ("deepseek/", "groq/", "localai/"):
        chunks, _ = chunks_of(codec_of(name), [events(last, extra)])
        assert [chunk.chunk.get("usage") for chunk in chunks] == [None, usage]


def test_usage_stays_what_it_was_where_only_zeros_follow() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    said = {"id": "c", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}
    chunks, _ = chunks_of(codec_of("localai/"), [events(said, {"id": "c", "choices": [], "usage": zeros})])
    assert told(chunks).usage == Usage(5, 7)


def test_calls_whose_ids_are_the_answers_own_get_ids_of_their_own() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said = {"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "stop"}]}
    (found,) = told(chunks_of(codec_of("localai/"), [events(said)])[0]).calls.values()
    assert found["id"].startswith("call_")


def test_an_error_of_xai_within_a_stream_is_raised() -> None:
    with pytest.raises(ProviderError) as caught:
        chunks_of(
            codec_of("xai/"),
            [events({"code": "Some resource has been exhausted", "error": "used all available credits"})],
        )
    assert caught.value.kind is K.QUOTA_EXHAUSTED


def test_a_providers_own_words_stay_beside_the_canonical_ones() -> None:
    stated = golden_json("deepseek/chat_tool_call.json")["usage"]
    usage = codec_of("deepseek/").decode(golden_bytes("deepseek/chat_tool_call.json")).completion["usage"]
    assert usage == stated
    xai = codec_of("xai/").decode(golden_bytes("xai/chat_response_reasoning_excluded.json")).completion["usage"]
    assert (xai["completion_tokens"], xai["total_tokens"], xai["cost_in_usd_ticks"]) == (209, 246, 13160000)
