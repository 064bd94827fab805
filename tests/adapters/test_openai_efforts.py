from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from app.adapters.openai_efforts import levels_of, with_known_effort
from app.adapters.presets import PRESETS
from app.domain.chat import NativeBody, Wire
from app.domain.provider import ProviderType
from tests.adapters.streams import a_call

TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("models", "levels"),
    [
        (["o1", "o3", "o4-mini", "o3-2025-04-16"], "low medium high"),
        (["gpt-5", "gpt-5-mini", "gpt-5-2025-08-07"], "minimal low medium high"),
        (["gpt-5.1"], "none low medium high"),
        (["gpt-5.2", "gpt-5.4-nano", "gpt-5.5", "gpt-5.6-sol"], "none low medium high xhigh"),
        (["gpt-6-luna", "gpt-6-sol", "gpt-6.1-terra"], "none low medium high xhigh max"),
        (["gpt-6-astra", "gpt-6.1-sol"], "low medium high xhigh max"),
        (
            ["gpt-4o", "gpt-7", "prod-1", "gpt-5-pro", "gpt-5.1-codex-max", "gpt-5-chat-latest", "o3-deep-research"],
            None,
        ),
    ],
)
def test_a_models_name_tells_the_levels_it_knows(models: list[str], levels: str | None) -> None:
    expected = None if levels is None else tuple(levels.split())
    assert {model: levels_of(model) for model in models} == dict.fromkeys(models, expected)


@pytest.mark.parametrize(
    ("model", "stated", "sent"),
    [
        ("gpt-5", "none", "minimal"),
        ("gpt-5.1", "minimal", "low"),
        ("o3", "max", "high"),
        ("gpt-5.5", "max", "xhigh"),
        ("gpt-6-astra", "none", "low"),
        ("gpt-6-luna", "none", "none"),
        ("prod-1", "minimal", "minimal"),
        ("gpt-5", "brand-new", "brand-new"),
    ],
)
def test_the_nearest_level_is_sent_and_said(model: str, stated: str, sent: str) -> None:
    parameters, warnings = with_known_effort(model, {"reasoning_effort": stated, "seed": 1})
    assert parameters == {"reasoning_effort": sent, "seed": 1}
    assert bool(warnings) is (sent != stated)


def test_both_wires_send_the_level_that_the_model_knows() -> None:
    codec = PRESETS[ProviderType.OPENAI].codec
    chat = codec.encode(a_call("o3", reasoning_effort="none", temperature=0.5), stream=False)
    assert orjson.loads(chat.body)["reasoning_effort"] == "low"
    assert [warning.split(" ")[0] for warning in chat.warnings] == ["reasoning_effort", "temperature"]

    call = a_call("gpt-6-astra", reasoning_effort="none", tools=[TOOL])
    wire = codec.for_call(call).encode(call, stream=False)
    assert orjson.loads(wire.body)["reasoning"] == {"effort": "low"}
    assert [warning.split(" ")[0] for warning in wire.warnings] == ["reasoning_effort"]


@pytest.mark.parametrize(
    "model", ["gpt-4o-mini", "gpt-4.1", "gpt-4-turbo", "gpt-4", "gpt-3.5-turbo", "chatgpt-4o-latest"]
)
def test_a_model_that_does_not_reason_is_told_no_level(model: str) -> None:
    assert with_known_effort(model, {"reasoning_effort": "low"})[1] == (
        f"reasoning_effort was dropped: {model} does not reason",
    )
    assert with_known_effort(model, {"reasoning_effort": "none", "seed": 1}) == ({"seed": 1}, ())
    wire = PRESETS[ProviderType.OPENAI].codec.encode(a_call(model, reasoning_effort="none"), stream=False)
    assert "reasoning_effort" not in orjson.loads(wire.body)


@pytest.mark.parametrize("type_", [ProviderType.OPENAI, ProviderType.AZURE, ProviderType.GROQ])
def test_top_k_of_another_wire_does_not_reach_servers_that_refuse_it(type_: ProviderType) -> None:
    codec, own = PRESETS[type_].codec, a_call("m", top_k=3)
    spoken = replace(own, request=replace(own.request, native=NativeBody(Wire.MESSAGES, {}, {})))

    translated = codec.encode(spoken, stream=False)

    assert "top_k" not in orjson.loads(translated.body)
    assert [warning.split(" ")[0] for warning in translated.warnings] == ["top_k"]
    assert orjson.loads(codec.encode(own, stream=False).body)["top_k"] == 3
