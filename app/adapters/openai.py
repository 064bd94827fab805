"""OpenAI's dialect (Chat Completions); a provider that speaks it differently differs in options only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import time

import orjson

from app.adapters.abilities import Abilities, everything, refuse_the_unsayable
from app.adapters.codec import (
    Codec,
    CountingCodec,
    EmbeddingCodec,
    Framing,
    StreamDecoder,
    WireRequest,
    bad_request,
    json_object,
    model_ids,
)
from app.adapters.failures import failure
from app.adapters.openai_answer import response_of
from app.adapters.openai_request import RequestOptions, RequestWriter
from app.adapters.openai_stream import OpenAIStreamDecoder
from app.adapters.reports import read_report
from app.domain.chat import Call, ChatResponse, Credential
from app.domain.errors import FailureKind, ProviderError

_HEADERS = {"content-type": "application/json", "accept": "application/json"}
_STREAM_HEADERS = {"content-type": "application/json", "accept": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class OpenAICodec:
    """Chat Completions as `provider` takes them.

    `key_header`: where the key goes; `authorization` means as a bearer token. `lists_models`: false where the list
    is not what can be asked. `status_kinds`: statuses that this provider uses in its own way. `abilities`: what it has
    words for with a model.
    `wall`: seconds since the epoch, for waits that are stated as moments.
    """

    provider: str = "openai"
    request: RequestOptions = field(default_factory=RequestOptions)
    key_header: str = "authorization"
    lists_models: bool = True
    status_kinds: Mapping[int, FailureKind] = field(default_factory=dict)
    wall: Callable[[], float] = time
    framing: Framing = Framing.SSE
    inlines_images: bool = False
    abilities: Abilities = everything
    embedding: EmbeddingCodec | None = None
    counting: CountingCodec | None = None

    def for_call(self, call: Call) -> Codec:  # noqa: ARG002
        """Itself: there is one wire."""
        return self

    def supports(self, model: str) -> frozenset[str]:
        """What the provider's wire can say with this model."""
        return self.abilities(model)

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request with what the provider would refuse left out; needs are never left out but refused."""
        refuse_the_unsayable(self.provider, call.request, self.abilities(call.model))
        writer = RequestWriter(self.provider, self.request, is_translated=call.request.native is not None)
        body = writer.body(call.model, call.request.messages, call.request.parameters, stream=stream)
        try:
            encoded = orjson.dumps(body)
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
        is_streamed = bool(body.get("stream"))
        return WireRequest(
            "POST",
            "/chat/completions",
            _STREAM_HEADERS if is_streamed else _HEADERS,
            encoded,
            tuple(writer.warnings),
            is_whole=stream and not is_streamed,
        )

    def decode(self, body: bytes) -> ChatResponse:
        """The completion, with every required field; raises ProviderError."""
        return response_of(json_object(body))

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        return OpenAIStreamDecoder()

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means."""
        return failure(status, headers, read_report(body), wall=self.wall(), kinds=self.status_kinds)

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """The header that carries the key."""
        if credential.secret is None:
            return {}
        secret = credential.secret.get_secret_value()
        return {self.key_header: f"Bearer {secret}" if self.key_header == "authorization" else secret}

    def models_request(self) -> WireRequest:
        """The free list of models."""
        return WireRequest("GET", "/models", {"accept": "application/json"})

    def decode_models(self, body: bytes) -> list[str]:
        """Model ids, where the list is one of models that can be asked."""
        return model_ids(body) if self.lists_models else []
