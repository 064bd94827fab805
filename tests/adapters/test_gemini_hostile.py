"""Gemini's golden answers with several nodes replaced or missing: an answer of ours or a ProviderError comes out."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.gemini import GeminiCodec
from app.domain.chat import JSON
from app.domain.errors import FailureKind, ProviderError
from tests.adapters.streams import chunks_of
from tests.adapters.test_hostile_answers import ODD, paths_of, replaced
from tests.golden import GOLDEN, golden_bytes, golden_json

CODEC = GeminiCodec()
FOLDER = GOLDEN / "gemini"
WHOLE = sorted(path.name for path in FOLDER.glob("chat_*.json"))
STREAMED = sorted(path.name for path in FOLDER.glob("stream_*.sse"))
ODDER = ODD | st.sampled_from(
    ["STOP", "SAFETY", "OTHER", [{"text": "a"}], [{"functionCall": {}}], {"parts": {}}, {"blockReason": []}, 2**70]
)
KINDS = {
    FailureKind.BAD_ANSWER,
    FailureKind.CONTENT_POLICY,
    FailureKind.SERVER_ERROR,
    FailureKind.OVERLOADED,
}


def mutated(data: st.DataObject, value: Any) -> Any:
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(paths_of(value)))
        if path and isinstance(path[-1], str) and data.draw(st.booleans()):
            value = without(value, path)
        else:
            value = replaced(value, path, data.draw(ODDER))
    return value


def without(value: Any, path: tuple[Any, ...]) -> Any:
    changed = value.copy()
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = without(value[path[0]], path[1:])
    return changed


def dumped(value: Any) -> bytes:
    with contextlib.suppress(TypeError):
        return orjson.dumps(value)
    return b'{"candidates": 99999999999999999999999}'


def check_message(message: JSON) -> None:
    assert isinstance(message.get("content"), str | None)
    assert isinstance(message.get("reasoning_content"), str | None)
    for call in message.get("tool_calls", ()):
        assert call["id"]
        assert call["function"]["name"]
        assert isinstance(orjson.loads(call["function"]["arguments"]), dict)
    for detail in message.get("reasoning_details", ()):
        assert isinstance(detail["signature"], str)


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(WHOLE))
def test_a_whole_answer_with_odd_nodes(data: st.DataObject, name: str) -> None:
    body = dumped(mutated(data, golden_json(f"gemini/{name}")))
    try:
        response = CODEC.decode(body)
    except ProviderError as error:
        kind = error.kind
    else:
        kind = FailureKind.BAD_ANSWER
        check_message(response.message)
        assert orjson.dumps(response.completion)
        assert response.finish_reason in ("stop", "length", "tool_calls", "content_filter")
    assert kind in KINDS


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from(STREAMED))
def test_a_stream_with_odd_nodes(data: st.DataObject, name: str) -> None:
    lines = golden_bytes(f"gemini/{name}").split(b"\r\n")
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line.startswith(b"data: ")]))
    lines[at] = b"data: " + dumped(mutated(data, orjson.loads(lines[at][6:])))
    try:
        chunks, _ = chunks_of(CODEC, [b"\r\n".join(lines)])
    except ProviderError as error:
        kind = error.kind
    else:
        kind = FailureKind.BAD_ANSWER
        for choice in (choice for each in chunks for choice in each.chunk["choices"]):
            check_message(choice["delta"])
        assert orjson.dumps([each.chunk for each in chunks])
    assert kind in KINDS


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_at_all(body: bytes) -> None:
    for pieces in ([b"data: " + body + b"\r\n\r\n"], [b"{" + body], [body]):
        with contextlib.suppress(ProviderError):
            chunks_of(CODEC, pieces)
    with contextlib.suppress(ProviderError):
        CODEC.decode(body)
