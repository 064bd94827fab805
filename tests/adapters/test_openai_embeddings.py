from __future__ import annotations

import base64
import struct
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.adapters.build import build_adapter
from app.adapters.codec import EmbeddingCodec
from app.adapters.presets import PRESETS
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind as K
from app.domain.errors import ProviderError
from app.domain.provider import ProviderConfig
from app.domain.provider import ProviderType as T
from app.domain.usage import Usage
from tests.adapters.test_hostile_answers import ODD, paths_of, replaced
from tests.golden import golden_bytes, golden_json

EMBEDDING = [T.OPENAI, T.AZURE, T.GROQ, T.MISTRAL, T.TOGETHER, T.OPENROUTER, T.VLLM, T.LOCALAI, T.OPENAI_COMPATIBLE]


def codec_of(type_: T) -> EmbeddingCodec:
    codec = PRESETS[type_].codec.embedding
    assert codec is not None
    return codec


def call_for(*inputs: Any, **parameters: Any) -> EmbedCall:
    return EmbedCall("m", EmbedRequest(inputs, parameters))


def packed(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def answered(*entries: Any, **rest: Any) -> bytes:
    return orjson.dumps({"object": "list", "data": list(entries), "model": "m-1", **rest})


def sent(type_: T, *inputs: Any, **parameters: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    wire = codec_of(type_).encode(call_for(*inputs, **parameters))
    assert (wire.method, wire.path) == ("POST", "/embeddings")
    body = orjson.loads(wire.body)
    assert (body.pop("model"), body.pop("input")) == ("m", list(inputs))
    return body, wire.warnings


@pytest.mark.parametrize(
    ("type_", "given_", "expected", "warned"),
    [
        (T.OPENAI, {"dimensions": 3, "user": "u"}, {"dimensions": 3, "user": "u", "encoding_format": "base64"}, 0),
        (T.AZURE, {"dimensions": 3}, {"dimensions": 3, "encoding_format": "base64"}, 0),
        (T.VLLM, {"truncate_prompt_tokens": 8}, {"truncate_prompt_tokens": 8, "encoding_format": "base64"}, 0),
        (T.MISTRAL, {"dimensions": 3, "user": "u", "odd": 1}, {"output_dimension": 3}, 2),
        (T.TOGETHER, {"user": "u"}, {}, 1),
        (T.OPENROUTER, {"dimensions": 3, "user": None}, {"dimensions": 3}, 0),
        (T.LOCALAI, {"user": "u"}, {"user": "u"}, 0),
        (T.GROQ, {"user": "u"}, {"user": "u"}, 0),
        (T.OPENAI_COMPATIBLE, {"odd": 1}, {"odd": 1}, 0),
    ],
)
def test_a_provider_gets_the_parameters_it_takes(
    type_: T, given_: dict[str, Any], expected: dict[str, Any], warned: int
) -> None:
    body, warnings = sent(type_, "a", "b", **given_)
    assert body == expected
    assert len(warnings) == warned


def test_who_embeds_is_known() -> None:
    assert [type_ for type_ in EMBEDDING if PRESETS[type_].codec.embedding is None] == []
    assert {T.DEEPSEEK, T.XAI}.isdisjoint(EMBEDDING)
    assert all(PRESETS[type_].codec.embedding is None for type_ in (T.DEEPSEEK, T.XAI))


@pytest.mark.parametrize("type_", EMBEDDING)
def test_token_ids_go_to_those_who_take_them(type_: T) -> None:
    if type_ in (T.OPENAI, T.AZURE, T.VLLM, T.OPENAI_COMPATIBLE):
        sent(type_, [1, 2], "text")
        return
    with pytest.raises(ProviderError) as caught:
        sent(type_, "text", [1, 2])
    assert (caught.value.kind, caught.value.param) == (K.UNSUPPORTED, "input")


def test_another_length_is_no_colour() -> None:
    with pytest.raises(ProviderError) as caught:
        sent(T.TOGETHER, "a", dimensions=3)
    assert (caught.value.kind, caught.value.param) == (K.UNSUPPORTED, "dimensions")


def test_the_answer_on_file_is_read() -> None:
    found = codec_of(T.OPENAI).decode(golden_bytes("openai/embeddings.json"), call_for("a"))
    assert found.vectors == [[0.0023064255, -0.009327292, -0.0028842222]]
    assert (found.model, found.usage) == ("text-embedding-3-small", Usage(8, 0))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=8))
