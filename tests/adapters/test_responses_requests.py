from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters.openai_address import OpenAIAddress
from app.adapters.responses import ResponsesCodec
from app.adapters.responses_native import NativeResponsesCodec
from app.domain.chat import Call, ChatRequest, NativeBody, Wire
from app.domain.errors import FailureKind, ProviderError
from tests.adapters.streams import a_call
from tests.golden import golden_json

CODEC = ResponsesCodec()
THOUGHT = {"type": "reasoning", "id": "rs_01", "summary": [], "encrypted_content": "gAAAAABexampleOpaque"}
HELLO = {"role": "user", "content": [{"type": "input_text", "text": "hi"}]}


def encoded(call: Call, *, stream: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = CODEC.encode(call, stream=stream)
    return orjson.loads(wire.body), wire.warnings


def sent(model: str = "gpt-6-astra", **parameters: Any) -> tuple[dict[str, Any], list[str]]:
    """What is left of the parameters, and the names that a warning begins with."""
    body, warnings = encoded(a_call(model, **parameters))
    fixed = {"model": model, "input": [HELLO], "store": False, "include": ["reasoning.encrypted_content"]}
    assert {name: body.pop(name) for name in fixed} == fixed
    return body, [warning.partition(" ")[0] for warning in warnings]


def items_of(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = encoded(a_call("gpt-6-astra", list(messages)))[0]["input"]
    return items


def call_named(call_id: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_a_turn_with_tools_is_what_the_provider_documents() -> None:
    wanted = golden_json("openai/responses_request_tools.json")
    function = {name: value for name, value in wanted["tools"][0].items() if name not in ("type", "strict")}
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "You are terse."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Weather in Paris?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "thinking",
            "reasoning_details": [THOUGHT, {"type": "thinking", "thinking": "x", "signature": "s"}],
            "tool_calls": [
                {
                    "id": "call_1A1b2C3d4",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1A1b2C3d4", "content": '{"temp_c":14}'},
    ]
    call = a_call(
        "gpt-6-astra",
        messages,
        tools=[{"type": "function", "function": function}],
        tool_choice="auto",
        parallel_tool_calls=True,
        max_completion_tokens=1024,
        reasoning_effort="medium",
        response_format={"type": "text"},
    )

    wire = CODEC.encode(call, stream=True)

    assert orjson.loads(wire.body) == wanted
    assert (wire.method, wire.path, wire.warnings) == ("POST", "/responses", ())


def test_the_canonical_request_keeps_every_call_with_its_output() -> None:
    given = golden_json("openai/request_canonical_tools.json")
    body, _ = encoded(Call(given["model"], ChatRequest(given["messages"], {"tools": given["tools"]})))
    assert [(item.get("type"), item.get("call_id")) for item in body["input"][1:]] == [
        ("function_call", "call_A1b2C3"),
        ("function_call", "call_D4e5F6"),
        ("function_call_output", "call_A1b2C3"),
        ("function_call_output", "call_D4e5F6"),
    ]
    assert body["instructions"] == "You are terse."


@pytest.mark.parametrize(
    ("given", "expected", "warned"),
    [
        ({"max_tokens": 100}, {"max_output_tokens": 100}, []),
        ({"max_tokens": 9, "max_completion_tokens": 50}, {"max_output_tokens": 50}, []),
        ({"max_tokens": 5}, {"max_output_tokens": 16}, ["max_completion_tokens"]),
        ({"reasoning_effort": "xhigh"}, {"reasoning": {"effort": "xhigh"}}, []),
        ({"verbosity": "low"}, {"text": {"verbosity": "low"}}, []),
        ({"temperature": 0.2, "top_p": 0.5}, {}, ["temperature", "top_p"]),
        ({"user": "u", "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k"}
         , {"user": "u", "metadata": {"a": "b"}, "service_tier": "flex", "prompt_cache_key": "k"}, []),
        ({"stop": ["x"], "seed": 1, "presence_penalty": 0.5, "frequency_penalty": 0, "logit_bias": {"1": 1}}
         , {}, ["logit_bias", "presence_penalty", "seed", "stop"]),
        ({"store": True, "n": 1, "logprobs": False, "modalities": ["text"], "brand_new": 1}
         , {}, ["brand_new", "store"]),
        ({"store": False, "stop": None, "stream_options": {"include_usage": True}}, {}, []),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}
         , {"tool_choice": {"type": "function", "name": "f"}}, []),
        ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}
         , {"tool_choice": {"type": "custom", "name": "f"}}, []),
        ({"tool_choice": "required"}, {"tool_choice": "required"}, []),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]}}}
         , {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]}}
         , []),
        ({"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]}
         , {"tools": [{"type": "function", "name": "f", "strict": True
                       , "parameters": {"type": "object", "properties": {}}}]}, []),
        ({"tools": [{"type": "custom", "custom": {"name": "c", "description": "d", "format": {
            "type": "grammar", "grammar": {"syntax": "lark", "definition": "start: x"}}}}]}
         , {"tools": [{"type": "custom", "name": "c", "description": "d"
                       , "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}}]}, []),
        ({"response_format": {"type": "json_object"}}, {"text": {"format": {"type": "json_object"}}}, []),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {}, "strict": True}}}
         , {"text": {"format": {"type": "json_schema", "name": "x", "schema": {}, "strict": True}}}, []),
    ],
)  # fmt: skip
def test_each_parameter_is_translated_or_said_to_be_dropped(
    given: dict[str, Any], expected: dict[str, Any], warned: list[str]
) -> None:
    assert sent(**given) == (expected, warned)


