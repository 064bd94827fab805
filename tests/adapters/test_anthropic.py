from __future__ import annotations

from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from app.adapters.anthropic import AnthropicCodec
from app.adapters.anthropic_models import UNKNOWN_MODEL, Thinking, traits_of
from app.domain.chat import Call, ChatRequest, Credential
from app.domain.errors import FailureKind, ProviderError
from app.domain.usage import Usage
from tests.adapters.streams import a_call, chunks_of, told
from tests.golden import golden_bytes, golden_json

CODEC = AnthropicCodec()
OLD, NEW = "claude-haiku-4-5-20251001", "claude-opus-5-5"
WEATHER = golden_json("openai/request_canonical_tools.json")["tools"]


def encoded(call: Call) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = CODEC.encode(call, stream=False)
    return orjson.loads(wire.body), wire.warnings


def canonical() -> Call:
    request = golden_json("openai/request_canonical_tools.json")
    parameters = {k: v for k, v in request.items() if k not in ("model", "messages", "stream")}
    return Call(NEW, ChatRequest(request["messages"], parameters))


def test_a_conversation_with_tools_is_translated() -> None:
    body, _ = encoded(canonical())
    golden = golden_json("anthropic/request_tools.json")

    assert body["system"] == golden["system"]
    assert body["tools"] == golden["tools"]
    assert body["tool_choice"] == {"type": "auto"}
    assert body["max_tokens"] == 512
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    calls = body["messages"][1]["content"]
    assert [(c["type"], c["id"], c["input"]) for c in calls] == [
        ("tool_use", "call_A1b2C3", {"city": "Paris"}),
        ("tool_use", "call_D4e5F6", {"city": "Rome"}),
    ]
    results = body["messages"][2]["content"]
    assert [(r["type"], r["tool_use_id"], r["content"]) for r in results] == [
        ("tool_result", "call_A1b2C3", '{"temp_c":14}'),
        ("tool_result", "call_D4e5F6", '{"temp_c":21}'),
    ]


def test_results_come_before_the_text_that_follows_them() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "a b", "function": {"name": "f", "arguments": ""}}]},
        {"role": "user", "content": "quick"},
        {"role": "tool", "tool_call_id": "a b", "content": "1"},
    ]
    body, _ = encoded(a_call(NEW, messages, tools=WEATHER))

    call = body["messages"][1]["content"][0]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "text"]
    assert body["messages"][2]["content"][0]["tool_use_id"] == call["id"]
    assert call["id"].replace("_", "").isalnum()
    assert call["input"] == {}


def test_a_history_with_tools_is_never_sent_without_tools() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    body, _ = encoded(a_call(OLD, messages))
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


def test_images_and_a_schema_are_translated() -> None:
    golden = golden_json("anthropic/request_image_json_schema.json")
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg"}},
        {"type": "text", "text": "Describe as JSON."},
    ]
    schema = {"type": "object", "properties": {"desc": {"type": "string", "minLength": 3}}, "required": ["desc"]}
    response_format = {"type": "json_schema", "json_schema": {"name": "d", "schema": schema}}

    body, _ = encoded(
        a_call(NEW, [{"role": "user", "content": parts}], max_tokens=1024, response_format=response_format)
    )

    assert body == golden


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, {"type": "auto"}),
        ("none", False, {"type": "none"}),
        ("required", None, {"type": "any"}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", True, {"type": "any", "disable_parallel_tool_use": False}),
    ],
)
def test_tool_choice_is_translated(choice: Any, parallel: bool | None, expected: dict[str, Any]) -> None:
    body, warnings = encoded(a_call(OLD, tools=WEATHER, tool_choice=choice, parallel_tool_calls=parallel))
    assert body["tool_choice"] == expected
    assert warnings == ()


