from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from app.adapters.ollama import OllamaCodec
from app.adapters.ollama_embeddings import OllamaEmbeddings
from app.adapters.sse import SSEEvent
from app.domain.chat import Call, ChatRequest, Credential
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.needs import FORCED_TOOLS, JSON_OBJECT, JSON_SCHEMA, LOGPROBS, TOOLS, VISION
from app.domain.usage import Usage
from tests.adapters.streams import a_call, chunks_of, told
from tests.adapters.test_hostile_answers import ODD, paths_of, replaced
from tests.golden import GOLDEN, golden_bytes, golden_json

CODEC = OllamaCodec(wall=lambda: 1_763_000_000.0)
WEATHER = golden_json("ollama/request_tools.json")["tools"]
PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'
ANSWERS: dict[str, tuple[str, str | None, str, Usage | None]] = {
    "chat_response": ("Hello! How can I help?", None, "stop", Usage(26, 282)),
    "chat_json_schema": ('{"age": 22, "available": false}', None, "stop", Usage(34, 12)),
    "chat_length": ("Once upon", None, "length", Usage(26, 2)),
    "chat_thinking": ("12231", "27*453: 27*400=10800 ...", "stop", Usage(26, 282)),
    "chat_no_prompt_eval_count": ("cached", None, "stop", Usage(0, 282)),
    "chat_load_only": ("", None, "stop", None),
    "chat_tool_call": ("", None, "tool_calls", Usage(169, 31)),
}
STREAMS = ["stream_text", "stream_thinking", "stream_tool_call"]
PNG = "data:image/png;base64,iVBORw0KGgo="


def encoded(call: Call, *, stream: bool = False) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = CODEC.encode(call, stream=stream)
    return orjson.loads(wire.body), wire.warnings


def sent(model: str = "m", **parameters: Any) -> tuple[dict[str, Any], list[str]]:
    """What is left of the parameters, and the names that a warning begins with."""
    body, warnings = encoded(a_call(model, **parameters))
    rest = {name: value for name, value in body.items() if name not in ("model", "messages", "stream", "truncate")}
    return rest, [warning.partition(" ")[0] for warning in warnings]


def messages_of(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = encoded(a_call("m", list(messages)))[0]["messages"]
    return written


def refusal(call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        CODEC.encode(call, stream=True)
    return caught.value


def asking(index: int, city: str) -> dict[str, Any]:
    return {"id": f"call_{index}", "type": "function", "function": {"name": "get_weather", "arguments": city}}


def test_a_conversation_with_tools_is_translated() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "developer", "content": "You are terse."},
        {"role": "user", "content": "What is the weather in Paris and Rome?"},
        {"role": "assistant", "content": None, "tool_calls": [asking(0, PARIS), asking(1, ROME)]},
        {"role": "tool", "tool_call_id": "call_0", "content": '{"temp_c":14}'},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"temp_c":21}'},
    ]
    parameters = {
        "tools": WEATHER,
        "tool_choice": "auto",
        "temperature": 0.2,
        "top_p": 0.9,
        "max_completion_tokens": 256,
        "num_ctx": 8192,
        "seed": 7,
        "stop": "END",
        "reasoning_effort": "none",
        "keep_alive": "5m",
    }

    body, warnings = encoded(Call("llama3.2", ChatRequest(messages, parameters)), stream=True)

    assert body == golden_json("ollama/request_tools.json") | {"truncate": False}
    assert warnings == ()


def test_pictures_and_a_schema_are_translated() -> None:
    golden = golden_json("ollama/request_image_schema.json")
    parts = [{"type": "text", "text": "Describe as JSON."}, {"type": "image_url", "image_url": {"url": PNG}}]
    schema = {"type": "json_schema", "json_schema": {"name": "d", "schema": golden["format"]}}

    body, warnings = encoded(
        a_call("qwen3-vl:8b", [{"role": "user", "content": parts}], response_format=schema, temperature=0)
    )

    assert body == golden | {"truncate": False}
    assert warnings == ()


def test_texts_of_a_message_become_one() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert messages_of({"role": "user", "content": parts}) == [{"role": "user", "content": "a\nb"}]
    assert messages_of({"role": "assistant", "content": None, "refusal": "no"})[0]["content"] == "no"


