"""What a dialect has to be able to do; pure, without client, retry, clock or log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Protocol

import orjson

from app.adapters.sse import SSEEvent
from app.domain.chat import Call, ChatChunk, ChatResponse, Credential
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import FailureKind, ProviderError

HARMLESS: Final[Mapping[str, tuple[Any, ...]]] = {
    "n": (1,),
    "logprobs": (False,),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0, 0.0),
    "frequency_penalty": (0, 0.0),
    "store": (False,),
    "service_tier": ("auto", "default"),
    "modalities": (["text"],),
}
"""Values that ask for what every provider does anyway: dropping them needs no warning."""


@dataclass(frozen=True, slots=True)
class WireRequest:
    """An HTTP request of a dialect; `path` is relative to the base URL. `warnings` say what could not be honoured.

    `is_whole`: a stream was asked for, but its answer comes in one piece, because the provider cannot stream this.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    warnings: tuple[str, ...] = ()
    is_whole: bool = False


def named_in(warnings: Iterable[str], parameters: Iterable[str]) -> tuple[str, ...]:
    """The parameters that warnings are about: each of those begins with the name of its parameter."""
    said = {warning.partition(" ")[0] for warning in warnings}
    return tuple(name for name in parameters if name in said)


class NoSuchWire(ProviderError):
    """The server does not have the wire that `for_call` chose; the codec itself may do."""

    def __init__(self, message: str, *, upstream_status: int) -> None:
        super().__init__(FailureKind.UNSUPPORTED, message, upstream_status=upstream_status)


class Framing(Enum):
    """How a dialect cuts a stream into events, by its content type."""

    SSE = "text/event-stream"
    NDJSON = "application/x-ndjson"


class StreamDecoder(Protocol):
    """Turns the events of one stream into chunks."""

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """Chunks of this event, often one, sometimes none. Raises ProviderError for an error inside the stream."""
        ...

    def close(self) -> list[ChatChunk]:
        """What was held back for the end (usage); called once, when no further event will come."""
        ...

    @property
    def complete(self) -> bool:
        """Whether every choice has its finish reason."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the stream's terminal marker was seen: nothing that follows matters."""
        ...


class EmbeddingCodec(Protocol):
    """How a dialect embeds."""

    def encode(self, call: EmbedCall) -> WireRequest:
        """The request; raises ProviderError(UNSUPPORTED) for what the dialect cannot say."""
        ...

    def decode(self, body: bytes, call: EmbedCall) -> Embeddings:
        """The vectors of a 200, as many as the call has inputs; raises ProviderError(BAD_ANSWER) for anything else."""
        ...


class CountingCodec(Protocol):
    """How a dialect counts a prompt's tokens for free."""

    def encode(self, call: Call) -> WireRequest:
        """The request; raises ProviderError(UNSUPPORTED) where this prompt cannot be counted."""
        ...

    def decode(self, body: bytes) -> int:
        """Tokens of the whole prompt; raises ProviderError(BAD_ANSWER)."""
        ...


class Codec(Protocol):
    """One dialect.

    `inlines_images`: the dialect takes pictures as bytes only, so that those behind URLs are fetched first.
    `embedding` and `counting` are None where the dialect has neither.
    """

    @property
    def framing(self) -> Framing: ...
    @property
    def inlines_images(self) -> bool: ...
    @property
    def embedding(self) -> EmbeddingCodec | None: ...
    @property
    def counting(self) -> CountingCodec | None: ...

    def for_call(self, call: Call) -> Codec:
        """The codec that carries this call: itself, or one of another wire that the provider speaks beside."""
        ...

    def supports(self, model: str) -> frozenset[str]:
        """What the dialect has words for with this model, in the names of `domain.needs`."""
        ...

    def encode(self, call: Call, *, stream: bool) -> WireRequest:
        """The request. Raises ProviderError: UNSUPPORTED for what the dialect cannot say, BAD_REQUEST for nonsense."""
        ...

    def decode(self, body: bytes) -> ChatResponse:
        """The answer of a 200; raises ProviderError when it is an error or no answer."""
        ...

    def stream_decoder(self) -> StreamDecoder:
        """A decoder for one stream."""
        ...

    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
        """What an answer that is no success means; header names are lower case."""
        ...

    def authorization(self, credential: Credential) -> Mapping[str, str]:
        """Headers that carry the key; none where there is no key."""
        ...

    def models_request(self) -> WireRequest:
        """The request for the provider's own list of models, which costs nothing."""
        ...

    def decode_models(self, body: bytes) -> list[str]:
        """Model ids of that list."""
        ...


def json_object(body: bytes | str) -> dict[str, Any]:
    """A JSON object out of an answer; raises ProviderError(BAD_ANSWER) for anything else."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_answer(f"the answer is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad_answer(f"the answer is a JSON {type(value).__name__}, not an object")
    return value


def bad_answer(message: str) -> ProviderError:
    """An answer that makes no sense."""
    return ProviderError(FailureKind.BAD_ANSWER, message)


def bad_request(message: str, param: str) -> ProviderError:
    """A request that cannot be said in the dialect."""
    return ProviderError(FailureKind.BAD_REQUEST, message, param=param)


def unsupported(message: str, param: str) -> ProviderError:
    """A request that makes sense and that this dialect, or this model, has no words for: another target may."""
    return ProviderError(FailureKind.UNSUPPORTED, message, param=param)


def model_ids(body: bytes) -> list[str]:
    """Ids of a model list: OpenAI's object, or the bare array that Together answers; without Groq's inactive ones."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_answer(f"the list of models is not JSON: {error}") from None
    entries = value.get("data") if isinstance(value, dict) else value
    if not isinstance(entries, list):
        raise bad_answer("the list of models holds no list")
    ids = [entry.get("id") for entry in entries if isinstance(entry, dict) and entry.get("active") is not False]
    return [each.removeprefix("models/") for each in ids if isinstance(each, str) and each]