def test_both_forms_say_the_same(numbers: list[float]) -> None:
    plain = answered({"index": 0, "embedding": numbers})
    tight = answered({"index": 0, "embedding": packed(*numbers)})
    codec, call = codec_of(T.OPENAI), call_for("a")
    assert codec.decode(plain, call).vectors == codec.decode(tight, call).vectors == [numbers]


def test_vectors_come_in_the_order_of_the_inputs() -> None:
    entries = [{"index": 2, "embedding": [3.0]}, {"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [2]}]
    found = codec_of(T.OPENAI).decode(answered(*entries, usage={"cost": 0.5, "prompt_tokens": 3}), call_for(*"abc"))
    assert found.vectors == [[1.0], [2.0], [3.0]]
    assert found.usage == Usage(3, 0, reported_cost=Decimal("0.5"))
    unnumbered = answered({"embedding": [1.0]}, {"embedding": [2.0]})
    assert codec_of(T.OPENAI).decode(unnumbered, call_for("a", "b")).vectors == [[1.0], [2.0]]


@pytest.mark.parametrize(
    "body",
    [
        b"nonsense",
        b"{}",
        answered(),
        answered({"index": 0, "embedding": [1.0]}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 7, "embedding": [2.0]}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [2.0, 3.0]}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": []}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [True]}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": ["2"]}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "?"}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": "AAAA"}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": packed(float("nan"))}),
        answered({"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": packed(float("inf"))}),
        answered({"index": 0, "embedding": [1.0]}, 7),
        b'{"data":[{"embedding":[1.0]},{"embedding":[1' + b"0" * 400 + b"]}]}",
    ],
)
def test_anything_else_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        codec_of(T.OPENAI).decode(body, call_for("a", "b"))
    assert caught.value.kind is K.BAD_ANSWER


def test_a_vector_of_another_length_than_asked_for_is_a_bad_answer() -> None:
    with pytest.raises(ProviderError, match="3 was asked for"):
        codec_of(T.LOCALAI).decode(answered({"embedding": [1.0, 2.0]}), call_for("a", dimensions=3))


def test_an_error_with_200_is_that_error() -> None:
    with pytest.raises(ProviderError) as caught:
        codec_of(T.OPENROUTER).decode(b'{"error":{"message":"x","code":429}}', call_for("a"))
    assert caught.value.kind is K.RATE_LIMITED


@given(st.data(), ODD)
def test_an_answer_with_one_odd_node_raises_nothing_else(data: st.DataObject, odd: Any) -> None:
    value = golden_json("openai/embeddings.json")
    path = data.draw(st.sampled_from(paths_of(value)))
    try:
        found = codec_of(T.OPENAI).decode(orjson.dumps(replaced(value, path, odd)), call_for("a"))
    except ProviderError:
        return
    assert len(found.vectors) == 1


async def test_an_adapter_embeds() -> None:
    mock = httpx.MockTransport(lambda _: httpx.Response(200, content=answered({"embedding": packed(0.5)})))
    adapter = build_adapter(ProviderConfig("mine", T.MISTRAL, "http://p.test/v1"), mock)
    found = await adapter.embed(call_for("a", user="u"))
    assert (found.vectors, found.model) == ([[0.5]], "m-1")
    assert found.warnings == ("user was dropped: mistral does not take it",)