def test_thinking_goes_back() -> None:
    message = CODEC.decode(golden_bytes("ollama/chat_thinking.json")).message
    assert messages_of({"role": "user", "content": "x"}, message)[1] == {
        "role": "assistant",
        "content": "12231",
        "thinking": "27*453: 27*400=10800 ...",
    }


def test_a_result_without_a_known_call_keeps_the_name_it_has() -> None:
    old = {"role": "function", "name": "f", "content": "1"}
    assert messages_of(old) == [{"role": "tool", "tool_name": "f", "content": "1"}]
    assert messages_of({"role": "tool", "tool_call_id": "x", "content": "1"}) == [
        {"role": "tool", "tool_call_id": "x", "content": "1"}
    ]


def test_arguments_that_are_no_object_are_sent_as_text_with_a_warning() -> None:
    history: list[dict[str, Any]] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [asking(0, "{broken"), asking(1, "[1]"), asking(2, "")]},
    ]
    body, warnings = encoded(a_call("m", history))
    arguments = [call["function"]["arguments"] for call in body["messages"][1]["tool_calls"]]
    assert arguments == [{"arguments": "{broken"}, {"arguments": "[1]"}, {}]
    assert len(warnings) == 1


@pytest.mark.parametrize(
    ("given", "expected", "warned"),
    [
        ({"max_tokens": 5}, {"options": {"num_predict": 5}}, []),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"options": {"num_predict": 7}}, []),
        ({"top_k": 4, "min_p": 0.1, "repeat_penalty": 1.1, "presence_penalty": 1, "frequency_penalty": 0}
         , {"options": {"top_k": 4, "min_p": 0.1, "repeat_penalty": 1.1, "presence_penalty": 1, "frequency_penalty": 0}}
         , []),
        ({"options": {"num_ctx": 1, "mirostat": 2}, "num_ctx": 9}, {"options": {"num_ctx": 9, "mirostat": 2}}, []),
        ({"stop": ["a", "b"]}, {"options": {"stop": ["a", "b"]}}, []),
        ({"response_format": {"type": "json_object"}}, {"format": "json"}, []),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, {"format": "json"}, []),
        ({"response_format": {"type": "text"}}, {}, []),
        ({"logprobs": True, "top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}, []),
        ({"logprobs": False, "n": 1, "store": False, "parallel_tool_calls": True}, {}, []),
        ({"keep_alive": -1, "shift": False}, {"keep_alive": -1, "shift": False}, []),
        ({"tools": WEATHER, "tool_choice": "none"}, {}, []),
        ({"tools": WEATHER, "tool_choice": "auto"}, {"tools": WEATHER}, []),
        ({"user": "u", "logit_bias": {"1": 1}, "parallel_tool_calls": False, "brand_new": 1}
         , {}, ["brand_new", "logit_bias", "parallel_tool_calls", "user"]),
        ({"think": True, "reasoning_effort": "low"}, {"think": True}, []),
    ],
)  # fmt: skip
def test_parameters_are_translated(given: dict[str, Any], expected: dict[str, Any], warned: list[str]) -> None:
    assert sent(**given) == (expected, warned)


@pytest.mark.parametrize(
    ("model", "effort", "think"),
    [
        ("qwen3", "none", False),
        ("gpt-oss:20b", "none", "low"),
        ("gpt-oss:20b", "minimal", "low"),
        ("gpt-oss:20b", "low", "low"),
        ("gpt-oss:20b", "medium", "medium"),
        ("gpt-oss:20b", "high", "high"),
        ("gpt-oss:20b", "xhigh", "max"),
        ("gpt-oss:20b", "max", "max"),
    ],
)
def test_an_effort_is_a_level_of_thinking(model: str, effort: str, think: bool | str) -> None:
    body, warned = sent(model, reasoning_effort=effort)
    assert body == {"think": think}
    assert warned == (["reasoning_effort"] if (effort, think) == ("none", "low") else [])


def test_an_unknown_effort_is_dropped_with_a_warning() -> None:
    assert sent(reasoning_effort="enormous") == ({}, ["reasoning_effort"])


