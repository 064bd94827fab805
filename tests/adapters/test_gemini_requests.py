from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from app.adapters.gemini import GeminiCodec
from app.adapters.gemini_contents import SIGNATURE, SKIPPED_SIGNATURE
from app.adapters.gemini_models import UNKNOWN_MODEL, Thinking, resource_path, traits_of
from app.domain.chat import Call, ChatRequest
from app.domain.errors import FailureKind, ProviderError
from app.domain.needs import (
    AUDIO_IN,
    AUDIO_OUT,
    CHOICES,
    CUSTOM_TOOLS,
    EMBEDDINGS,
    FILES,
    FORCED_TOOLS,
    JSON_OBJECT,
    JSON_SCHEMA,
    LOGPROBS,
    TOOLS,
    VISION,
)
from tests.adapters.streams import a_call
from tests.golden import golden_bytes, golden_json

CODEC = GeminiCodec()
OLD, PRO, MIDDLE, NEW = "gemini-2.5-flash", "gemini-2.5-pro", "gemini-3.5-flash", "gemini-3.8-flash"
WEATHER = golden_json("openai/request_canonical_tools.json")["tools"]
SCHEMA = {"type": "object", "properties": {"desc": {"type": "string"}}, "required": ["desc"]}
SCHEMA_FORMAT = {"type": "json_schema", "json_schema": {"name": "d", "schema": SCHEMA}}
OPAQUE = "ZXhhbXBsZS10aG91Z2h0LXNpZ25hdHVyZS1vcGFxdWU="


def encoded(call: Call) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = CODEC.encode(call, stream=False)
    return orjson.loads(wire.body), wire.warnings


def turns(messages: list[dict[str, Any]], model: str = NEW) -> list[dict[str, Any]]:
    contents: list[dict[str, Any]] = encoded(a_call(model, messages))[0]["contents"]
    return contents


def refusal(call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        encoded(call)
    return caught.value


def asking(*ids: str, **more: Any) -> dict[str, Any]:
    calls = [{"id": each, "type": "function", "function": {"name": f"f_{each}", "arguments": "{}"}} for each in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls, **more}


def result(call: str, content: Any = "1") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call, "content": content}


GO = {"role": "user", "content": "go"}


def test_a_conversation_with_tools_is_the_golden_request() -> None:
    canonical = golden_json("openai/request_canonical_tools.json")
    messages = canonical["messages"]
    messages[2]["tool_calls"][0]["id"] = messages[3]["tool_call_id"] = "fc-1"
    messages[2]["tool_calls"][1]["id"] = messages[4]["tool_call_id"] = "fc-2"
    messages[2]["reasoning_details"] = [{"type": SIGNATURE, "tool_call_id": "fc-1", "signature": OPAQUE}]
    parameters = {
        "tools": canonical["tools"],
        "tool_choice": "auto",
        "max_completion_tokens": 1024,
        "reasoning_effort": "low",
    }

    body, warnings = encoded(Call(NEW, ChatRequest(messages, parameters)))

    assert body == golden_json("gemini/request_tools.json")
    assert warnings == ()


def test_pictures_and_a_schema_are_the_golden_request() -> None:
    golden = golden_json("gemini/request_image_json_schema.json")
    uploaded = "https://generativelanguage.googleapis.com/v1beta/files/abc-123"
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "image_url", "image_url": {"url": uploaded, "format": "image/jpeg"}},
        {"type": "text", "text": "Describe as JSON."},
    ]
    call = a_call(
        NEW,
        [{"role": "user", "content": parts}],
        response_format=SCHEMA_FORMAT,
        stop="END",
        n=1,
        seed=7,
        safety_settings=golden["safetySettings"],
    )

    assert encoded(call) == (golden, ())


@pytest.mark.parametrize("stream", [False, True])
def test_model_and_kind_stand_in_the_path(stream: bool) -> None:
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    for given in (NEW, f"models/{NEW}"):
        wire = CODEC.encode(a_call(given), stream=stream)
        assert (wire.method, wire.path) == ("POST", f"/models/{NEW}:{method}")
        assert orjson.loads(wire.body).keys() == {"contents"}
    assert CODEC.encode(a_call("tunedModels/x"), stream=stream).path == f"/tunedModels/x:{method}"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("a/../b", "/models/a%2F..%2Fb:m"),
        ("x?key=1#y", "/models/x%3Fkey%3D1%23y:m"),
        ("models/a/b", "/models/a%2Fb:m"),
        ("\ud800", "/models/%3F:m"),
    ],
)
def test_a_models_name_cannot_leave_its_place_in_the_path(model: str, path: str) -> None:
    assert resource_path(model, "m") == path


