"""Texts as vectors, in Google's words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.adapters.codec import HARMLESS, WireRequest, bad_answer, bad_request, json_object, unsupported
from app.adapters.gemini_models import resource, resource_path
from app.adapters.gemini_usage import usage_of
from app.domain.chat import JSON
from app.domain.embedding import EmbedCall, Embeddings

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}
_MOST_INPUTS: Final = 100
_OWN: Final = {"task_type": "taskType", "taskType": "taskType", "title": "title"}
_READ: Final = frozenset({"dimensions", *_OWN})


@dataclass(frozen=True, slots=True)
class GeminiEmbeddings:
    """`batchEmbedContents`: one request for all texts, and no word about tokens."""

    def encode(self, call: EmbedCall) -> WireRequest:
        """The request; raises ProviderError(UNSUPPORTED) for tokens in place of text, or for too many texts."""
        given = {name: value for name, value in call.request.parameters.items() if value is not None}
        if len(call.request.inputs) > _MOST_INPUTS:
            raise unsupported(f"at most {_MOST_INPUTS} texts are embedded at once", "input")
        options: JSON = {field: given[name] for name, field in _OWN.items() if name in given}
        if "dimensions" in given:
            options["outputDimensionality"] = given["dimensions"]
        requests = [self._request(call.model, text) | options for text in call.request.inputs]
        dropped = [name for name in sorted(given.keys() - _READ) if given[name] not in HARMLESS.get(name, ())]
        warnings = tuple(f"{name} was dropped: batchEmbedContents has no such field" for name in dropped)
        try:
            body = orjson.dumps({"requests": requests})
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "input") from None
        return WireRequest("POST", resource_path(call.model, "batchEmbedContents"), _HEADERS, body, warnings)

    def decode(self, body: bytes, call: EmbedCall) -> Embeddings:
        """The vectors, of length 1 where they were asked to be shorter: the provider cuts and does not scale."""
        answer = json_object(body)
        stated = answer.get("embeddings")
        if stated is None and "embedding" in answer:
            stated = [answer["embedding"]]
        if not isinstance(stated, list) or len(stated) != len(call.request.inputs):
            raise bad_answer(f"no {len(call.request.inputs)} embeddings came back")
        vectors = [_vector(each) for each in stated]
        if call.request.parameters.get("dimensions") is not None:
            vectors = [_of_length_one(vector) for vector in vectors]
        return Embeddings(vectors, call.model.removeprefix("models/"), usage_of(answer.get("usageMetadata")))

    def _request(self, model: str, text: str | Sequence[int]) -> JSON:
        if not isinstance(text, str):
            raise unsupported("token ids cannot be embedded by this provider, only text", "input")
        return {"model": resource(model), "content": {"parts": [{"text": text}]}}


def _vector(embedding: Any) -> list[float]:  # noqa: ANN401 - a wire body
    values = embedding.get("values") if isinstance(embedding, dict) else None
    if not isinstance(values, list) or not values:
        raise bad_answer("an embedding without values")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise bad_answer("an embedding's values are no numbers")
    return [float(value) for value in values]


def _of_length_one(vector: list[float]) -> list[float]:
    length = math.hypot(*vector)
    return [value / length for value in vector] if length > 0 and math.isfinite(length) else vector
