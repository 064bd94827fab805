from __future__ import annotations

from typing import Any

import pytest

from app.adapters.presets import PRESETS
from app.domain.chat import ChatRequest
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import (
    AUDIO_IN,
    AUDIO_OUT,
    CHOICES,
    CUSTOM_TOOLS,
    FILES,
    FORCED_TOOLS,
    JSON_OBJECT,
    JSON_SCHEMA,
    LOGPROBS,
    PARAMS,
    TOOLS,
    VISION,
    needs_of,
)
from app.domain.provider import ProviderType as T
from tests.adapters.streams import a_call

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
ASKING: dict[str, dict[str, Any]] = {
    TOOLS: {"tools": [TOOL]},
    FORCED_TOOLS: {"tools": [TOOL], "tool_choice": "required"},
    CUSTOM_TOOLS: {"tools": [{"type": "custom", "custom": {"name": "c"}}]},
    VISION: {"part": {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}},
    AUDIO_IN: {"part": {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}},
    AUDIO_OUT: {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}},
    FILES: {"part": {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}}},
    CHOICES: {"n": 2},
    LOGPROBS: {"logprobs": True},
    JSON_OBJECT: {"response_format": {"type": "json_object"}},
    JSON_SCHEMA: {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}},
}
LACKING: list[tuple[T, str, set[str]]] = [
    (T.DEEPSEEK, "deepseek-v4-pro", {CUSTOM_TOOLS, AUDIO_IN, AUDIO_OUT, FILES, CHOICES, JSON_SCHEMA}),
    (T.GROQ, "openai/gpt-oss-120b", {CUSTOM_TOOLS, AUDIO_IN, AUDIO_OUT, FILES, CHOICES, LOGPROBS}),
    (T.GROQ, "qwen/qwen3.8-27b", {CUSTOM_TOOLS, AUDIO_IN, AUDIO_OUT, FILES, CHOICES, LOGPROBS, JSON_SCHEMA}),
    (T.XAI, "grok-4.7", {CUSTOM_TOOLS, AUDIO_IN, AUDIO_OUT, FILES}),
    (T.MISTRAL, "mistral-medium-latest", {CUSTOM_TOOLS, AUDIO_OUT}),
    (T.TOGETHER, "moonshotai/Kimi-K3", {CUSTOM_TOOLS, AUDIO_IN, AUDIO_OUT, FILES}),
    (T.OPENROUTER, "anthropic/claude-opus-5.5", {CUSTOM_TOOLS, AUDIO_OUT, CHOICES}),
    (T.VLLM, "Qwen/Qwen3.5-9B", {CUSTOM_TOOLS, AUDIO_OUT, FILES}),
    (T.LOCALAI, "gpt-4", {CUSTOM_TOOLS, AUDIO_IN, AUDIO_OUT, FILES}),
    (T.OPENAI_COMPATIBLE, "m", {CUSTOM_TOOLS, AUDIO_OUT}),
]


def asking(need: str) -> ChatRequest:
    parameters = dict(ASKING[need])
    part = parameters.pop("part", {"type": "text", "text": "json, please"})
    return ChatRequest([{"role": "user", "content": [part]}], parameters)


@pytest.mark.parametrize(("type_", "model", "lacking"), LACKING)
def test_a_provider_says_what_it_can(type_: T, model: str, lacking: set[str]) -> None:
    assert PRESETS[type_].codec.supports(model) == ASKING.keys() - lacking


@pytest.mark.parametrize(("type_", "model", "lacking"), LACKING)
@pytest.mark.parametrize("need", sorted(ASKING))
def test_a_need_is_said_or_refused_and_never_dropped(type_: T, model: str, lacking: set[str], need: str) -> None:
    call = a_call(model, list(asking(need).messages), **asking(need).parameters, reasoning_effort="none")
    codec = PRESETS[type_].codec
    if need not in lacking:
        warnings = codec.encode(call, stream=True).warnings
        assert not [each for each in warnings if not each.startswith("reasoning_effort")]
        return
    with pytest.raises(ProviderError) as caught:
        codec.encode(call, stream=True)
    assert (caught.value.kind, caught.value.param) == (FailureKind.UNSUPPORTED, PARAMS[need])


def test_what_asks_for_nothing_special_is_no_need() -> None:
    for type_, model, _ in LACKING:
        call = a_call(model, n=1, logprobs=False, modalities=["text"], response_format={"type": "text"})
        assert PRESETS[type_].codec.encode(call, stream=False).warnings == ()


def test_a_part_of_no_known_kind_is_no_need() -> None:
    parts: list[Any] = [{"type": ["image_url"]}, {"type": None}, {}, 7, {"type": "text", "text": "x"}]
    assert needs_of(ChatRequest([{"role": "user", "content": parts}])) == frozenset()
