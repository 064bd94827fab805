"""Ollama's dialect: its native chat, which unlike its OpenAI-compatible one reports errors within a stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time

import orjson

from app.adapters.codec import (
    Codec,
    CountingCodec,
    EmbeddingCodec,
    Framing,
    StreamDecoder,
    WireRequest,
    bad_answer,
    bad_request,
    json_object,
)
from app.adapters.ollama_answer import failure_of, response_of
from app.adapters.ollama_embeddings import OllamaEmbeddings
from app.adapters.ollama_request import OllamaRequest
from app.adapters.ollama_stream import OllamaStreamDecoder
from app.adapters.reports import read_report
from app.domain.chat import Call, ChatResponse, Credential
from app.domain.errors import ProviderError
from app.domain.needs import EMBEDDINGS, JSON_OBJECT, JSON_SCHEMA, LOGPROBS, TOOLS, VISION


@dataclass(frozen=True, slots=True)
class OllamaCodec:
    """`/api/chat` and its neighbours. `wall`: seconds since the epoch, for the moment that answers bear."""

    wall: Callable[[], float] = time
    framing: Framing = Framing.NDJSON
    inlines_images: bool = True
    embedding: EmbeddingCodec | None = field(default_factory=OllamaEmbeddings)
    counting: CountingCodec | None = None

    def for_call(self, call: Call) -> Codec:  # noqa: ARG002
        """Itself: there is one wire."""
        return self

    def supports(self, model: str) -> frozenset[str]:  # noqa: ARG002
        """What the native chat has words for; whether a model can do it, only the server knows."""
        return frozenset({TOOLS, VISION, LOGPROBS, JSON_OBJECT, JSON_SCHEMA, EMBEDDINGS})

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request; `stream` is always said, for Ollama streams unless told not to."""
        request = OllamaRequest(call)
        body = request.body(stream=stream)
        try:
            encoded = orjson.dumps(body)
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
        accept = Framing.NDJSON.value if stream else "application/json"
        headers = {"content-type": "application/json", "accept": accept}
        return WireRequest("POST", "/chat", headers, encoded, tuple(request.warnings))

    def decode(self, body: bytes) -> ChatResponse:
        """The answer as a `chat.completion`; raises ProviderError."""
        return response_of(json_object(body), created=int(self.wall()))

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        return OllamaStreamDecoder()

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means; that a model lacks an ability sends the walk to another."""
        return failure_of(status, headers, read_report(body), wall=self.wall())

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """The key of Ollama's cloud, or of a proxy; a server of one's own wants none."""
        if credential.secret is None:
            return {}
        return {"authorization": f"Bearer {credential.secret.get_secret_value()}"}

    def models_request(self) -> WireRequest:
        """The list of the models that were pulled."""
        return WireRequest("GET", "/tags", {"accept": "application/json"})

    def decode_models(self, body: bytes) -> list[str]:
        """Model names of that list, with their tags."""
        models = json_object(body).get("models")
        if not isinstance(models, list):
            raise bad_answer("the list of models holds no list")
        names = [entry.get("model") or entry.get("name") for entry in models if isinstance(entry, dict)]
        return [name for name in names if isinstance(name, str) and name]
