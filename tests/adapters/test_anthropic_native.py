"""What came over Anthropic's own wire goes to Anthropic as it came, and so does the answer."""

from __future__ import annotations

import contextlib
from copy import deepcopy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.adapters.anthropic import AnthropicCodec
from app.adapters.codec import Codec
from app.domain.chat import Call, ChatRequest, NativeBody, Wire
from app.domain.errors import ProviderError
from tests.adapters.streams import chunks_of, told
from tests.adapters.test_hostile_answers import ODD, paths_of, replaced
from tests.golden import golden_bytes, golden_json

OLD, NEW = "claude-haiku-4-5", "claude-opus-5-5"
STREAMS = ["stream_text", "stream_thinking_text", "stream_tool_call", "stream_refusal", "stream_thinking_omitted"]


def a_native(model: str, body: dict[str, Any], headers: dict[str, str] | None = None, **parameters: Any) -> Call:
    native = NativeBody(Wire.MESSAGES, body, headers or {})
    return Call(model, ChatRequest([{"role": "user", "content": "unused"}], parameters, native=native))


def passing(call: Call) -> Codec:
    return AnthropicCodec().for_call(call)


def sent(call: Call, *, stream: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(passing(call).encode(call, stream=stream).body)
    return body


def a_body(**more: Any) -> dict[str, Any]:
    return {"max_tokens": 100, "messages": [{"role": "user", "content": "hi"}], **more}


@pytest.mark.parametrize("name", ["request_tools", "request_image_json_schema"])
def test_a_body_goes_on_word_for_word(name: str) -> None:
    golden = golden_json(f"anthropic/{name}.json")
    body = {key: value for key, value in golden.items() if key != "model"}
    before = deepcopy(body)

    assert sent(a_native(NEW, body)) == golden
    assert sent(a_native(NEW, body), stream=True) == {**golden, "stream": True}
    assert body == before


def test_a_model_that_always_thinks_is_not_told_to_stop() -> None:
    call = a_native(NEW, a_body(thinking={"type": "disabled"}))
    assert sent(call) == {**a_body(), "model": NEW}
    [warning] = passing(call).encode(call, stream=False).warnings
    assert warning.startswith("thinking was dropped")
    assert sent(a_native(OLD, a_body(thinking={"type": "disabled"})))["thinking"] == {"type": "disabled"}


def test_what_nobody_knows_goes_on_too() -> None:
    search = {"type": "web_search_20260209", "name": "web_search"}
    body = a_body(tools=[search], mcp_servers=[{"url": "https://a.test"}], a_field_of_tomorrow={"x": 1})
    assert sent(a_native(NEW, body)) == {**body, "model": NEW}


def test_a_beta_travels_with_its_request() -> None:
    call = a_native(NEW, a_body(), {"anthropic-beta": "a-1,b-2", "anthropic-version": "2026-10-21"})
    headers = passing(call).encode(call, stream=False).headers
    assert headers["anthropic-beta"] == "a-1,b-2"
    assert headers["anthropic-version"] == "2026-10-21"


def test_defaults_fill_what_the_caller_left_open() -> None:
    assert sent(a_native(OLD, a_body(), temperature=0.1, max_tokens=7))["temperature"] == 0.1
    assert sent(a_native(OLD, a_body(), max_tokens=7))["max_tokens"] == 100
    assert "temperature" not in sent(a_native(OLD, a_body(top_p=0.5), temperature=0.1))
    thinking = {"type": "enabled", "budget_tokens": 2000}
    assert "temperature" not in sent(a_native(OLD, a_body(thinking=thinking), temperature=0.1))


def test_a_model_that_takes_no_sampling_is_not_sent_any() -> None:
    call = a_native(NEW, a_body(temperature=0.2, top_k=3))
    wire = passing(call).encode(call, stream=False)
    assert not orjson.loads(wire.body).keys() & {"temperature", "top_k"}
    assert len(wire.warnings) == 2


def test_thinking_that_others_signed_with_nothing_is_left_out() -> None:
    own = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    strange = {"type": "thinking", "thinking": "hm", "signature": ""}
    text = {"type": "text", "text": "b"}
    body = a_body(messages=[{"role": "assistant", "content": [own, strange, text]}])
    assert sent(a_native(NEW, body))["messages"] == [{"role": "assistant", "content": [own, text]}]


def test_an_answer_comes_back_as_it_was_and_translated() -> None:
    golden = golden_bytes("anthropic/chat_tool_call.json")
    codec = passing(a_native(NEW, a_body()))
    response = codec.decode(golden)
    assert response.native == orjson.loads(golden)
    assert response.finish_reason == "tool_calls"
    assert response.usage == AnthropicCodec().decode(golden).usage


@pytest.mark.parametrize("name", STREAMS)
def test_every_event_of_a_stream_is_in_exactly_one_chunk(name: str) -> None:
    body = golden_bytes(f"anthropic/{name}.sse")
    chunks, is_complete = chunks_of(passing(a_native(NEW, a_body())), [body])

    assert is_complete
    assert b"".join(chunk.native for chunk in chunks).strip() == body.strip()
    plain = told(chunks_of(AnthropicCodec(), [body])[0])
    native = told([chunk for chunk in chunks if chunk.chunk["choices"] or "usage" in chunk.chunk])
    assert (native.content, native.reasoning, native.calls) == (plain.content, plain.reasoning, plain.calls)
    assert (native.finish, native.usage) == (plain.finish, plain.usage)


def test_an_error_in_a_stream_is_raised_not_forwarded() -> None:
    with pytest.raises(ProviderError):
        chunks_of(passing(a_native(NEW, a_body())), [golden_bytes("anthropic/stream_error_overloaded.sse")])


def test_only_anthropics_own_wire_passes_through() -> None:
    codec = AnthropicCodec()
    other = ChatRequest([{"role": "user", "content": "hi"}], native=NativeBody(Wire.RESPONSES, {"input": "hi"}))
    assert codec.for_call(Call(NEW, other)) is codec
    body = orjson.loads(codec.encode(Call(NEW, other), stream=False).body)
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]