def test_a_model_that_does_not_reason_keeps_its_sampling() -> None:
    assert sent("gpt-6-luna", temperature=0.2, reasoning_effort="none") == (
        {"temperature": 0.2, "reasoning": {"effort": "none"}},
        [],
    )


@pytest.mark.parametrize(
    ("parameters", "message", "param"),
    [
        ({"n": 2}, {}, "n"),
        ({"logprobs": True}, {}, "logprobs"),
        ({"modalities": ["text", "audio"]}, {}, "modalities"),
        ({"functions": [{"name": "f"}]}, {}, "functions"),
        ({"web_search_options": {}}, {}, "web_search_options"),
        ({"tools": [{"type": "rocket"}]}, {}, "tools"),
        ({"tool_choice": {"type": "rocket"}}, {}, "tool_choice"),
        ({"response_format": {"type": "grammar"}}, {}, "response_format"),
        ({}, {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]}
         , "messages"),
        ({}, {"role": "function", "name": "f", "content": "x"}, "messages"),
        ({}, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}, "messages"),
    ],
)  # fmt: skip
def test_what_shapes_the_answer_is_refused_and_never_dropped(
    parameters: dict[str, Any], message: dict[str, Any], param: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.encode(a_call("gpt-6-astra", [message] if message else None, **parameters), stream=False)
    assert (caught.value.kind, caught.value.param) == (FailureKind.UNSUPPORTED, param)


def test_thoughts_go_back_before_the_calls_that_they_led_to() -> None:
    first, second = {**THOUGHT, "id": "rs_1"}, {**THOUGHT, "id": "rs_2"}
    items = items_of(
        {
            "role": "assistant",
            "content": "Let me look.",
            "reasoning_details": [{**first, "tool_call_id": "a"}, {**second, "tool_call_id": "b"}, THOUGHT],
            "tool_calls": [call_named("a"), call_named("b")],
        }
    )
    assert [item.get("id") or item.get("call_id") or item["role"] for item in items] == [
        *("rs_01", "assistant", "rs_1", "a", "rs_2", "b"),
    ]
    assert items[2] == first


@pytest.mark.parametrize(
    "detail", [{**THOUGHT, "encrypted_content": None}, {**THOUGHT, "id": ""}, {"type": "reasoning"}]
)
def test_a_thought_that_nobody_can_read_again_stays_away(detail: dict[str, Any]) -> None:
    items = items_of({"role": "assistant", "content": "x", "reasoning_details": [detail]})
    assert [item.get("type") for item in items] == [None]


def test_a_thought_that_nothing_follows_stays_away() -> None:
    assert items_of({"role": "assistant", "content": None, "reasoning_details": [THOUGHT]}) == []


def test_messages_keep_what_they_say() -> None:
    items = items_of(
        {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "system", "content": "later"},
        {"role": "assistant", "content": "no", "refusal": "I cannot"},
        {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}]},
    )
    assert items == [
        {"role": "developer", "content": [{"type": "input_text", "text": "later"}]},
        {
            "role": "assistant",
            "content": [{"type": "output_text", "text": "no"}, {"type": "refusal", "refusal": "I cannot"}],
        },
        {"role": "user", "content": [{"type": "input_file", "file_data": "data:x", "filename": "a.pdf"}]},
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://x/a.png", "detail": "low"}]},
    ]


def test_a_custom_tools_call_has_an_output_of_its_own_kind() -> None:
    items = items_of(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "1"}]},
    )
    assert items == [
        {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "select 1"},
        {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "1"}]},
    ]


def test_instructions_that_would_fill_the_first_events_are_an_item() -> None:
    system = {"role": "system", "content": "x" * 20_000}
    body, _ = encoded(a_call("gpt-6-astra", [system]))
    assert "instructions" not in body
    assert body["input"][0]["role"] == "developer"


