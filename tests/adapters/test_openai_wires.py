from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.adapters.openai_platform import PlatformCodec
from app.adapters.openai_wires import Family, family_of, wire_of
from app.adapters.presets import PRESETS
from app.adapters.responses import ResponsesCodec
from app.adapters.responses_native import NativeResponsesCodec
from app.domain.chat import Call, ChatRequest, NativeBody, Wire
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import AUDIO_IN, CHOICES, CUSTOM_TOOLS, JSON_SCHEMA, LOGPROBS, TOOLS
from app.domain.provider import ProviderType
from tests.adapters.streams import a_call

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CUSTOM = {"type": "custom", "custom": {"name": "c"}}
PLATFORM = PRESETS[ProviderType.OPENAI].codec


@pytest.mark.parametrize(
    ("family", "models"),
    [
        (
            Family.CHAT,
            ["gpt-4o", "gpt-4o-mini-2024-07-18", "gpt-4.1", "o3", "o4-mini", "gpt-5", "gpt-5-mini", "gpt-5.1"],
        ),
        (Family.CHAT, ["gpt-5.2", "gpt-5.3-chat-latest", "gpt-5.2-2025-12-11", "ft:gpt-4o:me::1", "gpt-oss-120b"]),
        (Family.CHAT, ["prod-1", "my-codex", "professional", "", "gpt", "claude-opus-5", "gpt-4-turbo", "llama-pro"]),
        (Family.QUIET, ["gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "gpt-5.6-sol", "gpt-5.6-luna-2026-07-01", "gpt-5.10"]),
        (Family.QUIET, ["gpt-6-sol", "gpt-6-luna", "gpt-6.1-terra", "openai/gpt-6-luna", "gpt-7"]),
        (Family.PLAIN, ["gpt-6-astra", "gpt-6.1-sol", "gpt-6.1-sol-2026-11-01"]),
        (Family.NEW, ["gpt-5-pro", "gpt-5.4-pro", "gpt-6-pro-2026-09-01", "o1-pro", "o3-pro", "gpt-5-codex"]),
        (
            Family.NEW,
            ["gpt-5.1-codex-max", "codex-mini-latest", "o3-deep-research", "o4-mini-deep-research-2025-06-26"],
        ),
    ],
)
def test_a_models_name_tells_its_family(family: Family, models: list[str]) -> None:
    assert {model: family_of(model) for model in models} == dict.fromkeys(models, family)


@pytest.mark.parametrize(
    ("model", "parameters", "wire"),
    [
        ("gpt-5.2", {}, Wire.CHAT),
        ("gpt-5.2", {"tools": [TOOL]}, Wire.CHAT),
        ("gpt-5.2", {"tools": [TOOL], "reasoning_effort": "high"}, Wire.CHAT),
        ("gpt-6-luna", {}, Wire.CHAT),
        ("gpt-6-luna", {"reasoning_effort": "high"}, Wire.CHAT),
        ("gpt-6-luna", {"tools": [TOOL]}, Wire.RESPONSES),
        ("gpt-6-luna", {"tools": [TOOL], "reasoning_effort": "low"}, Wire.RESPONSES),
        ("gpt-6-luna", {"tools": [TOOL], "reasoning_effort": "none"}, Wire.CHAT),
        ("gpt-6-luna", {"tools": [CUSTOM]}, Wire.CHAT),
        ("gpt-6-luna", {"tools": [CUSTOM, TOOL]}, Wire.RESPONSES),
        ("gpt-6-luna", {"tools": []}, Wire.CHAT),
        ("gpt-5.4", {"tools": [TOOL]}, Wire.RESPONSES),
        ("gpt-6-astra", {}, Wire.CHAT),
        ("gpt-6-astra", {"tools": [TOOL]}, Wire.RESPONSES),
        ("gpt-6-astra", {"tools": [TOOL], "reasoning_effort": "none"}, Wire.RESPONSES),
        ("gpt-5.4-pro", {}, Wire.RESPONSES),
        ("o3-deep-research", {"tools": [TOOL], "reasoning_effort": "none"}, Wire.RESPONSES),
        ("prod-1", {"tools": [TOOL]}, Wire.CHAT),
    ],
)
def test_model_tools_and_effort_decide_the_wire(model: str, parameters: dict[str, Any], wire: Wire) -> None:
    assert wire_of(model, parameters) is wire
    spoken = PLATFORM.for_call(a_call(model, **parameters))
    assert isinstance(spoken, ResponsesCodec) is (wire is Wire.RESPONSES)


def test_who_speaks_the_responses_api_is_answered_in_it() -> None:
    native = NativeBody(Wire.RESPONSES, {"input": "hi"})
    call = Call("gpt-4o", ChatRequest([{"role": "user", "content": "hi"}], native=native))
    assert isinstance(PLATFORM.for_call(call), NativeResponsesCodec)
    assert isinstance(PRESETS[ProviderType.AZURE].codec.for_call(call), NativeResponsesCodec)
    others = [type_ for type_ in PRESETS if not isinstance(PRESETS[type_].codec, PlatformCodec)]
    assert len(others) == len(PRESETS) - 2
    assert not [type_ for type_ in others if isinstance(PRESETS[type_].codec.for_call(call), ResponsesCodec)]


@pytest.mark.parametrize("model", ["gpt-5", "gpt-6-luna", "o3", "gpt-5.6-sol"])
def test_a_model_that_reasons_gives_one_choice(model: str) -> None:
    assert CHOICES not in PLATFORM.supports(model)
    assert {TOOLS, CUSTOM_TOOLS, JSON_SCHEMA} <= PLATFORM.supports(model)


@pytest.mark.parametrize("model", ["gpt-5", "gpt-6-luna", "o3", "gpt-5.4-pro"])
def test_logprobs_of_a_model_that_reasons_are_for_who_speaks_the_responses_api(model: str) -> None:
    assert LOGPROBS in PLATFORM.supports(model)
    stated = {"input": "hi", "include": ["message.output_text.logprobs"]}
    request = ChatRequest([{"role": "user", "content": "hi"}], {"logprobs": True}, NativeBody(Wire.RESPONSES, stated))
    call = Call(model, request)
    assert orjson.loads(PLATFORM.for_call(call).encode(call, stream=False).body)["include"] == stated["include"]

    other = a_call(model, logprobs=True)
    with pytest.raises(ProviderError) as caught:
        PLATFORM.for_call(other).encode(other, stream=False)
    assert (caught.value.kind, caught.value.param) == (FailureKind.UNSUPPORTED, "logprobs")


def test_a_server_without_the_responses_api_gives_no_logprobs_while_it_reasons() -> None:
    assert isinstance(PLATFORM, PlatformCodec)
    assert not {CHOICES, LOGPROBS} & replace(PLATFORM, has_responses=False).supports("o3")


def test_a_document_behind_a_url_goes_over_the_responses_api() -> None:
    document = {"type": "file", "file": {"file_url": "https://x.test/a.pdf", "filename": "a.pdf"}}
    call = Call("gpt-4o", ChatRequest([{"role": "user", "content": [document]}]))
    body = orjson.loads(PLATFORM.for_call(call).encode(call, stream=False).body)
    shown = {"type": "input_file", "file_url": "https://x.test/a.pdf", "filename": "a.pdf"}
    assert body["input"] == [{"role": "user", "content": [shown]}]


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-5.2", "prod-1"])
def test_a_model_that_need_not_reason_gives_both(model: str) -> None:
    assert {CHOICES, LOGPROBS, TOOLS} <= PLATFORM.supports(model)


def test_a_model_of_the_responses_api_alone_does_what_that_can_say() -> None:
    able = PLATFORM.supports("gpt-5.4-pro")
    assert {TOOLS, JSON_SCHEMA} <= able
    assert not {CHOICES, AUDIO_IN} & able