def test_only_the_allowed_tools_are_offered() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    chosen = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "other"}}]}
    body, _ = sent(tools=[*WEATHER, other], tool_choice={"type": "allowed_tools", "allowed_tools": chosen})
    no_arguments = {"type": "object", "properties": {}}
    assert body["tools"] == [{"type": "function", "function": {"name": "other", "parameters": no_arguments}}]


def test_strictness_of_tools_is_dropped_with_one_warning() -> None:
    strict = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}
    body, warned = sent(tools=[strict, strict])
    assert "strict" not in body["tools"][0]["function"]
    assert warned == ["strict"]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"tools": WEATHER, "tool_choice": "required"}, "tool_choice"),
        ({"tools": WEATHER, "tool_choice": {"type": "function", "function": {"name": "get_weather"}}}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"n": 2}, "n"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
    ],
)
def test_what_ollama_has_no_words_for_is_left_to_another_target(given: dict[str, Any], param: str) -> None:
    error = refusal(a_call(**given))
    assert (error.kind, error.param) == (K.UNSUPPORTED, param)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aaaa"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ],
)
def test_parts_that_ollama_does_not_take_are_left_to_another_target(part: dict[str, Any]) -> None:
    error = refusal(a_call("m", [{"role": "user", "content": [part]}]))
    assert (error.kind, error.param) == (K.UNSUPPORTED, "messages")


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,not base64!",
        "data:image/png;base64,aaaa*aaaa",
        "data:image/png;base64,aaaaa",
        "data:image/png;base64,",
        "data:image/png,plain",
        "data:text/html;base64,aaaa",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_picture_that_is_none_is_the_callers_error(url: str) -> None:
    error = refusal(a_call("m", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]))
    assert error.kind is K.BAD_REQUEST
    assert error.param == "messages.0.content.0"


def test_what_is_said_to_be_supported_is_what_can_be_encoded() -> None:
    supported = CODEC.supports("llama3.2")
    assert {TOOLS, VISION, LOGPROBS, JSON_OBJECT, JSON_SCHEMA} <= supported
    assert FORCED_TOOLS not in supported


def test_the_stream_is_asked_for_or_not_in_so_many_words() -> None:
    for stream, accept in ((True, "application/x-ndjson"), (False, "application/json")):
        wire = CODEC.encode(a_call(), stream=stream)
        assert orjson.loads(wire.body)["stream"] is stream
        assert (wire.path, wire.headers["accept"]) == ("/chat", accept)


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_becomes_a_completion(name: str) -> None:
    text, reasoning, finish, usage = ANSWERS[name]
    response = CODEC.decode(golden_bytes(f"ollama/{name}.json"))

    assert (response.text, response.finish_reason, response.usage) == (text, finish, usage)
    assert response.message.get("reasoning_content") == reasoning
    assert ("usage" in response.completion) == (usage is not None)
    assert bool(response.warnings) == (name == "chat_load_only")
    assert response.completion["created"] == 1_763_000_000
    assert response.completion["model"] == golden_json(f"ollama/{name}.json")["model"]


def test_calls_have_openais_shape() -> None:
    response = CODEC.decode(golden_bytes("ollama/chat_tool_call.json"))
    assert response.message["content"] is None
    assert [(c["id"], c["type"], c["function"]) for c in response.message["tool_calls"]] == [
        ("call_0x8k2m1q", "function", {"name": "get_weather", "arguments": PARIS}),
        ("call_1x8k2m1q", "function", {"name": "get_weather", "arguments": ROME}),
    ]
    assert response.completion["choices"][0]["native_finish_reason"] == "stop"


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    call = {"function": {"name": "f", "arguments": {}}}
    answer = {"model": "m", "message": {"content": "", "tool_calls": [call, call]}, "done": True}
    whole = CODEC.decode(orjson.dumps(answer)).message["tool_calls"]
    streamed = told(chunks_of(CODEC, [orjson.dumps(answer)])[0]).calls
    for ids in ([each["id"] for each in whole], [each["id"] for each in streamed.values()]):
        assert len(set(ids)) == 2
        assert all(ids)


