"""OpenAI's own platform and Azure's: Chat Completions with the Responses API beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.adapters.codec import Codec, EmbeddingCodec, WireRequest, unsupported
from app.adapters.openai import OpenAICodec
from app.adapters.openai_address import OpenAIAddress, key_headers
from app.adapters.openai_efforts import with_known_effort
from app.adapters.openai_elsewhere import better_elsewhere
from app.adapters.openai_messages import shows_by_url
from app.adapters.openai_request import OPEN_SAMPLING, RequestOptions
from app.adapters.openai_wires import Family, family_of, wire_of
from app.adapters.refusals import openai_refusals
from app.adapters.reports import read_report
from app.adapters.responses import ABILITIES, ResponsesCodec
from app.adapters.responses_native import NativeResponsesCodec
from app.domain.chat import JSON, Call, Credential, Wire
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import ProviderError
from app.domain.needs import CHAT_ABILITIES, CHOICES, JSON_SCHEMA, LOGPROBS, RESPONSES_TOOLS


def _finishing(model: str, body: JSON) -> Sequence[str]:
    """Metadata belongs to what is stored; of anything else it is refused."""
    del model
    if body.get("store") is True or body.pop("metadata", None) is None:
        return ()
    return ("metadata was dropped: it is taken with store only",)


PLATFORM_REQUEST: Final = RequestOptions(
    max_tokens_field="max_completion_tokens",
    dropped=OPEN_SAMPLING,
    refuses=openai_refusals,
    has_developer_role=True,
    finishing=_finishing,
)


@dataclass(frozen=True)
class PlatformCodec(OpenAICodec):
    """Chat Completions as OpenAI and Azure have them.

    `has_responses`: whether calls may go over the Responses API; a server that only imitates Chat Completions has none.
    `has_schema`: whether its Chat Completions know JSON schemas.
    """

    address: OpenAIAddress = field(default_factory=OpenAIAddress)
    has_responses: bool = True
    has_schema: bool = True
    responses: ResponsesCodec = field(init=False, repr=False, compare=False)
    native: ResponsesCodec = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        shared = {"address": self.address, "key_header": self.key_header, "wall": self.wall, "counting": self.counting}
        object.__setattr__(self, "responses", ResponsesCodec(**shared))  # type: ignore[arg-type] # each of its own type
        object.__setattr__(self, "native", NativeResponsesCodec(**shared))  # type: ignore[arg-type]

    def for_call(self, call: Call) -> Codec:
        """The wire of this call: the caller's own where it is the Responses API, else the one that the model wants.

        Documents behind URLs have no words in Chat Completions.
        """
        if not self.has_responses:
            return self
        native = call.request.native
        if native is not None and native.wire is Wire.RESPONSES:
            return self.native
        is_chat = wire_of(call.model, call.request.parameters) is Wire.CHAT and not shows_by_url(call.request.messages)
        return self if is_chat else self.responses

    def supports(self, model: str) -> frozenset[str]:
        """What can be said to this model, over the wire that it takes."""
        # Tools that the provider runs itself reach it in the words of a caller who speaks this wire, or not at all.
        # So it is with probabilities: for whoever speaks another wire, `encode` knows that there are none.
        hosted = {RESPONSES_TOOLS, LOGPROBS} if self.has_responses else set()
        if self.has_responses and family_of(model) is Family.NEW:
            return ABILITIES | hosted
        refused = set() if self.has_schema else {JSON_SCHEMA}
        if LOGPROBS in openai_refusals(model, {}):
            refused |= {CHOICES} if self.has_responses else {CHOICES, LOGPROBS}
        return (CHAT_ABILITIES | hosted) - refused

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request; raises ProviderError(UNSUPPORTED) for what this model would not answer."""
        parameters, warnings = with_known_effort(call.model, call.request.parameters)
        if LOGPROBS in openai_refusals(call.model, parameters):
            for name in _never_while_reasoning(parameters):
                raise unsupported(f"{call.model} takes no {name} while it reasons", name)
        if call.request.response_format == JSON_SCHEMA and not self.has_schema:
            raise unsupported(f"api-version {self.address.version} has no JSON schema", "response_format")
        if warnings:
            call = replace(call, request=replace(call.request, parameters=parameters))
        wire = OpenAICodec.encode(self, call, stream=stream)
        path = self.address.path(wire.path, call.model)
        if path == wire.path and not warnings:
            return wire
        return replace(wire, path=path, warnings=warnings + wire.warnings)

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means."""
        return better_elsewhere(OpenAICodec.failure(self, status, headers, body), read_report(body))

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """The header that carries the key."""
        return key_headers(self.key_header, credential)

    def models_request(self) -> WireRequest:
        """The free list of models."""
        return WireRequest("GET", self.address.path("/models"), {"accept": "application/json"})


@dataclass(frozen=True, slots=True)
class AddressedEmbedding:
    """Embeddings whose endpoint is not where OpenAI has it."""

    inner: EmbeddingCodec
    address: OpenAIAddress

    def encode(self, call: EmbedCall) -> WireRequest:
        """The request, at its address."""
        wire = self.inner.encode(call)
        return replace(wire, path=self.address.path(wire.path, call.model))

    def decode(self, body: bytes, call: EmbedCall) -> Embeddings:
        """The vectors."""
        return self.inner.decode(body, call)


def _never_while_reasoning(parameters: Mapping[str, Any]) -> Iterator[str]:
    count = parameters.get("n")
    if isinstance(count, int) and count > 1:
        yield "n"
    if parameters.get("logprobs"):
        yield "logprobs"