@pytest.mark.parametrize(
    ("model", "given", "sent", "warned"),
    [
        (OLD, {"temperature": 0.2}, {"temperature": 0.2}, []),
        (OLD, {"temperature": 1.7}, {"temperature": 1}, ["temperature"]),
        (OLD, {"temperature": 0.2, "top_p": 0.9}, {"temperature": 0.2}, ["top_p"]),
        ("claude-opus-4-6", {"temperature": 0.2}, {"temperature": 0.2}, []),
        ("claude-opus-4-7", {"temperature": 0.2}, {}, ["temperature"]),
        (NEW, {"temperature": 0.2, "top_p": 0.9}, {}, ["temperature", "top_p"]),
        (NEW, {"seed": 1, "n": 1, "logit_bias": {}, "presence_penalty": 0}, {}, ["logit_bias", "seed"]),
        (OLD, {"stop": "END", "user": "u"}, {"stop_sequences": ["END"], "metadata": {"user_id": "u"}}, []),
        (OLD, {"stop": ["\n", "END"]}, {"stop_sequences": ["END"]}, ["stop"]),
        (OLD, {"reasoning_effort": "high"}, {"thinking": {"type": "enabled", "budget_tokens": 8192}}, []),
        (OLD, {"reasoning_effort": "low", "max_tokens": 500}, {}, ["reasoning_effort"]),
        ("claude-opus-4-6", {"reasoning_effort": "medium"}
         , {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}, []),
        (NEW, {"reasoning_effort": "minimal"}, {"output_config": {"effort": "low"}}, []),
        (NEW, {"reasoning_effort": "none"}, {}, ["reasoning_effort"]),
        (OLD, {"service_tier": "default"}, {"service_tier": "standard_only"}, []),
        (OLD, {"service_tier": "flex"}, {}, ["service_tier"]),
        (OLD, {"safety_identifier": "s"}, {"metadata": {"user_id": "s"}}, []),
        ("claude-sonnet-5", {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}, []),
    ],
)  # fmt: skip
def test_parameters_are_cut_to_the_model(
    model: str, given: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    body, warnings = encoded(a_call(model, **given))
    rest = {k: v for k, v in body.items() if k not in ("model", "messages", "max_tokens")}
    assert rest == sent
    assert len(warnings) == len(warned)
    assert all(any(name in warning for warning in warnings) for name in warned)


@pytest.mark.parametrize(
    ("model", "given", "expected"),
    [
        (OLD, {}, 8192),
        (OLD, {"max_completion_tokens": 7, "max_tokens": 9}, 7),
        (OLD, {"max_tokens": 1_000_000}, 64_000),
        (OLD, {"reasoning_effort": "high"}, 16_384),
        ("claude-3-opus-20240229", {}, 4096),
    ],
)
def test_max_tokens_is_always_sent(model: str, given: dict[str, Any], expected: int) -> None:
    assert encoded(a_call(model, **given))[0]["max_tokens"] == expected


@pytest.mark.parametrize(
    ("model", "samples", "thinking", "forced", "late_system", "prefill"),
    [
        ("claude-3-5-sonnet-20241022", True, Thinking.NONE, True, False, True),
        ("claude-3-7-sonnet-latest", True, Thinking.BUDGET, True, False, True),
        ("claude-sonnet-4-20250514", True, Thinking.BUDGET, True, False, True),
        ("claude-sonnet-4-5", True, Thinking.BUDGET, True, False, True),
        ("claude-sonnet-4-6", True, Thinking.ADAPTIVE, True, False, False),
        ("claude-opus-4-7", False, Thinking.ADAPTIVE, True, False, False),
        ("claude-opus-4-8", False, Thinking.ADAPTIVE, True, True, False),
        ("claude-sonnet-5", False, Thinking.ADAPTIVE_BY_DEFAULT, True, True, False),
        ("claude-haiku-5-5", False, Thinking.ADAPTIVE_BY_DEFAULT, True, True, False),
        ("claude-opus-5-5", False, Thinking.ALWAYS, False, True, False),
        ("claude-fable-5", False, Thinking.ALWAYS, False, True, False),
        ("claude-mythos-5-2", False, Thinking.ALWAYS, False, True, False),
    ],
)
def test_the_table_of_models(
    model: str, samples: bool, thinking: Thinking, forced: bool, late_system: bool, prefill: bool
) -> None:
    traits = traits_of(model)
    assert (traits.samples, traits.thinking, traits.forced_tools) == (samples, thinking, forced)
    assert (traits.late_system, traits.prefill) == (late_system, prefill)


def test_an_unknown_model_is_taken_at_its_word() -> None:
    assert traits_of("my-proxy-model") is UNKNOWN_MODEL
    assert encoded(a_call("my-proxy-model", temperature=0.5))[0]["temperature"] == 0.5


def test_a_late_system_message_stays_in_its_place() -> None:
    messages = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "system", "content": "d"},
    ]
    new, old = encoded(a_call(NEW, messages))[0], encoded(a_call(OLD, messages))[0]
    assert new["system"] == old["system"] == "a\n\nb"
    assert [turn["role"] for turn in new["messages"]] == ["user", "system"]
    assert [block["text"] for block in old["messages"][0]["content"]] == ["c", "d"]