def test_a_count_is_of_the_native_prompt() -> None:
    call = a_native(NEW, a_body(system="s", tools=[{"type": "bash_20250124", "name": "bash"}], stop_sequences=["x"]))
    counting = passing(call).counting
    assert counting is not None
    body = orjson.loads(counting.encode(call).body)
    assert body.keys() == {"model", "messages", "system", "tools"}


GOLDEN = {name: value for name, value in golden_json("anthropic/request_tools.json").items() if name != "model"}
# Messages that are no list never leave the edge.
PATHS = [path for path in paths_of(GOLDEN) if path not in ((), ("messages",))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATHS), st.sampled_from([OLD, NEW]), ODD)
def test_a_body_with_one_odd_node_goes_on_or_is_refused(path: tuple[Any, ...], model: str, odd: Any) -> None:
    call = a_native(model, replaced(GOLDEN, path, odd), temperature=0.1)
    with contextlib.suppress(ProviderError):
        passing(call).encode(call, stream=True)


@settings(max_examples=300, deadline=None)
@given(st.data(), st.sampled_from(STREAMS), ODD)
def test_a_stream_with_one_odd_node_is_passed_on_or_refused(data: st.DataObject, name: str, odd: Any) -> None:
    lines = golden_bytes(f"anthropic/{name}.sse").split(b"\n")
    at = data.draw(st.sampled_from([i for i, line in enumerate(lines) if line.startswith(b"data: {")]))
    value = orjson.loads(lines[at][6:])
    lines[at] = b"data: " + orjson.dumps(replaced(value, data.draw(st.sampled_from(paths_of(value))), odd))
    with contextlib.suppress(ProviderError):
        chunks_of(passing(a_native(NEW, a_body())), [b"\n".join(lines)])
