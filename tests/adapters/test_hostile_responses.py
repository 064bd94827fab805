"""The Responses API with one odd node: in what callers say, and in what providers answer."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.codec import Codec
from app.adapters.input_tokens import InputTokens
from app.adapters.responses import ResponsesCodec
from app.adapters.responses_native import NativeResponsesCodec
from app.domain.chat import Call, ChatRequest, NativeBody, Wire
from app.domain.errors import ProviderError
from tests.adapters.streams import chunks_of
from tests.adapters.test_hostile_answers import ODD, paths_of, replaced
from tests.adapters.test_hostile_requests import GIVEN as CANONICAL
from tests.golden import golden_bytes, golden_json

CODECS: list[Codec] = [ResponsesCodec(), NativeResponsesCodec()]
DETAIL = {"type": "reasoning", "id": "rs", "encrypted_content": "x", "summary": [], "tool_call_id": "call_A1b2C3"}
TURN = {"role": "assistant", "content": "x", "refusal": "y", "reasoning_details": [DETAIL]}
CUSTOM = {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}}
GIVEN: dict[str, Any] = {**CANONICAL, "messages": [*CANONICAL["messages"], TURN], "n": 1, "verbosity": "low"}
GIVEN["tools"] = [*GIVEN["tools"], CUSTOM]
GIVEN["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}}
PATHS = [path for path in paths_of(GIVEN) if len(path) > (2 if path[:1] == ("messages",) else 1)]
PATHS += [(name,) for name in GIVEN if name not in ("messages", "model", "stream")]


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(PATHS), ODD)
def test_a_request_with_one_odd_node(path: tuple[Any, ...], odd: Any) -> None:
    body = replaced({**GIVEN, "logprobs": None}, path, odd)
    parameters = {name: value for name, value in body.items() if name not in ("messages", "model", "stream")}
    call = Call("gpt-6-astra", ChatRequest(body["messages"], parameters))
    with contextlib.suppress(ProviderError):
        assert orjson.loads(CODECS[0].encode(call, stream=True).body)
    with contextlib.suppress(ProviderError):
        assert orjson.loads(InputTokens().encode(call).body)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(paths_of(golden_json("openai/responses_request_tools.json"))), ODD)
def test_a_native_body_with_one_odd_node(path: tuple[Any, ...], odd: Any) -> None:
    body = replaced(golden_json("openai/responses_request_tools.json"), path, odd)
    native = NativeBody(Wire.RESPONSES, body if isinstance(body, dict) else {})
    call = Call("gpt-6-astra", ChatRequest([{"role": "user", "content": "hi"}], {"temperature": 1}, native))
    with contextlib.suppress(ProviderError):
        assert orjson.loads(CODECS[1].encode(call, stream=True).body)
    with contextlib.suppress(ProviderError):
        assert orjson.loads(InputTokens().encode(call).body)


@settings(max_examples=400, deadline=None)
@given(st.data(), st.sampled_from(CODECS), st.sampled_from(["response", "tool_call", "incomplete", "failed"]), ODD)
def test_a_whole_answer_with_one_odd_node(data: st.DataObject, codec: Codec, name: str, odd: Any) -> None:
    value = golden_json(f"openai/responses_{name}.json")
    path = data.draw(st.sampled_from(paths_of(value)))
    with contextlib.suppress(ProviderError):
        response = codec.decode(orjson.dumps(replaced(value, path, odd)))
        assert isinstance(response.text, str)
        assert isinstance(response.finish_reason, str)


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(CODECS), st.sampled_from(["text", "tool_call", "failed"]), ODD)
def test_a_stream_with_one_odd_node(data: st.DataObject, codec: Codec, name: str, odd: Any) -> None:
    lines = golden_bytes(f"openai/responses_stream_{name}.sse").split(b"\n")
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line.startswith(b"data: {")]))
    value = orjson.loads(lines[at][6:])
    path = data.draw(st.sampled_from(paths_of(value)))
    lines[at] = b"data: " + orjson.dumps(replaced(value, path, odd))
    with contextlib.suppress(ProviderError):
        for each in chunks_of(codec, [b"\n".join(lines)])[0]:
            for choice in each.chunk["choices"]:
                assert isinstance(choice["delta"].get("content"), str | None)
                assert isinstance(choice["finish_reason"], str | None)