def test_sides_take_turns_and_the_user_begins() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "a"},
        {"role": "user", "content": [{"type": "text", "text": "b"}, "c", {"type": "text", "text": ""}]},
        {"role": "assistant", "content": "d"},
        {"role": "assistant", "refusal": "e"},
    ]
    body, warnings = encoded(a_call(NEW, messages))
    assert [(turn["role"], [part["text"] for part in turn["parts"]]) for turn in body["contents"]] == [
        ("user", [" "]),
        ("model", ["Hello"]),
        ("user", ["a", "b", "c"]),
        ("model", ["d", "e"]),
    ]
    assert len(warnings) == 1


def test_every_system_message_becomes_the_instruction() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        GO,
        {"role": "system", "content": "c"},
    ]
    body, warnings = encoded(a_call(NEW, messages))
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}, {"text": "c"}]}
    assert len(body["contents"]) == 1
    assert ["moved to its front" in warning for warning in warnings] == [True]


@pytest.mark.parametrize(
    ("model", "messages"),
    [
        (NEW, [{"role": "system", "content": "a"}]),
        ("gemma-3-27b-it", [{"role": "system", "content": "a"}, GO]),
        ("gemma-3-27b-it", [{"role": "system", "content": "a"}, {"role": "assistant", "content": "x"}]),
    ],
)
def test_an_instruction_without_a_place_is_the_users_first_word(model: str, messages: list[dict[str, Any]]) -> None:
    body, warnings = encoded(a_call(model, messages))
    assert "systemInstruction" not in body
    assert body["contents"][0]["role"] == "user"
    assert body["contents"][0]["parts"][0] == {"text": "a"}
    assert len(warnings) == 1


def test_results_stand_before_what_else_is_said_and_in_the_order_of_the_calls() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}}
    messages = [GO, asking("a", "b", "c"), {"role": "user", "content": "quick"}]
    messages += [result("c"), result("a", [{"type": "text", "text": "seen"}, picture]), result("b")]

    parts = turns(messages)[2]["parts"]

    assert [part["functionResponse"]["name"] for part in parts[:3]] == ["f_a", "f_b", "f_c"]
    assert [part["functionResponse"]["id"] for part in parts[:3]] == ["a", "b", "c"]
    assert parts[0]["functionResponse"]["response"] == {"output": "seen"}
    assert [next(iter(part)) for part in parts[3:]] == ["text", "inlineData"]


def test_results_of_calls_in_two_messages_keep_the_order_of_both() -> None:
    asked, answered = turns([GO, asking("a"), asking("b"), result("b"), result("a")])[1:]
    assert [part["functionCall"]["id"] for part in asked["parts"]] == ["a", "b"]
    assert [part["functionResponse"]["id"] for part in answered["parts"]] == ["a", "b"]


def test_the_same_warning_is_given_once() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa", "detail": "low"}}
    _, warnings = encoded(a_call(NEW, [{"role": "user", "content": [picture, picture]}]))
    assert [warning.partition(" ")[0] for warning in warnings] == ["image_url.detail"]


def test_an_id_that_is_used_again_means_the_latest_call() -> None:
    again = asking("a")
    again["tool_calls"][0]["function"]["name"] = "other"
    parts = turns([GO, asking("a"), result("a"), again, result("a")])
    assert parts[2]["parts"][0]["functionResponse"]["name"] == "f_a"
    assert parts[4]["parts"][0]["functionResponse"]["name"] == "other"


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ("sunny", {"output": "sunny"}),
        ("14", {"output": "14"}),
        ('{"temp_c": 14}', {"output": {"temp_c": 14}}),
        ('{"output": 3}', {"output": 3}),
        ('{"error": "no such city"}', {"error": "no such city"}),
        ('{"output": 3, "unit": "c"}', {"output": {"output": 3, "unit": "c"}}),
        ("[1, 2]", {"output": [1, 2]}),
        ("{not json", {"output": "{not json"}),
        ("", {"output": ""}),
        (None, {"output": ""}),
    ],
)
def test_a_result_is_always_an_object(content: Any, response: dict[str, Any]) -> None:
    part = turns([GO, asking("a"), result("a", content)])[2]["parts"][0]
    assert part["functionResponse"]["response"] == response


