from __future__ import annotations

from typing import Any

import pytest

from app.domain.provider import ProviderType
from tests.adapters.wire import body_for, from_request, refused_param, warned_for
from tests.golden import golden_json

T = ProviderType.DEEPSEEK
JSON_MODE = {"type": "json_object"}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOLS = [{"type": "function", "function": {"name": "f", "strict": True}}]


def test_a_canonical_request_becomes_the_one_on_file() -> None:
    expected = golden_json("deepseek/request_thinking_tools.json")
    messages, parameters = from_request("deepseek/request_thinking_tools.json", "thinking", "user_id", "max_tokens")
    body = body_for(
        T, messages, model=expected["model"], stream=True, **parameters, user="tenant-1", max_completion_tokens=2048
    )
    assert body == expected


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("none", {"thinking": {"type": "disabled"}}),
        ("minimal", {"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
        ("medium", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("xhigh", {"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ("max", {"thinking": {"type": "enabled"}, "reasoning_effort": "max"}),
    ],
)
def test_thinking_is_switched_beside_its_level(level: str, expected: dict[str, Any]) -> None:
    body = body_for(T, reasoning_effort=level)
    assert {name: value for name, value in body.items() if name not in ("model", "messages")} == expected


def test_thinking_does_without_sampling() -> None:
    colours: dict[str, Any] = {
        "temperature": 0.5,
        "top_p": 0.5,
        "presence_penalty": 1,
        "frequency_penalty": 1,
        "seed": 1,
    }
    assert set(warned_for(T, **colours)) == set(colours)
    assert warned_for(T, **colours, reasoning_effort="none") == ["seed"]


def test_log_probabilities_are_there_only_without_thinking() -> None:
    assert refused_param(T, logprobs=True) == "logprobs"
    body = body_for(T, logprobs=True, top_logprobs=2, reasoning_effort="none")
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)


@pytest.mark.parametrize(
    ("content", "is_added"),
    [("Say hi", True), ("Say hi in JSON", False), ([{"type": "text", "text": "as json"}], False), (None, True)],
)
def test_json_mode_is_named_in_the_prompt(content: Any, is_added: bool) -> None:
    messages = body_for(T, [{"role": "user", "content": content}], response_format=JSON_MODE)["messages"]
    assert ("JSON" in str(messages[0]["content"]) and messages[0]["role"] == "system") == is_added
    assert len(messages) == 1 + is_added
    assert len(body_for(T, [{"role": "user", "content": content}])["messages"]) == 1


def test_where_tools_are_about_every_answer_carries_its_reasoning() -> None:
    lost = {"role": "assistant", "content": "x"}
    kept = {"role": "assistant", "content": "y", "reasoning_content": "why", "reasoning_details": [{"type": "other"}]}
    sent = body_for(T, [lost, kept], tools=TOOLS)["messages"]
    assert [each["reasoning_content"] for each in sent] == [" ", "why"]
    assert all("reasoning_details" not in each for each in sent)
    assert "reasoning_content" not in body_for(T, [lost])["messages"][0]
    assert "reasoning_content" not in body_for(T, [lost], tools=TOOLS, reasoning_effort="none")["messages"][0]
    called = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert body_for(T, [called])["messages"][0]["reasoning_content"] == " "


def test_texts_in_parts_become_one() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    picture = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    for role in ("system", "developer", "user", "assistant", "tool"):
        assert body_for(T, [{"role": role, "content": parts}])["messages"][0]["content"] == "a\nb"
    assert body_for(T, [{"role": "user", "content": [*parts, picture]}])["messages"][0]["content"][2] == picture
    assert refused_param(T, [{"role": "assistant", "content": [picture]}]) == "messages"


def test_lists_have_their_lengths() -> None:
    assert refused_param(T, stop=["x"] * 17) == "stop"
    assert refused_param(T, tools=TOOLS * 129) == "tools"
    assert len(body_for(T, stop=["x"] * 16)["stop"]) == 16


def test_strict_tools_are_plain_ones() -> None:
    assert body_for(T, tools=TOOLS)["tools"] == [{"type": "function", "function": {"name": "f"}}]
