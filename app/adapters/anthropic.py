"""Anthropic's dialect (the Messages API)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import time
from typing import Final

import orjson

from app.adapters.anthropic_answer import response_of
from app.adapters.anthropic_count import AnthropicCounting
from app.adapters.anthropic_models import ModelTraits, traits_of
from app.adapters.anthropic_native import NativeStreamDecoder, native_body
from app.adapters.anthropic_request import AnthropicRequest
from app.adapters.anthropic_stream import AnthropicStreamDecoder
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
    model_ids,
)
from app.adapters.failures import failure
from app.adapters.reports import read_report, report_of
from app.domain.chat import Call, ChatResponse, Credential, Wire
from app.domain.errors import ProviderError
from app.domain.needs import FILES, FORCED_TOOLS, JSON_SCHEMA, MESSAGES_TOOLS, TOOLS, VISION

UNSAMPLED: Final = "2026-10-21"
"""The version of the API in which no model takes temperature, top_p or top_k any more."""

_VERSION: Final = "anthropic-version"
_ALWAYS: Final = frozenset({TOOLS, MESSAGES_TOOLS, VISION, FILES})


@dataclass(frozen=True, slots=True)
class AnthropicCodec:
    """The Messages API in one version. `wall`: seconds since the epoch, for waits that are stated as moments.

    `is_native`: the caller spoke this very wire, so that its body and the provider's answer pass through.
    """

    version: str = "2023-06-01"
    wall: Callable[[], float] = time
    is_native: bool = False
    framing: Framing = Framing.SSE
    inlines_images: bool = False
    embedding: EmbeddingCodec | None = None

    @property
    def counting(self) -> CountingCodec | None:
        """The provider's free count."""
        return AnthropicCounting(lambda call: self.encode(call, stream=False))

    def for_call(self, call: Call) -> Codec:
        """Itself, or the one that passes through what came over this very wire."""
        native = call.request.native
        return replace(self, is_native=True) if native is not None and native.wire is Wire.MESSAGES else self

    def supports(self, model: str) -> frozenset[str]:
        """What the Messages API has words for with this model; there is no JSON mode."""
        traits = traits_of(model)
        forced = {FORCED_TOOLS} if traits.forced_tools else set()
        return _ALWAYS | forced | ({JSON_SCHEMA} if traits.schemas else set())

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request. Raises ProviderError: UNSUPPORTED for what has no counterpart, BAD_REQUEST for nonsense."""
        headers = self._headers("text/event-stream" if stream else "application/json")
        native = call.request.native if self.is_native else None
        if native is None:
            request = AnthropicRequest(call, self._traits(call.model, self.version))
            body, warnings = request.body(stream=stream), request.warnings
        else:
            headers |= native.headers
            body, warnings = native_body(call, native.body, self._traits(call.model, headers[_VERSION]))
            if stream:
                body["stream"] = True
        try:
            encoded = orjson.dumps(body)
        except TypeError as error:
            raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
        return WireRequest("POST", "/messages", headers, encoded, tuple(warnings))

    def decode(self, body: bytes) -> ChatResponse:
        """The message as a `chat.completion`; raises ProviderError."""
        message = json_object(body)
        if message.get("type") == "error" or message.get("error"):
            raise failure(None, {}, report_of(message), wall=self.wall())
        if not isinstance(message.get("content"), list) or message.get("stop_reason") is None:
            raise bad_answer("the answer is no finished message")
        response = response_of(message, int(self.wall()))
        return replace(response, native=message) if self.is_native else response

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        return NativeStreamDecoder() if self.is_native else AnthropicStreamDecoder()

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means."""
        return failure(status, headers, read_report(body), wall=self.wall())

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """The key's header, which every version of the API takes."""
        return {} if credential.secret is None else {"x-api-key": credential.secret.get_secret_value()}

    def models_request(self) -> WireRequest:
        """The free list of models."""
        return WireRequest("GET", "/models?limit=1000", self._headers("application/json"))

    def decode_models(self, body: bytes) -> list[str]:
        """Model ids of that list."""
        return model_ids(body)

    def _traits(self, model: str, version: str) -> ModelTraits:
        traits = traits_of(model)
        return replace(traits, samples=False) if version >= UNSAMPLED else traits

    def _headers(self, accept: str) -> dict[str, str]:
        return {"content-type": "application/json", "accept": accept, _VERSION: self.version}