def test_json_mode_finds_its_word_in_the_input() -> None:
    messages = [{"role": "system", "content": "Answer in JSON."}, {"role": "user", "content": "hi"}]
    body, _ = encoded(a_call("gpt-6-astra", messages, response_format={"type": "json_object"}))
    assert "instructions" not in body
    assert body["input"][0] == {"role": "developer", "content": [{"type": "input_text", "text": "Answer in JSON."}]}


def test_a_name_is_said_to_be_dropped() -> None:
    _, warnings = encoded(a_call("gpt-6-astra", [{"role": "user", "content": "hi", "name": "bob"}]))
    assert [warning.partition(" ")[0] for warning in warnings] == ["messages[].name"]


NATIVE = {"input": "hi", "instructions": "be brief", "tools": [{"type": "web_search"}], "temperature": 0.5}


def native_call(body: dict[str, Any], **parameters: Any) -> Call:
    native = NativeBody(Wire.RESPONSES, body, {"openai-beta": "x"})
    return Call("gpt-4o", ChatRequest([{"role": "user", "content": "hi"}], parameters, native))


def test_a_callers_own_body_goes_out_as_it_is() -> None:
    wire = NativeResponsesCodec(OpenAIAddress("preview")).encode(native_call(NATIVE), stream=True)
    assert orjson.loads(wire.body) == {**NATIVE, "model": "gpt-4o", "stream": True, "store": False}
    assert wire.path == "/responses?api-version=preview"
    assert wire.headers["openai-beta"] == "x"
    assert wire.warnings == ()
    assert NATIVE.keys() == {"input", "instructions", "tools", "temperature"}


def test_defaults_are_added_to_a_callers_own_body_where_it_says_nothing() -> None:
    defaults = {"temperature": 0.9, "top_p": 0.3, "max_tokens": 99, "user": "u", "seed": 7}
    wire = NativeResponsesCodec().encode(native_call({**NATIVE, "store": True}, **defaults), stream=False)
    body = orjson.loads(wire.body)
    assert [warning.partition(" ")[0] for warning in wire.warnings] == ["seed"]
    assert body["user"] == "u"
    assert (body["temperature"], body["top_p"], body["max_output_tokens"]) == (0.5, 0.3, 99)
    assert body["store"] is True
    assert "stream" not in body


def test_a_default_effort_is_for_models_that_reason() -> None:
    request = ChatRequest([], {"reasoning_effort": "low"}, NativeBody(Wire.RESPONSES, {"input": "hi"}))
    wire = NativeResponsesCodec().encode(Call("gpt-6-luna", request), stream=False)
    assert (orjson.loads(wire.body)["reasoning"], wire.warnings) == ({"effort": "low"}, ())
    wire = NativeResponsesCodec().encode(Call("gpt-4o", request), stream=False)
    assert "reasoning" not in orjson.loads(wire.body)
    assert [warning.partition(" ")[0] for warning in wire.warnings] == ["reasoning_effort"]


@pytest.mark.parametrize(
    ("model", "stated"),
    [("gpt-6-luna", {"temperature": 0.5}), ("o3", {"top_p": 0.5}), ("gpt-4o", {"reasoning": {"effort": "none"}})],
)
def test_what_a_model_is_known_to_refuse_is_taken_out_of_a_callers_own_body(model: str, stated: dict[str, Any]) -> None:
    request = ChatRequest([], {}, NativeBody(Wire.RESPONSES, {"input": "hi", **stated}))
    wire = NativeResponsesCodec().encode(Call(model, request), stream=False)
    assert orjson.loads(wire.body).keys() == {"input", "model", "store"}
    assert [warning.partition(" ")[0] for warning in wire.warnings] == list(stated)


def test_what_a_caller_said_itself_is_not_warned_of() -> None:
    native = {"input": "x", "max_output_tokens": 5, "temperature": 0.5}
    request = ChatRequest([], {"max_completion_tokens": 5, "temperature": 0.5}, NativeBody(Wire.RESPONSES, native))
    wire = NativeResponsesCodec().encode(Call("gpt-4o", request), stream=False)
    body = orjson.loads(wire.body)
    assert (body["max_output_tokens"], body["temperature"], wire.warnings) == (5, 0.5, ())


def test_an_effort_that_a_caller_said_itself_stays_and_is_not_warned_of() -> None:
    native = {"input": "x", "reasoning": {"effort": "low"}}
    request = ChatRequest([], {"reasoning_effort": "low"}, NativeBody(Wire.RESPONSES, native))
    wire = NativeResponsesCodec().encode(Call("gpt-6-luna", request), stream=False)
    assert (orjson.loads(wire.body)["reasoning"], wire.warnings) == ({"effort": "low"}, ())