def test_a_failed_result_says_so() -> None:
    part = turns([GO, asking("a"), {**result("a", "boom"), "is_error": True}])[2]["parts"][0]
    assert part["functionResponse"]["response"] == {"error": "boom"}


def test_arguments_that_are_no_object_do_not_end_the_conversation() -> None:
    message = asking("a")
    message["tool_calls"][0]["function"]["arguments"] = "[1"
    body, warnings = encoded(a_call(NEW, [GO, message, result("a")]))
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"arguments": "[1"}
    assert len(warnings) == 1


@pytest.mark.parametrize(("model", "has_ids"), [(NEW, True), (OLD, False), ("gemini-2.0-flash", False)])
def test_ids_of_calls_are_sent_only_where_they_are_taken(model: str, has_ids: bool) -> None:
    _, asked, answered = turns([GO, asking("a"), result("a")], model)
    assert ("id" in asked["parts"][0]["functionCall"]) is has_ids
    assert ("id" in answered["parts"][0]["functionResponse"]) is has_ids
    assert answered["parts"][0]["functionResponse"]["name"] == "f_a"


def test_a_lost_signature_is_skipped_on_the_first_call_alone() -> None:
    parts = turns([GO, asking("a", "b"), result("a"), result("b")])[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [SKIPPED_SIGNATURE, None]
    assert base64.b64decode(SKIPPED_SIGNATURE) == b"skip_thought_signature_validator"
    old = turns([GO, asking("a", "b"), result("a"), result("b")], OLD)[1]["parts"]
    assert [part.get("thoughtSignature") for part in old] == [None, None]


def test_a_signature_beside_its_call_is_found() -> None:
    message = asking("a")
    message["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": OPAQUE}}
    assert turns([GO, message, result("a")])[1]["parts"][0]["thoughtSignature"] == OPAQUE


@pytest.mark.parametrize("name", ["chat_tool_call", "chat_response", "chat_thoughts"])
def test_an_answer_goes_back_as_it_came(name: str) -> None:
    message = CODEC.decode(golden_bytes(f"gemini/{name}.json")).message
    messages = [GO, message, *(result(call["id"]) for call in message.get("tool_calls", ()))]
    came = golden_json(f"gemini/{name}.json")["candidates"][0]["content"]["parts"]
    assert turns(messages)[1]["parts"] == [part for part in came if not part.get("thought")]


def test_a_texts_signature_has_a_part_of_its_own_where_no_text_is() -> None:
    details = [{"type": SIGNATURE, "tool_call_id": None, "signature": OPAQUE}, {"type": "thinking", "signature": "x"}]
    assert turns([GO, {"role": "assistant", "content": "", "reasoning_details": details}])[1]["parts"] == [
        {"text": "", "thoughtSignature": OPAQUE}
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/JPEG;base64,aaaa"}},
            {"inlineData": {"mimeType": "image/jpeg", "data": "aaaa"}},
        ),
        (
            {"type": "image_url", "image_url": "gs://bucket/a.png"},
            {"fileData": {"mimeType": "image/png", "fileUri": "gs://bucket/a.png"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://www.youtube.com/watch?v=x"}},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "aaaa", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "aaaa"}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aaaa"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "aaaa"}},
        ),
        (
            {"type": "file", "file": {"file_id": "gs://b/a.pdf"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "gs://b/a.pdf"}},
        ),
    ],
)
def test_media_are_sent_as_bytes_or_by_reference(part: dict[str, Any], expected: dict[str, Any]) -> None:
    assert turns([{"role": "user", "content": [part]}])[0]["parts"] == [expected]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ([{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}], FailureKind.BAD_REQUEST),
        ([{"type": "image_url", "image_url": {"url": "data:image/png,raw"}}], FailureKind.BAD_REQUEST),
        ([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}], FailureKind.UNSUPPORTED),
        ([{"type": "image_url"}], FailureKind.BAD_REQUEST),
        ([{"type": "input_audio", "input_audio": {"data": "a", "format": "../x"}}], FailureKind.BAD_REQUEST),
        ([{"type": "file", "file": {"file_id": "file-abc"}}], FailureKind.UNSUPPORTED),
        ([{"type": "hologram"}], FailureKind.UNSUPPORTED),
        ([7], FailureKind.BAD_REQUEST),
        (7, FailureKind.BAD_REQUEST),
    ],
)
def test_what_cannot_be_sent_is_named(content: Any, kind: FailureKind) -> None:
    error = refusal(a_call(NEW, [{"role": "user", "content": content}]))
    assert error.kind is kind
    assert str(error.param).startswith("messages.0.content")


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": ""}],
        [{"role": "wizard", "content": "x"}],
        [GO, result("nobody")],
        [GO, {"role": "assistant", "tool_calls": [{"id": "a"}]}],
        [GO, {"role": "assistant", "tool_calls": 3}],
    ],
)
def test_a_conversation_that_makes_no_sense_is_the_callers_error(messages: list[dict[str, Any]]) -> None:
    error = refusal(a_call(NEW, messages))
    assert error.kind is FailureKind.BAD_REQUEST
    assert str(error.param).startswith("messages")