def test_log_probabilities_are_where_openai_has_them() -> None:
    token = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": [{"token": "Ho", "logprob": -3}]}
    line = {"model": "m", "message": {"content": "Hi"}, "logprobs": [token], "done": True, "done_reason": "stop"}
    expected = {"content": [token], "refusal": None}
    assert CODEC.decode(orjson.dumps(line)).completion["choices"][0]["logprobs"] == expected
    assert chunks_of(CODEC, [orjson.dumps(line)])[0][0].chunk["choices"][0]["logprobs"] == expected


@pytest.mark.parametrize(
    ("name", "content", "reasoning", "arguments", "finish", "usage"),
    [
        ("stream_text", "The sky is blue.", "", [], "stop", Usage(26, 282)),
        ("stream_thinking", "Scattering.", "Consider Rayleigh.", [], "stop", Usage(26, 282)),
        ("stream_tool_call", "", "", [PARIS, ROME], "tool_calls", Usage(169, 31)),
    ],
)
def test_a_stream_becomes_chunks(
    name: str, content: str, reasoning: str, arguments: list[str], finish: str, usage: Usage
) -> None:
    chunks, is_complete = chunks_of(CODEC, [golden_bytes(f"ollama/{name}.ndjson")])
    result = told(chunks)

    assert is_complete
    assert (result.content, result.reasoning, result.finish, result.usage) == (content, reasoning, finish, usage)
    assert [call["arguments"] for call in result.calls.values()] == arguments
    assert list(result.calls) == list(range(len(arguments)))
    assert len(result.ids) == 1
    assert chunks[0].chunk["choices"][0]["delta"]["role"] == "assistant"
    assert [each.carries for each in chunks] == [*[True] * (len(chunks) - 2), False, False]
    assert chunks[-1].chunk["usage"]["total_tokens"] == usage.total_tokens


@pytest.mark.parametrize(
    "name", ["chat_response", "chat_thinking", "chat_tool_call", "chat_length", "chat_json_schema"]
)
def test_a_stream_says_what_the_whole_answer_says(name: str) -> None:
    whole = CODEC.decode(golden_bytes(f"ollama/{name}.json"))
    result = told(chunks_of(CODEC, [lines_of(golden_json(f"ollama/{name}.json"))])[0])

    assert (result.content, result.finish, result.usage) == (whole.text, whole.finish_reason, whole.usage)
    assert result.reasoning == whole.message.get("reasoning_content", "")
    expected = [{"id": c["id"], **c["function"]} for c in whole.message.get("tool_calls", ())]
    assert list(result.calls.values()) == expected


def lines_of(answer: dict[str, Any]) -> bytes:
    """The same answer as Ollama streams it: thinking, content and calls piece by piece, the counters last."""
    said = answer["message"]
    pieces: list[dict[str, Any]] = [{"content": "", "thinking": each} for each in said.get("thinking", "")]
    pieces += [{"content": each} for each in said["content"]]
    pieces += [{"content": "", "tool_calls": [each]} for each in said.get("tool_calls", ())]
    lines = [{"model": answer["model"], "message": {"role": "assistant", **each}, "done": False} for each in pieces]
    return b"".join(orjson.dumps(line) + b"\n" for line in [*lines, {**answer, "message": {"content": ""}}])


@pytest.mark.parametrize("name", STREAMS)
def test_every_split_point_gives_the_same_story(name: str) -> None:
    body = golden_bytes(f"ollama/{name}.ndjson").replace(b"blue", "bl\u00fce \U0001f642".encode())
    whole = told_but_for_its_id(body)
    for cut in range(len(body) + 1):
        assert told_but_for_its_id(body[:cut], body[cut:]) == whole


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(STREAMS), st.integers(1, 300), st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_any_size_of_reads_gives_the_same_story(name: str, size: int, newline: bytes) -> None:
    body = golden_bytes(f"ollama/{name}.ndjson")
    changed = body.replace(b"\n", newline)
    cut = [changed[at : at + size] for at in range(0, len(changed), size)]
    assert told_but_for_its_id(*cut) == told_but_for_its_id(body)


def told_but_for_its_id(*pieces: bytes) -> Any:
    chunks, is_complete = chunks_of(CODEC, pieces)
    result = told(chunks)
    result.ids.clear()  # each reading of a stream has an id of its own
    return result, is_complete


