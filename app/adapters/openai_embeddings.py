"""Embeddings in OpenAI's dialect."""

from __future__ import annotations

import binascii
from array import array
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from sys import byteorder
from typing import Any, Final

import orjson

from app.adapters.codec import WireRequest, bad_answer, bad_request, json_object, unsupported
from app.adapters.openai_answer import raise_error_in
from app.adapters.openai_usage import usage_of
from app.domain.chat import JSON
from app.domain.embedding import EmbedCall, Embeddings

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}
_FLOAT: Final = 4


@dataclass(frozen=True, slots=True)
class OpenAIEmbeddingCodec:
    """`POST /embeddings` as `provider` takes it.

    `is_packed`: vectors are asked for in base64, a quarter of the bytes and read without parsing numbers; either form
    is understood. `allowed`: the only parameters it takes, None: all but `dropped`. `has_dimensions`: whether it can
    shorten vectors; asking one that cannot is refused, because another length is another answer.
    """

    provider: str = "openai"
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    allowed: frozenset[str] | None = None
    is_packed: bool = False
    takes_token_ids: bool = False
    has_dimensions: bool = True
    path: str = "/embeddings"

    def encode(self, call: EmbedCall) -> WireRequest:
        """The request; raises ProviderError(UNSUPPORTED) for token ids and lengths that cannot be asked for."""
        request = call.request
        if not self.takes_token_ids and not all(isinstance(each, str) for each in request.inputs):
            raise unsupported(f"{self.provider} embeds texts, not token ids", "input")
        parameters = {name: value for name, value in request.parameters.items() if value is not None}
        if "dimensions" in parameters and not self.has_dimensions:
            raise unsupported(f"{self.provider} cannot shorten vectors", "dimensions")
        for name, new in self.renamed.items():
            if name in parameters:
                parameters[new] = parameters.pop(name)
        unknown = self.dropped & parameters.keys() if self.allowed is None else parameters.keys() - self.allowed
        kept = {name: value for name, value in parameters.items() if name not in unknown}
        body: JSON = {**kept, "model": call.model, "input": list(request.inputs)}
        if self.is_packed:
            body["encoding_format"] = "base64"
        try:
            content = orjson.dumps(body)
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "input") from None
        warnings = tuple(f"{name} was dropped: {self.provider} does not take it" for name in sorted(unknown))
        return WireRequest("POST", self.path, _HEADERS, content, warnings)

    def decode(self, body: bytes, call: EmbedCall) -> Embeddings:
        """The vectors, in the order of the inputs and all of one length; raises ProviderError."""
        answer = json_object(body)
        raise_error_in(answer)
        vectors = _in_order(answer.get("data"), len(call.request.inputs))
        lengths = {len(vector) for vector in vectors}
        wanted = call.request.parameters.get("dimensions")
        if len(lengths) > 1 or (isinstance(wanted, int) and lengths - {wanted}):
            raise bad_answer(f"vectors of {sorted(lengths)[:4]} numbers where {wanted or 'one length'} was asked for")
        model = answer.get("model")
        return Embeddings(
            vectors, model if isinstance(model, str) and model else call.model, usage_of(answer.get("usage"))
        )


def _in_order(entries: Any, count: int) -> list[Sequence[float]]:  # noqa: ANN401 - a wire body
    if not isinstance(entries, list) or len(entries) != count:
        found = len(entries) if isinstance(entries, list) else "no"
        raise bad_answer(f"{found} vectors for {count} inputs")
    placed: dict[int, Sequence[float]] = {}
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            raise bad_answer("an embedding is no object")
        index = entry.get("index", position)
        if not isinstance(index, int) or not 0 <= index < count or index in placed:
            raise bad_answer("the embeddings are not numbered from 0")
        placed[index] = _vector(entry.get("embedding"))
    return [placed[index] for index in range(count)]


def _vector(embedding: Any) -> Sequence[float]:  # noqa: ANN401 - a wire body
    vector = _unpacked(embedding) if isinstance(embedding, str) else embedding
    if not isinstance(vector, list) or not vector or not all(type(each) in (float, int) for each in vector):
        raise bad_answer("an embedding is no list of numbers")
    # One that is not finite makes the sum so.
    if not isfinite(sum(map(float, vector))):
        raise bad_answer("an embedding holds what is no finite number")
    return vector


def _unpacked(packed: str) -> list[float]:
    """Little-endian 32-bit floats out of base64."""
    try:
        raw = b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise bad_answer("an embedding is no base64") from None
    if len(raw) % _FLOAT:
        raise bad_answer("an embedding is cut within a number")
    numbers = array("f", raw)
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()