@pytest.mark.parametrize(
    ("model", "choice", "calling", "declared"),
    [
        (NEW, None, {"mode": "AUTO"}, ["f", "g"]),
        (NEW, "none", {"mode": "NONE"}, ["f", "g"]),
        (NEW, "required", {"mode": "ANY"}, ["f", "g"]),
        (NEW, {"type": "function", "function": {"name": "g"}}, {"mode": "ANY", "allowedFunctionNames": ["g"]}
         , ["f", "g"]),
        (NEW, {"type": "allowed_tools", "allowed_tools": {
            "mode": "required", "tools": [{"type": "function", "function": {"name": "g"}}]}}
         , {"mode": "ANY", "allowedFunctionNames": ["g"]}, ["f", "g"]),
        (NEW, {"type": "allowed_tools", "allowed_tools": {
            "mode": "auto", "tools": [{"type": "function", "function": {"name": "g"}}]}}
         , {"mode": "AUTO"}, ["g"]),
    ],
)  # fmt: skip
def test_tool_choice_is_a_mode(model: str, choice: Any, calling: dict[str, Any], declared: list[str]) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("f", "g")]
    body, warnings = encoded(a_call(model, tools=tools, tool_choice=choice))
    assert body["toolConfig"] == {"functionCallingConfig": calling}
    assert [each["name"] for each in body["tools"][0]["functionDeclarations"]] == declared
    assert warnings == ()


def test_strict_tools_are_checked_where_that_is_possible() -> None:
    strict = [{"type": "function", "function": {**WEATHER[0]["function"], "strict": True}}]
    body, warnings = encoded(a_call(NEW, tools=strict))
    assert (body["toolConfig"]["functionCallingConfig"]["mode"], warnings) == ("VALIDATED", ())
    body, warnings = encoded(a_call(OLD, tools=strict))
    assert (body["toolConfig"]["functionCallingConfig"]["mode"], len(warnings)) == ("AUTO", 1)


def test_parallel_calls_cannot_be_forbidden() -> None:
    assert encoded(a_call(NEW, tools=WEATHER, parallel_tool_calls=True))[1] == ()
    assert encoded(a_call(NEW, tools=WEATHER, parallel_tool_calls=False))[1][0].startswith("parallel_tool_calls")