def test_the_last_line_is_the_end_of_the_stream() -> None:
    decoder = CODEC.stream_decoder()
    ends = []
    for line in golden_bytes("ollama/stream_text.ndjson").splitlines():
        decoder.feed(SSEEvent("", line.decode()))
        ends.append((decoder.complete, decoder.ended))
    assert ends == [(False, False), (False, False), (False, False), (True, True)]


def test_an_error_line_inside_a_stream_is_raised() -> None:
    with pytest.raises(ProviderError) as caught:
        chunks_of(CODEC, [golden_bytes("ollama/stream_error_midway.ndjson")])
    assert caught.value.kind is K.SERVER_ERROR
    assert "unexpected EOF" in caught.value.message


def test_a_stream_without_its_last_line_is_not_complete() -> None:
    body = golden_bytes("ollama/stream_text.ndjson")
    chunks, is_complete = chunks_of(CODEC, [body[: body.index(b'{"model"', 200)]])
    assert told(chunks).content.startswith("The")
    assert not is_complete


@pytest.mark.parametrize(
    ("status", "message", "kind", "param"),
    [
        (400, "registry.ollama.ai/library/gemma:2b does not support tools", K.UNSUPPORTED, "tools"),
        (400, '"llama3.2" does not support thinking', K.UNSUPPORTED, "reasoning_effort"),
        (400, 'think value "max" is not supported for this model', K.UNSUPPORTED, "reasoning_effort"),
        (400, '"all-minilm" does not support chat', K.UNSUPPORTED, "model"),
        (400, "this model is missing data required for image input", K.UNSUPPORTED, "messages"),
        (400, "the input length exceeds the context length", K.CONTEXT_LENGTH, None),
        (400, "invalid format: \"xml\"; expected \"json\" or a valid JSON Schema object", K.BAD_REQUEST, None),
        (401, "unauthorized", K.AUTH, None),
        (403, "forbidden", K.PERMISSION, None),
        (404, "model 'nope' not found", K.MODEL_NOT_FOUND, None),
        (404, 'model "nope" not found, try pulling it first', K.MODEL_NOT_FOUND, None),
        (429, "rate limit exceeded", K.RATE_LIMITED, None),
        (499, "request canceled", K.SERVER_ERROR, None),
        (500, "llama runner process has terminated: exit status 2", K.SERVER_ERROR, None),
        (500, "model requires more system memory (8.0 GiB) than is available (2.0 GiB)", K.SERVER_ERROR, None),
        (502, "cloud model cannot be reached", K.SERVER_ERROR, None),
        (503, "server busy, please try again.  maximum pending requests exceeded", K.OVERLOADED, None),
        (None, "server busy, please try again.  maximum pending requests exceeded", K.OVERLOADED, None),
        (None, "an error was encountered while running the model: unexpected EOF", K.SERVER_ERROR, None),
        (None, "the input length exceeds the context length", K.CONTEXT_LENGTH, None),
    ],
)  # fmt: skip
def test_an_error_means_what_it_says(status: int | None, message: str, kind: K, param: str | None) -> None:
    body = orjson.dumps({"error": message})
    if status is None:
        with pytest.raises(ProviderError) as caught:
            CODEC.decode(body)
        error = caught.value
    else:
        error = CODEC.failure(status, {}, body)
    assert (error.kind, error.param, error.upstream_status) == (kind, param, status)
    assert error.message == " ".join(message.split())