def test_an_assistant_message_at_the_end_is_continued_where_that_is_possible() -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "{ "}]
    old, warnings = encoded(a_call(OLD, messages))
    assert old["messages"][-1] == {"role": "assistant", "content": [{"type": "text", "text": "{"}]}
    assert warnings == ()
    new, warnings = encoded(a_call(NEW, messages))
    assert new["messages"][-1]["role"] == "user"
    assert len(warnings) == 1


def test_thinking_comes_back_unmodified() -> None:
    message = CODEC.decode(golden_bytes("anthropic/chat_tool_call.json")).message
    messages = [{"role": "user", "content": "a"}, message, {"role": "tool", "tool_call_id": "x", "content": "1"}]
    body, _ = encoded(a_call(NEW, messages))
    sent = [block for block in body["messages"][1]["content"] if block["type"] == "thinking"]
    assert sent == [b for b in golden_json("anthropic/chat_tool_call.json")["content"] if b["type"] == "thinking"]


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "system", "content": "alone"}],
        [{"role": "wizard", "content": "x"}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}],
        [{"role": "user", "content": 7}],
        [{"role": "user", "content": "x"}, {"role": "assistant", "tool_calls": [{"id": "a"}]}],
    ],
)
def test_what_has_no_counterpart_is_the_callers_error(messages: list[dict[str, Any]]) -> None:
    with pytest.raises(ProviderError) as caught:
        encoded(a_call(NEW, messages))
    assert caught.value.kind is FailureKind.BAD_REQUEST
    assert caught.value.param is not None
    assert caught.value.param.startswith("messages")


@pytest.mark.parametrize(
    ("name", "text", "finish", "usage"),
    [
        ("chat_response", "Hello! How can I help you today?", "stop", Usage(12, 11)),
        ("chat_cached_usage", "ok", "stop", Usage(21 + 456 + 188086, 3, 188086, 456)),
        ("chat_max_tokens", "Once upon a", "length", Usage(12, 4)),
        ("chat_stop_sequence", "1 2 3 ", "stop", Usage(12, 6)),
        ("chat_refusal", "", "content_filter", Usage(40, 1)),
        ("chat_thinking_response", "27 * 453 = 12231.", "stop", Usage(20, 310, 0, 0, 280)),
        ("chat_tool_call", "Checking both cities.", "tool_calls", Usage(472, 120, 0, 0, 30)),
        ("chat_json_schema", '{"age":22,"available":false}', "stop", Usage(140, 16)),
    ],
)
def test_a_message_becomes_a_completion(name: str, text: str, finish: str, usage: Usage) -> None:
    response = CODEC.decode(golden_bytes(f"anthropic/{name}.json"))
    assert (response.text, response.finish_reason, response.usage) == (text, finish, usage)
    assert response.completion["usage"]["prompt_tokens"] == usage.input_tokens
    assert response.completion["choices"][0]["finish_reason"] == finish


