"""What Anthropic's dialect can say, what it cannot, and how both are told apart before anybody is asked."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.anthropic import UNSAMPLED, AnthropicCodec
from app.domain.chat import Call
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import FILES, FORCED_TOOLS, JSON_OBJECT, JSON_SCHEMA, MESSAGES_TOOLS, TOOLS, VISION
from tests.adapters.streams import a_call
from tests.golden import golden_bytes, golden_json

CODEC = AnthropicCodec()
OLD, NEW = "claude-haiku-4-5-20251001", "claude-opus-5-5"
WEATHER = golden_json("openai/request_canonical_tools.json")["tools"]
PDF = "data:application/pdf;base64,JVBERi0="


def encoded(call: Call, codec: AnthropicCodec = CODEC) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = codec.encode(call, stream=False)
    return orjson.loads(wire.body), wire.warnings


def said(*parts: dict[str, Any], role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(parts)}]


def refused(call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        encoded(call)
    return caught.value


@pytest.mark.parametrize(
    ("model", "more"),
    [
        ("claude-3-5-sonnet-20241022", {FORCED_TOOLS}),
        (OLD, {FORCED_TOOLS, JSON_SCHEMA}),
        ("claude-sonnet-5", {FORCED_TOOLS, JSON_SCHEMA}),
        (NEW, {JSON_SCHEMA}),
        ("a-proxys-name", {FORCED_TOOLS, JSON_SCHEMA}),
    ],
)
def test_what_a_model_can_do_is_known_before_it_is_asked(model: str, more: set[str]) -> None:
    assert CODEC.supports(model) == {TOOLS, MESSAGES_TOOLS, VISION, FILES} | more
    assert JSON_OBJECT not in CODEC.supports(model)


@pytest.mark.parametrize(
    ("model", "given", "param"),
    [
        (NEW, {"tools": WEATHER, "tool_choice": "required"}, "tool_choice"),
        (NEW, {"tools": WEATHER, "tool_choice": {"type": "function", "function": {"name": "f"}}}, "tool_choice"),
        (OLD, {"tools": WEATHER, "tool_choice": "required", "thinking": {"type": "enabled"}}, "tool_choice"),
        (OLD, {"tools": [{"type": "custom", "custom": {"name": "grammar"}}]}, "tools"),
        (OLD, {"functions": [{"name": "f"}]}, "functions"),
        (OLD, {"response_format": {"type": "json_object"}}, "response_format"),
        ("claude-3-5-haiku-latest", {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}},
         "response_format"),
        (OLD, {"n": 2}, "n"),
        (OLD, {"logprobs": True}, "logprobs"),
        (OLD, {"modalities": ["text", "audio"]}, "modalities"),
    ],
)  # fmt: skip
def test_what_changes_an_answers_shape_is_never_dropped(model: str, given: dict[str, Any], param: str) -> None:
    error = refused(a_call(model, **given))
    assert (error.kind, error.param) == (FailureKind.UNSUPPORTED, param)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-openais"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,aaaa"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,aaaa"}},
    ],
)
def test_a_part_without_a_counterpart_sends_the_walk_on(part: dict[str, Any]) -> None:
    error = refused(a_call(OLD, [{"role": "system", "content": "s"}, *said(part)]))
    assert error.kind is FailureKind.UNSUPPORTED
    assert error.param == "messages.1.content.0"


def test_a_system_message_with_a_picture_is_not_cut_to_its_text() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}
    assert refused(a_call(OLD, said(image, role="system"))).kind is FailureKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ({"file_data": PDF}, {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}),
        (
            {"file_data": "data:text/plain;base64,UFJJQ0U="},
            {"type": "text", "media_type": "text/plain", "data": "PRICE"},
        ),
        ({"file_url": "https://a.test/b.pdf"}, {"type": "url", "url": "https://a.test/b.pdf"}),
    ],
)
def test_a_file_becomes_a_document(file: dict[str, Any], source: dict[str, Any]) -> None:
    body, _ = encoded(a_call(OLD, said({"type": "file", "file": {**file, "filename": "b.pdf"}})))
    assert body["messages"][0]["content"] == [{"type": "document", "source": source, "title": "b.pdf"}]


def test_a_forced_tool_goes_before_thinking_where_a_model_cannot_do_both() -> None:
    call = {"tools": WEATHER, "tool_choice": "required", "reasoning_effort": "high"}
    older, warnings = encoded(a_call("claude-sonnet-4-6", **call))
    assert older["tool_choice"] == {"type": "any"}
    assert "thinking" not in older
    assert ["reasoning_effort" in warning for warning in warnings] == [True]

    by_default, _ = encoded(a_call("claude-sonnet-5", **call))
    assert by_default["thinking"] == {"type": "disabled"}
    both, warnings = encoded(a_call("claude-opus-4-8", **call))
    assert both["thinking"] == {"type": "adaptive"}
    assert warnings == ()


def test_only_the_allowed_tools_are_offered() -> None:
    tools = [*WEATHER, {"type": "function", "function": {"name": "other"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "other"}}]}}
    body, _ = encoded(a_call(OLD, tools=tools, tool_choice=choice))
    assert [tool["name"] for tool in body["tools"]] == ["other"]
    assert body["tool_choice"] == {"type": "auto"}


def test_a_tool_that_anthropic_runs_itself_is_offered_as_it_is() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    assert encoded(a_call(OLD, tools=[search]))[0]["tools"] == [search]


def test_marks_for_the_cache_stay_where_they_are() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    messages = [
        {"role": "system", "content": [{"type": "text", "text": "long", **mark}]},
        {"role": "user", "content": [{"type": "text", "text": "hi", **mark}]},
    ]
    body, _ = encoded(a_call(OLD, messages, tools=[{**WEATHER[0], **mark}]))
    assert body["system"] == [{"type": "text", "text": "long", **mark}]
    assert body["messages"][0]["content"] == [{"type": "text", "text": "hi", **mark}]
    assert body["tools"][0]["cache_control"] == mark["cache_control"]


def test_nothing_stands_between_a_call_and_its_result() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "system", "content": "be quick"},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    body, _ = encoded(a_call(NEW, messages, tools=WEATHER))
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "system"]


def test_a_schemas_unknown_keywords_are_named_and_its_objects_closed() -> None:
    schema = {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "^a"}}}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body, warnings = encoded(a_call(OLD, response_format=form))
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {"pattern": {"type": "string"}},
        "additionalProperties": False,
    }
    assert ["pattern" in warning for warning in warnings] == [True]


@pytest.mark.parametrize(
    "schema",
    [{"type": "object"}, {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "number"}}],
)
def test_an_open_schema_is_not_closed_behind_the_callers_back(schema: dict[str, Any]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    error = refused(a_call(OLD, response_format=form))
    assert error.kind is FailureKind.UNSUPPORTED
    assert error.param is not None
    assert error.param.startswith("response_format")


def test_thinking_of_another_provider_is_left_out() -> None:
    foreign: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "reasoning", "id": "rs_1", "encrypted_content": "x"},
        {"type": "redacted_thinking", "data": "ours"},
    ]
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "reasoning_details": foreign},
        {"role": "user", "content": "c"},
    ]
    body, _ = encoded(a_call(NEW, messages))
    assert body["messages"][1]["content"] == [foreign[2], {"type": "text", "text": "b"}]


def test_the_newer_version_of_the_api_takes_no_sampling_of_any_model() -> None:
    newer = AnthropicCodec(version=UNSAMPLED)
    wire = newer.encode(a_call(OLD, temperature=0.2), stream=False)
    assert wire.headers["anthropic-version"] == "2026-10-21"
    assert "temperature" not in orjson.loads(wire.body)
    assert "temperature" in wire.warnings[0]


def test_the_free_count_gets_the_prompt_and_nothing_else() -> None:
    counting = CODEC.counting
    assert counting is not None
    wire = counting.encode(a_call(OLD, tools=WEATHER, temperature=0.2, stop="END", user="u"))
    body = orjson.loads(wire.body)
    assert (wire.method, wire.path) == ("POST", "/messages/count_tokens")
    assert body.keys() == {"model", "messages", "tools"}
    assert counting.decode(golden_bytes("anthropic/count_tokens.json")) == 2095


@pytest.mark.parametrize("body", [b"{}", b'{"input_tokens": -1}', b'{"input_tokens": true}', b"[]", b"<"])
def test_a_count_without_a_number_is_a_bad_answer(body: bytes) -> None:
    counting = CODEC.counting
    assert counting is not None
    with pytest.raises(ProviderError) as caught:
        counting.decode(body)
    assert caught.value.kind is FailureKind.BAD_ANSWER