@pytest.mark.parametrize(
    ("model", "parameters", "kind", "param"),
    [
        (NEW, {"tools": [{"type": "custom", "custom": {"name": "x"}}]}, FailureKind.UNSUPPORTED, "tools"),
        (NEW, {"tools": [{"type": "function", "function": {"name": "1x"}}]}, FailureKind.UNSUPPORTED, "tools"),
        (NEW, {"functions": [{"name": "x"}]}, FailureKind.UNSUPPORTED, "functions"),
        ("gemma-3-27b-it", {"tools": WEATHER}, FailureKind.UNSUPPORTED, "tools"),
        (NEW, {"tools": {"a": 1}}, FailureKind.BAD_REQUEST, "tools"),
        (NEW, {"tools": WEATHER, "tool_choice": "maybe"}, FailureKind.BAD_REQUEST, "tool_choice"),
        (NEW, {"tools": [{"type": "function"}]}, FailureKind.BAD_REQUEST, "tools"),
        (OLD, {"tools": WEATHER, "response_format": {"type": "json_object"}}
         , FailureKind.UNSUPPORTED, "response_format"),
        ("gemma-3-27b-it", {"response_format": {"type": "json_object"}}, FailureKind.UNSUPPORTED, "response_format"),
        (NEW, {"response_format": {"type": "yaml"}}, FailureKind.BAD_REQUEST, "response_format"),
        (NEW, {"modalities": ["text", "audio"]}, FailureKind.UNSUPPORTED, "modalities"),
        (NEW, {"n": 9}, FailureKind.UNSUPPORTED, "n"),
        (NEW, {"max_tokens": "many"}, FailureKind.BAD_REQUEST, "max_tokens"),
        (NEW, {"seed": "x"}, FailureKind.BAD_REQUEST, "seed"),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused(model: str, parameters: dict[str, Any], kind: FailureKind, param: str) -> None:
    error = refusal(a_call(model, **parameters))
    assert (error.kind, error.param) == (kind, param)


@pytest.mark.parametrize(
    ("model", "given", "sent", "warned"),
    [
        (MIDDLE, {"temperature": 0.2, "top_p": 0.9, "top_k": 5}, {"temperature": 0.2, "topP": 0.9, "topK": 5}, []),
        (NEW, {"temperature": 0.2, "top_p": 0.9}, {}, ["temperature", "top_p"]),
        ("gemini-3.5-flash-lite", {"temperature": 0.2}, {}, ["temperature"]),
        ("gemini-3.6-flash", {"temperature": 0.2}, {}, ["temperature"]),
        ("gemini-4-argon", {"temperature": 0.2}, {}, ["temperature"]),
        ("gemini-flash-latest", {"temperature": 0.2}, {}, ["temperature"]),
        (OLD, {"presence_penalty": 0.5, "frequency_penalty": 0.1}
         , {"presencePenalty": 0.5, "frequencyPenalty": 0.1}, []),
        (MIDDLE, {"presence_penalty": 0.5, "frequency_penalty": 0}, {}, ["presence_penalty"]),
        (NEW, {"max_tokens": 9, "max_completion_tokens": 7}, {"maxOutputTokens": 7}, []),
        (NEW, {"stop": ["a", "b", "c", "d", "e"]}, {"stopSequences": ["a", "b", "c", "d", "e"]}, []),
        (NEW, {"stop": ["a", "b", "c", "d", "e", "f"]}, {"stopSequences": ["a", "b", "c", "d", "e"]}, ["stop"]),
        (NEW, {"n": 3, "seed": 2**31 + 5}, {"candidateCount": 3, "seed": 5}, ["seed"]),
        (OLD, {"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}, []),
        (OLD, {"logprobs": False}, {}, []),
        (NEW, {"response_format": {"type": "text"}}, {}, []),
        (NEW, {"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}, []),
        (OLD, {"response_format": SCHEMA_FORMAT}
         , {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}, []),
        ("gemini-2.0-flash", {"response_format": SCHEMA_FORMAT}
         , {"responseMimeType": "application/json", "responseSchema": SCHEMA}, []),
        (NEW, {"reasoning_effort": "minimal"}
         , {"thinkingConfig": {"thinkingLevel": "minimal", "includeThoughts": True}}, []),
        (NEW, {"reasoning_effort": "xhigh"}
         , {"thinkingConfig": {"thinkingLevel": "xhigh", "includeThoughts": True}}, []),
        (NEW, {"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingLevel": "minimal"}}, ["reasoning_effort"]),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "none"}
         , {"thinkingConfig": {"thinkingLevel": "low"}}, ["reasoning_effort"]),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "minimal"}
         , {"thinkingConfig": {"thinkingLevel": "low", "includeThoughts": True}}, ["reasoning_effort"]),
        (NEW, {"reasoning_effort": "max"}
         , {"thinkingConfig": {"thinkingLevel": "xhigh", "includeThoughts": True}}, ["reasoning_effort"]),
        (OLD, {"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}, []),
        (PRO, {"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 128}}, ["reasoning_effort"]),
        (OLD, {"reasoning_effort": "low"}
         , {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}, []),
        (PRO, {"reasoning_effort": "medium"}
         , {"thinkingConfig": {"thinkingBudget": 8192, "includeThoughts": True}}, []),
        (PRO, {"reasoning_effort": "xhigh"}
         , {"thinkingConfig": {"thinkingBudget": 24576, "includeThoughts": True}}, ["reasoning_effort"]),
        ("gemini-2.0-flash", {"reasoning_effort": "high"}, {}, ["reasoning_effort"]),
        (NEW, {"reasoning_effort": "furiously"}, {}, ["reasoning_effort"]),
        (NEW, {"reasoning_effort": "low", "thinking_config": {"thinkingLevel": "high"}}
         , {"thinkingConfig": {"thinkingLevel": "high"}}, []),
        (NEW, {"reasoning_effort": "none", "google": {"thinking_config": {"thinkingLevel": "high"}}}
         , {"thinkingConfig": {"thinkingLevel": "high"}}, []),
        (NEW, {"extra_body": {"google": {"thinking_config": {"thinkingLevel": "high"}}}}
         , {"thinkingConfig": {"thinkingLevel": "high"}}, []),
        (NEW, {"user": "u", "logit_bias": {"1": 1}, "store": False, "service_tier": "auto", "metadata": {}}
         , {}, ["logit_bias", "metadata", "user"]),
        (NEW, {"stream_options": {"include_usage": True}, "temperature": None}, {}, []),
    ],
)  # fmt: skip
def test_parameters_are_cut_to_the_model(
    model: str, given: dict[str, Any], sent: dict[str, Any], warned: list[str]
) -> None:
    body, warnings = encoded(a_call(model, **given))
    assert body.pop("contents")
    assert body.pop("generationConfig", {}) == sent
    assert body == {}
    assert [warning.partition(" ")[0] for warning in warnings] == warned


def test_json_and_tools_go_together_from_the_third_generation_on() -> None:
    body, _ = encoded(a_call(NEW, tools=WEATHER, response_format=SCHEMA_FORMAT))
    assert body["generationConfig"]["responseJsonSchema"] == SCHEMA
    assert "tools" in body


@pytest.mark.parametrize(
    ("model", "thinking", "call_ids", "penalties", "json_beside_tools"),
    [
        ("gemini-1.5-pro", Thinking.NONE, False, True, False),
        ("gemini-2.0-flash", Thinking.NONE, False, True, False),
        ("gemini-2.5-flash-lite", Thinking.BUDGET, False, True, False),
        ("models/gemini-2.5-pro", Thinking.BUDGET, False, True, False),
        ("gemini-3-pro-preview", Thinking.LEVEL, True, False, True),
        ("gemini-3.8-flash", Thinking.LEVEL, True, False, True),
        ("gemini-4-argon", Thinking.LEVEL, True, False, True),
        ("gemini-flash-lite-latest", Thinking.LEVEL, True, False, True),
        ("tunedModels/gemini-3-mine", Thinking.NONE, False, True, False),
        ("gemma-4-31b-it", Thinking.LEVEL, False, False, True),
    ],
)
def test_the_table_of_models(
    model: str, thinking: Thinking, call_ids: bool, penalties: bool, json_beside_tools: bool
) -> None:
    traits = traits_of(model)
    assert (traits.thinking, traits.call_ids, traits.penalties) == (thinking, call_ids, penalties)
    assert traits.json_beside_tools is json_beside_tools


def test_an_unknown_model_is_taken_at_its_word() -> None:
    assert traits_of("my-proxy-model") is UNKNOWN_MODEL
    body, warnings = encoded(a_call("my-proxy-model", temperature=0.5, presence_penalty=0.5))
    assert body["generationConfig"] == {"temperature": 0.5, "presencePenalty": 0.5}
    assert warnings == ()


def test_what_a_model_has_words_for_is_known_before_it_is_asked() -> None:
    talking = {VISION, AUDIO_IN, FILES, CHOICES, LOGPROBS}
    able = talking | {TOOLS, FORCED_TOOLS, JSON_OBJECT, JSON_SCHEMA}
    assert CODEC.supports(NEW) == CODEC.supports(OLD) == able
    assert CODEC.supports("m") == able | {EMBEDDINGS}
    assert CODEC.supports("gemma-3-27b-it") == talking
    assert CODEC.supports("gemini-embedding-001") == {EMBEDDINGS}
    assert not CODEC.supports("m") & {AUDIO_OUT, CUSTOM_TOOLS}


def test_the_callers_objects_are_left_alone() -> None:
    messages = [{"role": "system", "content": "s"}, GO, asking("a", "b"), result("b"), result("a"), GO]
    before = orjson.dumps(messages)
    for model in (NEW, OLD, "gemini-2.0-flash", "gemma-3-27b-it"):
        call = a_call(model, messages)
        encoded(call)
        assert encoded(call) == encoded(call)
    assert orjson.dumps(messages) == before