def test_calls_have_openais_shape() -> None:
    message = CODEC.decode(golden_bytes("anthropic/chat_tool_call.json")).message
    assert [(c["id"], c["function"]["arguments"]) for c in message["tool_calls"]] == [
        ("toolu_01A09q90qw90lq917835lq9", '{"city":"Paris"}'),
        ("toolu_01B19q90qw90lq917835lq9", '{"city":"Rome"}'),
    ]


@pytest.mark.parametrize(
    ("name", "content", "reasoning", "arguments", "finish", "output"),
    [
        ("stream_text", None, "", [], "stop", None),
        ("stream_thinking_text", "12231", "Let me compute 27*453.", [], "stop", 64),
        ("stream_thinking_omitted", "12231", "", [], "stop", 64),
        ("stream_refusal", "I", "", [], "content_filter", 2),
        ("stream_tool_call", "Checking.", "", ['{"city": "Paris"}', "{}"], "tool_calls", 89),
    ],
)
def test_a_stream_becomes_chunks(
    name: str, content: str | None, reasoning: str, arguments: list[str], finish: str, output: int | None
) -> None:
    chunks, is_complete = chunks_of(CODEC, [golden_bytes(f"anthropic/{name}.sse")])
    result = told(chunks)

    assert is_complete
    assert content is None or result.content == content
    assert (result.reasoning, result.finish) == (reasoning, finish)
    assert [call["arguments"] for call in result.calls.values()] == arguments
    assert list(result.calls) == list(range(len(arguments)))
    assert result.usage is not None
    assert result.usage.input_tokens == 25
    assert output is None or result.usage.output_tokens == output
    assert result.usage_chunks == 1
    assert chunks[-1].chunk["choices"] == []


@pytest.mark.parametrize("name", ["stream_tool_call", "stream_thinking_text"])
def test_every_split_point_gives_the_same_story(name: str) -> None:
    body = golden_bytes(f"anthropic/{name}.sse")
    whole = told(chunks_of(CODEC, [body])[0])
    for cut in range(len(body)):
        assert told(chunks_of(CODEC, [body[:cut], body[cut:]])[0]) == whole


def test_a_whole_thinking_block_can_be_sent_back() -> None:
    chunks, _ = chunks_of(CODEC, [golden_bytes("anthropic/stream_thinking_text.sse")])
    details = [d for c in chunks for x in c.chunk["choices"] for d in x["delta"].get("reasoning_details", ())]
    assert details == [
        {
            "type": "thinking",
            "thinking": "Let me compute 27*453.",
            "signature": "ZXhhbXBsZS1hbnRocm9waWMtc2lnbmF0dXJlLW9wYXF1ZQ==",
        }
    ]


def test_an_error_inside_a_stream_is_raised_after_what_came_before() -> None:
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [golden_bytes("anthropic/stream_error_overloaded.sse")])
    assert caught.value.kind is FailureKind.OVERLOADED


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', FailureKind.OVERLOADED),
        (b'{"type":"message","content":[]}', FailureKind.BAD_ANSWER),
        (b"{}", FailureKind.BAD_ANSWER),
        (b"<html>", FailureKind.BAD_ANSWER),
    ],
)
def test_a_200_that_is_no_message_is_an_error(body: bytes, kind: FailureKind) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(body)
    assert caught.value.kind is kind


def test_the_key_goes_into_its_header_alone() -> None:
    wire = CODEC.encode(canonical(), stream=True)
    assert wire.headers["anthropic-version"] == "2023-06-01"
    assert CODEC.authorization(Credential("id", SecretStr("sk-ant-x"))) == {"x-api-key": "sk-ant-x"}
    assert CODEC.authorization(Credential()) == {}


def test_the_model_list_is_read() -> None:
    assert "claude-opus-5-5" in CODEC.decode_models(golden_bytes("anthropic/models_list.json"))