def test_the_sign_in_address_is_not_repeated() -> None:
    envelope = golden_json("ollama/error_401_cloud.json")
    assert "ollama.com" not in CODEC.failure(401, {}, orjson.dumps(envelope["body"])).message


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"message":{"content":"half"},"done":false}', b'{"done":true}'])
def test_what_is_no_answer_is_a_bad_one(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(body)
    assert caught.value.kind is K.BAD_ANSWER


def test_the_models_are_those_that_were_pulled() -> None:
    assert CODEC.models_request().path == "/tags"
    assert CODEC.decode_models(golden_bytes("ollama/tags.json")) == ["llama3.2:latest"]
    assert CODEC.decode_models(b'{"models":[{"name":"a"},{"x":1},7]}') == ["a"]
    for nonsense in (b"[]", b"{}", b'{"models":null}', b"<html>"):
        with pytest.raises(ProviderError):
            CODEC.decode_models(nonsense)


def test_a_key_is_a_bearer_token_and_none_is_no_header() -> None:
    secret = Credential("id", SecretStr("cloud-key"))
    assert CODEC.authorization(secret) == {"authorization": "Bearer cloud-key"}
    assert CODEC.authorization(Credential()) == {}


def test_texts_are_embedded() -> None:
    codec = OllamaEmbeddings()
    call = EmbedCall("all-minilm", EmbedRequest(["a"], {"dimensions": 3, "user": "u"}))
    wire = codec.encode(call)

    assert wire.path == "/embed"
    assert orjson.loads(wire.body) == {"model": "all-minilm", "input": ["a"], "truncate": False, "dimensions": 3}
    assert [warning.partition(" ")[0] for warning in wire.warnings] == ["user"]
    result = codec.decode(golden_bytes("ollama/embed.json"), call)
    assert result.vectors == golden_json("ollama/embed.json")["embeddings"]
    assert (result.model, result.usage) == ("all-minilm", Usage(8, 0))


def test_token_ids_are_left_to_another_target() -> None:
    with pytest.raises(ProviderError) as caught:
        OllamaEmbeddings().encode(EmbedCall("m", EmbedRequest([[1, 2]])))
    assert (caught.value.kind, caught.value.param) == (K.UNSUPPORTED, "input")


@pytest.mark.parametrize("vectors", [b"null", b"[]", b"[[]]", b"[[1],[2]]", b'[["x"]]', b"[[true]]", b"[7]"])
def test_vectors_that_are_none_are_a_bad_answer(vectors: bytes) -> None:
    call = EmbedCall("m", EmbedRequest(["a"]))
    with pytest.raises(ProviderError) as caught:
        OllamaEmbeddings().decode(b'{"embeddings":' + vectors + b"}", call)
    assert caught.value.kind is K.BAD_ANSWER


def test_every_answer_and_stream_on_file_is_in_a_table() -> None:
    on_file = {path.name for path in (GOLDEN / "ollama").iterdir()}
    assert {name for name in on_file if name.startswith("chat_")} == {f"{name}.json" for name in ANSWERS}
    streams = {f"{name}.ndjson" for name in (*STREAMS, "stream_error_midway")}
    assert {name for name in on_file if name.startswith("stream_")} == streams


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(STREAMS), ODD)
def test_a_stream_with_one_odd_node_is_chunks_or_an_error(data: st.DataObject, name: str, odd: Any) -> None:
    lines = golden_bytes(f"ollama/{name}.ndjson").splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    value = orjson.loads(lines[at])
    lines[at] = orjson.dumps(replaced(value, data.draw(st.sampled_from(paths_of(value))), odd))
    try:
        chunks, _ = chunks_of(CODEC, [b"\n".join(lines)])
    except ProviderError:
        return
    told(chunks)
    assert all(isinstance(each.finish_reason, str | None) for each in chunks)


@settings(max_examples=200, deadline=None)
@given(st.data(), ODD)
def test_vectors_with_one_odd_node_are_vectors_or_an_error(data: st.DataObject, odd: Any) -> None:
    value = golden_json("ollama/embed.json")
    body = orjson.dumps(replaced(value, data.draw(st.sampled_from(paths_of(value))), odd))
    try:
        result = OllamaEmbeddings().decode(body, EmbedCall("m", EmbedRequest(["a"])))
    except ProviderError:
        return
    assert len(result.vectors) == 1


@settings(max_examples=200, deadline=None)
@given(st.data(), ODD)
def test_texts_with_one_odd_node_are_a_request_or_an_error(data: st.DataObject, odd: Any) -> None:
    parameters = {"dimensions": 3, "num_ctx": 8, "options": {"num_ctx": 9}, "keep_alive": "5m", "user": "u"}
    name = data.draw(st.sampled_from(sorted(parameters)))
    try:
        wire = OllamaEmbeddings().encode(EmbedCall("m", EmbedRequest(["a"], {**parameters, name: odd})))
    except ProviderError:
        return
    assert orjson.loads(wire.body)["input"] == ["a"]
