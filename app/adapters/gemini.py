"""Google's dialect (Gemini's generateContent)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time
from typing import Final

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
from app.adapters.failures import failure
from app.adapters.gemini_answer import answers_in, response_of
from app.adapters.gemini_counting import GeminiCounting
from app.adapters.gemini_embeddings import GeminiEmbeddings
from app.adapters.gemini_models import UNKNOWN_MODEL, is_embedding_model, resource_path, traits_of
from app.adapters.gemini_request import GeminiRequest
from app.adapters.gemini_stream import GeminiStreamDecoder
from app.adapters.reports import read_report
from app.domain.chat import Call, ChatResponse, Credential
from app.domain.errors import ProviderError
from app.domain.needs import (
    AUDIO_IN,
    CHOICES,
    EMBEDDINGS,
    FILES,
    FORCED_TOOLS,
    JSON_OBJECT,
    JSON_SCHEMA,
    LOGPROBS,
    TOOLS,
    VISION,
)

_HEADERS: Final = {"content-type": "application/json", "accept": "application/json"}
_STREAM_HEADERS: Final = {"content-type": "application/json", "accept": "text/event-stream"}
_TALKING: Final = frozenset({VISION, AUDIO_IN, FILES, CHOICES, LOGPROBS})


@dataclass(frozen=True, slots=True)
class GeminiCodec:
    """generateContent, and what stands beside it. `wall`: seconds since the epoch, for the time of an answer."""

    wall: Callable[[], float] = time
    framing: Framing = Framing.SSE
    inlines_images: bool = True
    embedding: EmbeddingCodec | None = field(default_factory=GeminiEmbeddings)
    counting: CountingCodec | None = field(default_factory=GeminiCounting)

    def for_call(self, call: Call) -> Codec:  # noqa: ARG002
        """Itself: there is one wire."""
        return self

    def supports(self, model: str) -> frozenset[str]:
        """What generateContent has words for with this model."""
        if is_embedding_model(model):
            return frozenset({EMBEDDINGS})
        traits = traits_of(model)
        abilities = _TALKING | {EMBEDDINGS} if traits is UNKNOWN_MODEL else _TALKING
        if traits.has_tools:
            abilities |= {TOOLS, FORCED_TOOLS}
        return abilities | {JSON_OBJECT, JSON_SCHEMA} if traits.has_json else abilities

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request, translated; raises ProviderError for what has no counterpart."""
        request = GeminiRequest(call)
        body = request.body()
        try:
            encoded = orjson.dumps(body)
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
        # Without `alt=sse` a stream is one long JSON array.
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        headers = _STREAM_HEADERS if stream else _HEADERS
        return WireRequest(
            "POST", resource_path(call.model, method), headers, encoded, tuple(dict.fromkeys(request.warnings))
        )

    def decode(self, body: bytes) -> ChatResponse:
        """The answer as a `chat.completion`; raises ProviderError."""
        return response_of(answers_in(body), wall=self.wall())

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        return GeminiStreamDecoder()

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means."""
        return failure(status, headers, read_report(body), wall=self.wall())

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """The key's header; as a query parameter it would stand in logs."""
        return {} if credential.secret is None else {"x-goog-api-key": credential.secret.get_secret_value()}

    def models_request(self) -> WireRequest:
        """The free list of models, the largest page that there is."""
        return WireRequest("GET", "/models?pageSize=1000", {"accept": "application/json"})

    def decode_models(self, body: bytes) -> list[str]:
        """Ids of the models that can be talked to."""
        entries = json_object(body).get("models", [])
        if not isinstance(entries, list):
            raise bad_answer("the list of models holds no list")
        talking = [entry for entry in entries if isinstance(entry, dict) and _talks(entry)]
        names = [entry.get("name") for entry in talking]
        return [name.removeprefix("models/") for name in names if isinstance(name, str) and name]


def _talks(entry: Mapping[str, object]) -> bool:
    methods = entry.get("supportedGenerationMethods")
    return isinstance(methods, list) and "generateContent" in methods
