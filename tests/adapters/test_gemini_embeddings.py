from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from app.adapters.gemini_counting import GeminiCounting
from app.adapters.gemini_embeddings import GeminiEmbeddings
from app.domain.embedding import EmbedCall, EmbedRequest
from app.domain.errors import FailureKind, ProviderError
from tests.adapters.streams import a_call
from tests.golden import golden_bytes, golden_json

CODEC, COUNTING = GeminiEmbeddings(), GeminiCounting()
MODEL = "gemini-embedding-001"


def embedding(*inputs: str | Sequence[int], **parameters: Any) -> EmbedCall:
    return EmbedCall(MODEL, EmbedRequest(inputs, parameters))


def test_every_text_is_a_request_of_one_batch() -> None:
    wire = CODEC.encode(embedding("a", "b", dimensions=256, task_type="RETRIEVAL_QUERY", user="u"))
    assert (wire.method, wire.path) == ("POST", f"/models/{MODEL}:batchEmbedContents")
    assert orjson.loads(wire.body) == {
        "requests": [
            {
                "model": f"models/{MODEL}",
                "content": {"parts": [{"text": text}]},
                "taskType": "RETRIEVAL_QUERY",
                "outputDimensionality": 256,
            }
            for text in ("a", "b")
        ]
    }
    assert [warning.partition(" ")[0] for warning in wire.warnings] == ["user"]


def test_vectors_come_in_the_order_of_the_texts() -> None:
    embeddings = CODEC.decode(golden_bytes("gemini/batch_embed_contents.json"), embedding("a", "b"))
    assert embeddings.vectors == [[0.01, -0.02], [0.03, 0.04]]
    assert (embeddings.model, embeddings.usage) == (MODEL, None)


def test_a_single_embedding_is_read_too() -> None:
    embeddings = CODEC.decode(golden_bytes("gemini/embed_content.json"), embedding("a"))
    assert embeddings.vectors == [[0.013168523, -0.008711934, -0.046782676]]


def test_a_shortened_vector_has_length_one() -> None:
    body = golden_bytes("gemini/batch_embed_contents.json")
    vectors = CODEC.decode(body, embedding("a", "b", dimensions=2)).vectors
    assert [math.hypot(*vector) for vector in vectors] == pytest.approx([1, 1])
    assert vectors[1] == pytest.approx([0.6, 0.8])
    nothing = CODEC.decode(b'{"embeddings":[{"values":[0,0]}]}', embedding("a", dimensions=2))
    assert nothing.vectors == [[0.0, 0.0]]


@pytest.mark.parametrize("inputs", [([1, 2, 3],), ("a",) * 101])
def test_what_cannot_be_embedded_is_not_supported(inputs: Any) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.encode(embedding(*inputs))
    assert (caught.value.kind, caught.value.param) == (FailureKind.UNSUPPORTED, "input")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"{}",
        b'{"embeddings":7}',
        b'{"embeddings":[]}',
        b'{"embeddings":[7]}',
        b'{"embeddings":[{"values":[]}]}',
        b'{"embeddings":[{"values":["x"]}]}',
        b'{"embeddings":[{"values":[true]}]}',
        b'{"embeddings":[{"values":[1]},{"values":[2]}]}',
    ],
)
def test_vectors_that_make_no_sense_are_a_bad_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        CODEC.decode(body, embedding("a"))
    assert caught.value.kind is FailureKind.BAD_ANSWER


def test_instructions_and_tools_count_too() -> None:
    golden = golden_json("openai/request_canonical_tools.json")
    wire = COUNTING.encode(a_call("gemini-3.8-flash", golden["messages"], tools=golden["tools"], max_tokens=5))
    assert (wire.method, wire.path) == ("POST", "/models/gemini-3.8-flash:countTokens")
    counted = orjson.loads(wire.body)["generateContentRequest"]
    assert counted.keys() == {"model", "systemInstruction", "contents", "tools", "toolConfig"}
    assert counted["model"] == "models/gemini-3.8-flash"


def test_the_count_is_the_whole_prompts() -> None:
    assert COUNTING.decode(golden_bytes("gemini/count_tokens.json")) == 31


@pytest.mark.parametrize("body", [b"{}", b"[]", b"x", b'{"totalTokens":"3"}', b'{"totalTokens":true}'])
def test_a_count_that_is_none_is_a_bad_answer(body: bytes) -> None:
    with pytest.raises(ProviderError) as caught:
        COUNTING.decode(body)
    assert caught.value.kind is FailureKind.BAD_ANSWER
