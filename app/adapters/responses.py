"""OpenAI's other dialect, the Responses API: stateless, as everything here."""

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
    NoSuchWire,
    StreamDecoder,
    WireRequest,
    bad_request,
    json_object,
    model_ids,
)
from app.adapters.failures import failure
from app.adapters.openai_address import OpenAIAddress, key_headers
from app.adapters.openai_elsewhere import better_elsewhere, is_no_such_wire
from app.adapters.reports import read_report
from app.adapters.responses_answer import response_of
from app.adapters.responses_request import ResponsesRequest
from app.adapters.responses_stream import ResponsesStreamDecoder
from app.domain.chat import JSON, Call, ChatResponse, Credential
from app.domain.errors import ProviderError
from app.domain.needs import CUSTOM_TOOLS, FILES, FORCED_TOOLS, JSON_OBJECT, JSON_SCHEMA, TOOLS, VISION

ABILITIES: Final = frozenset({TOOLS, FORCED_TOOLS, CUSTOM_TOOLS, VISION, FILES, JSON_OBJECT, JSON_SCHEMA})
PATH: Final = "/responses"


@dataclass(frozen=True, slots=True)
class ResponsesCodec:
    """The Responses API of a provider at `address`, whose key goes into `key_header`.

    `wall`: seconds since the epoch, for waits that are stated as moments.
    """

    address: OpenAIAddress = field(default_factory=OpenAIAddress)
    key_header: str = "authorization"
    wall: Callable[[], float] = time
    framing: Framing = Framing.SSE
    inlines_images: bool = False
    embedding: EmbeddingCodec | None = None
    counting: CountingCodec | None = None

    def for_call(self, call: Call) -> Codec:  # noqa: ARG002
        """Itself: whoever knows both wires chose this one."""
        return self

    def supports(self, model: str) -> frozenset[str]:  # noqa: ARG002
        """What the Responses API has words for."""
        return ABILITIES

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request, translated; raises ProviderError(UNSUPPORTED) for what has no counterpart."""
        request = ResponsesRequest(call)
        body = {**request.body(stream=stream), "model": self.address.model(call.model)}
        return posted(self.address.path(PATH), body, {}, tuple(request.warnings), stream=stream)

    def decode(self, body: bytes) -> ChatResponse:
        """The response as a `chat.completion`; raises ProviderError."""
        return response_of(json_object(body))

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        return ResponsesStreamDecoder()

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means."""
        report = read_report(body)
        if is_no_such_wire(status, report):
            return NoSuchWire("there is no Responses API at this address", upstream_status=status)
        return better_elsewhere(failure(status, headers, report, wall=self.wall()), report)

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """The header that carries the key."""
        return key_headers(self.key_header, credential)

    def models_request(self) -> WireRequest:
        """The free list of models."""
        return WireRequest("GET", self.address.path("/models"), {"accept": "application/json"})

    def decode_models(self, body: bytes) -> list[str]:
        """Model ids of that list."""
        return model_ids(body)


def posted(
    path: str, body: JSON, headers: Mapping[str, str], warnings: tuple[str, ...], *, stream: bool
) -> WireRequest:
    """A body on its way; `headers` are the caller's, under ours."""
    try:
        encoded = orjson.dumps(body)
    except TypeError as error:
        raise bad_request(f"the request cannot be written as JSON: {error}", "messages") from None
    accept = "text/event-stream" if stream else "application/json"
    return WireRequest(
        "POST", path, {**headers, "content-type": "application/json", "accept": accept}, encoded, warnings
    )
