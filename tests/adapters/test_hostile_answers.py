"""Answers with one node replaced by something else: whatever a provider sends, only ProviderError comes out."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.anthropic import AnthropicCodec
from app.adapters.codec import Codec
from app.adapters.gemini import GeminiCodec
from app.adapters.ollama import OllamaCodec
from app.adapters.openai import OpenAICodec
from app.domain.errors import ProviderError
from tests.adapters.streams import chunks_of
from tests.golden import golden_bytes, golden_json

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -1, 7, 1.5, 10**18, "", "x", [], [1], [None], ["x"], [{}], {}, {"a": 1}, {"type": 3}]
)
OPENAI, ANTHROPIC = OpenAICodec(), AnthropicCodec()
GEMINI, OLLAMA = GeminiCodec(), OllamaCodec()
WHOLE: list[tuple[Codec, str]] = [
    (OPENAI, "openai/chat_tool_call.json"),
    (OPENAI, "mistral/chat_reasoning_chunks.json"),
    (OPENAI, "openrouter/chat_response.json"),
    (ANTHROPIC, "anthropic/chat_tool_call.json"),
    (GEMINI, "gemini/chat_tool_call.json"),
    (GEMINI, "gemini/chat_thoughts.json"),
    (GEMINI, "gemini/chat_safety_candidate.json"),
    (GEMINI, "gemini/chat_prompt_blocked.json"),
    (GEMINI, "gemini/stream_without_alt_sse.json"),
    (OLLAMA, "ollama/chat_tool_call.json"),
    (OLLAMA, "ollama/chat_thinking.json"),
]
STREAMED: list[tuple[Codec, str]] = [
    (OPENAI, "openai/stream_tool_calls.sse"),
    (OPENAI, "groq/stream_x_groq_usage.sse"),
    (OPENAI, "mistral/stream_reasoning.sse"),
    (ANTHROPIC, "anthropic/stream_tool_call.sse"),
    (ANTHROPIC, "anthropic/stream_thinking_text.sse"),
    (GEMINI, "gemini/stream_tool_call.sse"),
    (GEMINI, "gemini/stream_thoughts.sse"),
    (GEMINI, "gemini/stream_error_midway.sse"),
]
ERRORS = ["openai/error_429_rate_limit.json", "gemini/error_429_quota.json", "openrouter/error_429_free_limit.json"]


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(each for key, child in inner for each in paths_of(child, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = value.copy()
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(WHOLE), ODD)
def test_a_whole_answer_with_one_odd_node(data: st.DataObject, case: tuple[Codec, str], odd: Any) -> None:
    codec, name = case
    value = golden_json(name)
    path = data.draw(st.sampled_from(paths_of(value)))
    with contextlib.suppress(ProviderError):
        response = codec.decode(orjson.dumps(replaced(value, path, odd)))
        assert isinstance(response.text, str)
        assert isinstance(response.finish_reason, str)


@settings(max_examples=600, deadline=None)
@given(st.data(), st.sampled_from(STREAMED), ODD)
def test_a_stream_with_one_odd_node(data: st.DataObject, case: tuple[Codec, str], odd: Any) -> None:
    codec, name = case
    lines = golden_bytes(name).split(b"\n")
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line.startswith(b"data: {")]))
    value = orjson.loads(lines[at][6:])
    path = data.draw(st.sampled_from(paths_of(value)))
    lines[at] = b"data: " + orjson.dumps(replaced(value, path, odd))
    with contextlib.suppress(ProviderError):
        for each in chunks_of(codec, [b"\n".join(lines)])[0]:
            for choice in each.chunk["choices"]:
                assert isinstance(choice["delta"].get("content"), str | None)
                assert isinstance(choice["delta"].get("reasoning_content"), str | None)
                assert isinstance(choice["finish_reason"], str | None)


@pytest.mark.parametrize("name", ERRORS)
@settings(max_examples=100, deadline=None)
@given(data=st.data(), odd=ODD)
def test_an_error_with_one_odd_node(name: str, data: st.DataObject, odd: Any) -> None:
    envelope = golden_json(name)
    path = data.draw(st.sampled_from(paths_of(envelope["body"])))
    error = OPENAI.failure(envelope["status"], {}, orjson.dumps(replaced(envelope["body"], path, odd)))
    assert error.message
