"""Every provider that can be configured, with its golden answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.provider import ProviderType as T
from tests.matrix import accepting, accepting_chat
from tests.matrix.likes import Likes, choice_of

JSON = dict[str, Any]


@dataclass(frozen=True)
class Wire:
    """What a wire of a provider's finds wrong with a body, and its golden answers by what is wanted of them."""

    complaints: Callable[[JSON], Iterator[str]]
    answers: Mapping[str, str]
    choice: Callable[[JSON], Any] = choice_of


@dataclass(frozen=True)
class Upstream:
    """One provider with one model, and how each of its wires answers; a wire is known by the end of its path."""

    type: T
    model: str
    wires: Mapping[str, Wire]
    url: str = ""


def _chat(likes: Likes, **answers: str) -> Wire:
    files = {
        "text": "openai/chat_response.json",
        "stream text": "openai/stream_text_usage.sse",
        "calls": "openai/chat_tool_call.json",
        "stream calls": "openai/stream_tool_calls.sse",
        "form": "openai/chat_json_schema.json",
    }
    return Wire(likes.complaints, files | {name.replace("_", " "): file for name, file in answers.items()})


def _likes(type_: T, model: str, likes: Likes, url: str = "", **answers: str) -> Upstream:
    return Upstream(type_, model, {"/chat/completions": _chat(likes, **answers)}, url)


_RESPONSES = {
    "text": "openai/responses_response.json",
    "stream text": "openai/responses_stream_text.sse",
    "calls": "openai/responses_tool_call.json",
    "stream calls": "openai/responses_stream_tool_call.sse",
    "form": "openai/responses_response.json",
}
_ANTHROPIC = {
    "text": "anthropic/chat_response.json",
    "stream text": "anthropic/stream_text.sse",
    "calls": "anthropic/chat_tool_call.json",
    "stream calls": "anthropic/stream_tool_call.sse",
    "form": "anthropic/chat_json_schema.json",
}
_GEMINI = {
    "text": "gemini/chat_response.json",
    "stream text": "gemini/stream_text.sse",
    "calls": "gemini/chat_tool_call.json",
    "stream calls": "gemini/stream_tool_call.sse",
    "form": "gemini/chat_json_mode.json",
}
_OLLAMA = {
    "text": "ollama/chat_response.json",
    "stream text": "ollama/stream_text.ndjson",
    "calls": "ollama/chat_tool_call.json",
    "stream calls": "ollama/stream_tool_call.ndjson",
    "form": "ollama/chat_json_schema.json",
}


def _platform(type_: T, model: str, url: str = "", **answers: str) -> Upstream:
    responses = Wire(accepting.RESPONSES[0], _RESPONSES, accepting.RESPONSES[1])
    return Upstream(
        type_,
        model,
        {"/chat/completions": _chat(accepting_chat.openai(model), **answers), "/responses": responses},
        url,
    )


def _own(type_: T, model: str, dialect: tuple[Any, Any], answers: Mapping[str, str], path: str) -> Upstream:
    return Upstream(type_, model, {path: Wire(dialect[0], answers, dialect[1])})


_AZURES = {"text": "azure/chat_response.json", "stream_text": "azure/stream_first_chunk_empty_choices.sse"}
_DATED = "https://desk.openai.azure.com?api-version=2024-10-21"
UPSTREAMS: Mapping[str, Upstream] = {
    "openai": _platform(T.OPENAI, "gpt-4o"),
    "openai_reasoning": _platform(T.OPENAI, "o3"),
    "openai_newer": _platform(T.OPENAI, "gpt-6-luna"),
    "openai_responses": _platform(T.OPENAI, "o3-pro"),
    "azure": _platform(T.AZURE, "gpt-4o", "https://desk.openai.azure.com", **_AZURES),
    "azure_dated": _likes(T.AZURE, "gpt-4o", accepting_chat.DATED_AZURE, _DATED, **_AZURES),
    "anthropic": _own(T.ANTHROPIC, "claude-sonnet-4-6", accepting.ANTHROPIC, _ANTHROPIC, "/messages"),
    "anthropic_thinking": _own(T.ANTHROPIC, "claude-opus-5-5", accepting.ANTHROPIC, _ANTHROPIC, "/messages"),
    "gemini": _own(T.GEMINI, "gemini-3.8-flash", accepting.GEMINI, _GEMINI, "ateContent"),
    "gemini_older": _own(T.GEMINI, "gemini-3-flash", accepting.GEMINI, _GEMINI, "ateContent"),
    "ollama": _own(T.OLLAMA, "llama3.2", accepting.OLLAMA, _OLLAMA, "/api/chat"),
    "deepseek": _likes(T.DEEPSEEK, "deepseek-v4-pro", accepting_chat.DEEPSEEK, calls="deepseek/chat_tool_call.json"),
    "groq": _likes(
        T.GROQ, "openai/gpt-oss-120b", accepting_chat.GROQ, text="groq/chat_response.json",
        stream_text="groq/stream_x_groq_usage.sse", calls="groq/chat_tool_call.json",
        stream_calls="groq/stream_tool_call_whole.sse",
    ),
    "xai": _likes(
        T.XAI, "grok-4.7", accepting_chat.XAI, stream_text="xai/stream_text_usage.sse",
        calls="xai/chat_tool_call_empty_finish_reason.json", stream_calls="xai/stream_tool_call_single_chunk.sse",
    ),
    "mistral": _likes(
        T.MISTRAL, "mistral-medium-latest", accepting_chat.MISTRAL, text="mistral/chat_response.json",
        stream_text="mistral/stream_text_usage_last.sse", calls="mistral/chat_tool_call.json",
        stream_calls="mistral/stream_tool_call_one_chunk.sse",
    ),
    "together": _likes(
        T.TOGETHER, "moonshotai/Kimi-K3", accepting_chat.TOGETHER, text="together/chat_response.json",
        stream_text="together/stream_text.sse", calls="together/chat_tool_call.json",
    ),
    "openrouter": _likes(
        T.OPENROUTER, "anthropic/claude-opus-5.5", accepting_chat.OPENROUTER, text="openrouter/chat_response.json",
        stream_text="openrouter/stream_text_comments_usage.sse", calls="openrouter/chat_tool_call.json",
    ),
    "vllm": _likes(
        T.VLLM, "Qwen/Qwen3.5-9B", accepting_chat.VLLM, text="vllm/chat_response.json",
        stream_text="vllm/stream_usage_every_chunk.sse", calls="vllm/chat_tool_call_reasoning.json",
    ),
    "localai": _likes(
        T.LOCALAI, "gpt-4", accepting_chat.LOCALAI, text="localai/chat_response.json",
        stream_text="localai/stream_zero_usage_every_chunk.sse", calls="localai/chat_tool_call.json",
    ),
    "openai_compatible": _likes(
        T.OPENAI_COMPATIBLE, "loaded", accepting_chat.COMPATIBLE, "http://somewhere.test:1234/v1"
    ),
}  # fmt: skip
