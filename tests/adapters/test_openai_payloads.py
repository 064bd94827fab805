"""Every payload of OpenAI's and Azure's on file, and what it means."""

from __future__ import annotations

import orjson
import pytest

from app.adapters.codec import Codec
from app.adapters.presets import PRESETS
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.provider import ProviderType
from app.domain.usage import Usage
from tests.adapters.streams import a_call, chunks_of, told
from tests.golden import GOLDEN, golden_bytes

PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'
# Text, refusal, reason to end, usage, arguments of calls.
Meaning = tuple[str, str | None, str, Usage | None, list[str]]
WHOLE: dict[str, Meaning] = {
    "openai/chat_cached_usage.json": ("Done.", None, "stop", Usage(4096, 2, 3840, 256), []),
    "openai/chat_json_schema.json": ('{"age":22,"available":false}', None, "stop", Usage(61, 12), []),
    "openai/chat_length_reasoning.json": ("", None, "length", Usage(120, 256, 64, 0, 256), []),
    "openai/chat_refusal.json": ("", "I'm sorry, I can't help with that.", "stop", Usage(30, 11), []),
    "openai/chat_response.json": ("Hello! How can I help you today?", None, "stop", Usage(19, 10), []),
    "openai/chat_tool_call.json": ("", None, "tool_calls", Usage(82, 36), [PARIS, ROME]),
    "openai/responses_response.json": ("Paris is 14 °C.", None, "stop", Usage(82, 64, 0, 0, 28), []),
    "openai/responses_incomplete.json": ("Partial", None, "length", Usage(82, 64, 0, 0, 28), []),
    "openai/responses_tool_call.json": ("", None, "tool_calls", Usage(82, 64, 0, 0, 28), [PARIS]),
    "azure/chat_response.json": ("Hello!", None, "stop", Usage(19, 9), []),
    "azure/chat_content_filter_finish.json": ("I ", None, "content_filter", Usage(19, 9), []),
}
STREAMS: dict[str, Meaning] = {
    "openai/stream_content_filter.sse": ("I ", None, "content_filter", Usage(19, 2), []),
    "openai/stream_text_no_usage.sse": ("Hi", None, "stop", None, []),
    "openai/stream_text_usage.sse": ("Hello! How can I help?", None, "stop", Usage(19, 9), []),
    "openai/stream_tool_calls.sse": ("", None, "tool_calls", Usage(82, 36), [PARIS, ROME]),
    "openai/responses_stream_text.sse": ("Paris is 14 °C.", None, "stop", Usage(82, 64, 0, 0, 28), []),
    "openai/responses_stream_tool_call.sse": ("", None, "tool_calls", Usage(82, 64, 0, 0, 28), [PARIS]),
    "azure/stream_async_filter.sse": ("Hello!", None, "content_filter", None, []),
    "azure/stream_first_chunk_empty_choices.sse": ("Hello!", None, "stop", Usage(19, 9), []),
}
FAILED: dict[str, K] = {
    "openai/responses_failed.json": K.SERVER_ERROR,
    "openai/stream_error_midway.sse": K.SERVER_ERROR,
    "openai/responses_stream_failed.sse": K.RATE_LIMITED,
}
LISTS = {
    "openai/models_list.json": ["gpt-6-luna", "gpt-5", "text-embedding-3-small"],
    "azure/models_list_v1.json": [],  # models that could be deployed, not deployments
}
# What is asked, and vectors, are read by the tests of those.
ELSEWHERE = {"openai/request_canonical_tools.json", "openai/responses_request_tools.json", "openai/embeddings.json"}


def codec_of(name: str) -> Codec:
    codec = PRESETS[ProviderType(name.partition("/")[0])].codec
    return codec.for_call(a_call("gpt-5-pro")) if "/responses_" in name else codec


def test_every_payload_on_file_has_its_meaning() -> None:
    on_file = {str(path.relative_to(GOLDEN)) for dialect in ("openai", "azure") for path in GOLDEN.glob(f"{dialect}/*")}
    on_file = {name for name in on_file if "/error_" not in name}  # those have a table of their own
    assert on_file == WHOLE.keys() | STREAMS.keys() | FAILED.keys() | LISTS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_answer_means_what_its_provider_says(name: str) -> None:
    answer = codec_of(name).decode(golden_bytes(name))
    arguments = [call["function"]["arguments"] for call in answer.message.get("tool_calls", ())]
    found = (answer.text, answer.message["refusal"], answer.finish_reason, answer.usage, arguments)
    assert found == WHOLE[name]


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_means_what_its_provider_says(name: str) -> None:
    chunks, is_complete = chunks_of(codec_of(name), [golden_bytes(name)])
    result = told(chunks)
    arguments = [call["arguments"] for call in result.calls.values()]
    assert is_complete
    assert (result.content, None, result.finish, result.usage, arguments) == STREAMS[name]
    assert {each.chunk["model"] for each in chunks} == {each.chunk["model"] for each in chunks if each.chunk["model"]}


@pytest.mark.parametrize("name", FAILED)
def test_a_failure_with_200_is_that_failure(name: str) -> None:
    with pytest.raises(ProviderError) as caught:
        if name.endswith(".sse"):
            chunks_of(codec_of(name), [golden_bytes(name)])
        else:
            codec_of(name).decode(golden_bytes(name))
    assert caught.value.kind is FAILED[name]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_names_what_can_be_asked(name: str) -> None:
    assert codec_of(name).decode_models(golden_bytes(name)) == LISTS[name]


@pytest.mark.parametrize("name", [name for name in WHOLE if "/chat_" in name and name.startswith("openai/")])
def test_what_openai_itself_sends_passes_unchanged(name: str) -> None:
    assert codec_of(name).decode(golden_bytes(name)).completion == orjson.loads(golden_bytes(name))
