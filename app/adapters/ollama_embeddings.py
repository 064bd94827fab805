"""Embeddings as Ollama makes them."""

from __future__ import annotations

from typing import Any, Final

import orjson

from app.adapters.codec import HARMLESS, WireRequest, bad_answer, bad_request, json_object, unsupported
from app.adapters.ollama_answer import raise_error_in, text_of, usage_of
from app.domain.chat import JSON
from app.domain.embedding import EmbedCall, Embeddings

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}
_OWN_FIELDS: Final = ("dimensions", "keep_alive", "truncate", "options")


class OllamaEmbeddings:
    """`POST /embed`."""

    def encode(self, call: EmbedCall) -> WireRequest:
        """The request. A text beyond the model's context is an error, not cut."""
        inputs = list(call.request.inputs)
        if not all(isinstance(each, str) for each in inputs):
            raise unsupported("Ollama embeds texts, not token ids", "input")
        given = {name: value for name, value in call.request.parameters.items() if value is not None}
        body: JSON = {"model": call.model, "input": inputs, "truncate": False}
        body |= {name: given[name] for name in _OWN_FIELDS if name in given}
        if not isinstance(given.get("options", {}), dict):
            raise bad_request("options is no object", "options")
        if "num_ctx" in given:
            body["options"] = {**given.get("options", {}), "num_ctx": given["num_ctx"]}
        warnings = tuple(
            f"{name} was dropped: Ollama's embeddings know no such parameter"
            for name in sorted(given.keys() - {*_OWN_FIELDS, "num_ctx"})
            if given[name] not in HARMLESS.get(name, ())
        )
        try:
            return WireRequest("POST", "/embed", _HEADERS, orjson.dumps(body), warnings)
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "input") from None

    def decode(self, body: bytes, call: EmbedCall) -> Embeddings:
        """The vectors, one for each input."""
        answer = json_object(body)
        raise_error_in(answer)
        vectors = answer.get("embeddings")
        wanted = len(call.request.inputs)
        if not isinstance(vectors, list) or len(vectors) != wanted or not all(map(_is_vector, vectors)):
            raise bad_answer(f"the answer does not hold {wanted} vectors")
        return Embeddings(vectors, text_of(answer, "model") or call.model, usage_of(answer))


def _is_vector(value: Any) -> bool:  # noqa: ANN401 - a wire body
    return isinstance(value, list) and bool(value) and all(type(each) in (float, int) for each in value)
