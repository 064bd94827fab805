"""A chat as OpenAI's Chat Completions shape it: the canonical form of every dialect.

Bodies stay the JSON objects that crossed the wire. They were checked at the edge, and turning them into objects and
back costs more than everything else that the gateway does with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from pydantic import SecretStr

from app.domain.frozen import frozen
from app.domain.usage import Usage

JSON = dict[str, Any]
"""A JSON object of a wire."""

_TEXTS: Final = ("content", "reasoning_content", "refusal")


class Wire(StrEnum):
    """The wires that carry a chat: OpenAI's two and Anthropic's."""

    CHAT = "chat_completions"
    RESPONSES = "responses"
    MESSAGES = "messages"


@dataclass(frozen=True, slots=True)
class NativeBody:
    """A request as its caller's wire said it, for a provider of the same dialect: nothing is lost on the way.

    `body` has neither `model` nor `stream`; `headers` are those of the dialect that travel on (`anthropic-beta`),
    names in lower case. `only_here` are the paths of what no other wire has words for: tools that the provider runs
    itself, and what they left in the conversation.
    """

    wire: Wire
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    only_here: tuple[str, ...] = ()


@frozen
class ChatRequest:
    """A checked chat completion request, without what the gateway itself reads (`model`, `stream`, routing extras).

    `parameters` holds every other field of OpenAI's body: temperature, tools, response_format, unknown ones too.
    `native` is the same request in another wire's words, where it came over one; a codec of that wire sends it.
    """

    messages: Sequence[JSON]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    native: NativeBody | None = None

    @property
    def has_tools(self) -> bool:
        """Whether the caller offers tools."""
        return bool(self.parameters.get("tools"))

    @property
    def response_format(self) -> str | None:
        """`json_object`, `json_schema`, `text`, or None when not asked for."""
        wanted = self.parameters.get("response_format")
        return wanted.get("type") if isinstance(wanted, dict) else None

    @property
    def has_images(self) -> bool:
        """Whether a message carries an image part."""
        return any(
            isinstance(part, dict) and part.get("type") == "image_url"
            for message in self.messages
            if isinstance(message.get("content"), list)
            for part in message["content"]
        )


@dataclass(frozen=True, slots=True)
class Credential:
    """The key of one attempt. `id` is the first 8 hex digits of its SHA-256, `""` where no key is needed.

    `weight` is its share of the requests beside the provider's other keys; None for one that is used in its turn.
    """

    id: str = ""
    secret: SecretStr | None = None
    weight: float | None = None

    @classmethod
    def of(cls, secret: SecretStr) -> Credential:
        """The credential of a key."""
        return cls(hashlib.sha256(secret.get_secret_value().encode()).hexdigest()[:8], secret)


@frozen
class Timeouts:
    """How long one attempt may wait, in seconds, each > 0.

    `connect`: TCP and TLS. `first_token`: request sent to first content of a stream. `idle`: gap between two
    chunks of a stream. `total`: the whole attempt.
    """

    connect: float = 2.0
    first_token: float = 15.0
    idle: float = 20.0
    total: float = 30.0


@frozen
class Call:
    """One attempt as an adapter gets it: parameters are merged, the key is chosen, the time is cut to the deadline."""

    model: str
    request: ChatRequest
    timeouts: Timeouts = Timeouts()
    credential: Credential = Credential()
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a provider says is left of its rate limit; None is not said. `resets_after`: seconds until there is more."""

    requests: int | None = None
    tokens: int | None = None
    resets_after: float | None = None


@frozen
class ChatResponse:
    """A whole answer. `completion` is OpenAI's `chat.completion`, with every required field filled in.

    `native` is the provider's own body, where the request's `native` one was sent. `allowance` is from the headers.
    """

    completion: JSON
    finish_reason: str
    usage: Usage | None = None
    warnings: tuple[str, ...] = ()
    native: JSON | None = None
    allowance: Allowance | None = None

    @property
    def message(self) -> JSON:
        """The first choice's message."""
        message: JSON = self.completion["choices"][0]["message"]
        return message

    @property
    def text(self) -> str:
        """The first choice's content, `""` when there is none."""
        content = self.message.get("content")
        return content if isinstance(content, str) else ""


@frozen
class ChatChunk:
    """One event of a stream. `chunk` is OpenAI's `chat.completion.chunk`.

    `carries` tells whether content, reasoning, refusal or tool bytes are in it: the first such chunk commits a stream.
    `usage` is cumulative: it replaces what came before. `warnings` about the request stand on the first chunk of a
    stream, those about the answer where they arise.
    `native` is the provider's own event, framed for the wire, where the request's `native` body was sent: every event
    of such a stream is in exactly one chunk, if need be in one without choices. `allowance`, from the headers, stands
    on the first chunk only.
    """

    chunk: JSON
    carries: bool = False
    finish_reason: str | None = None
    usage: Usage | None = None
    warnings: tuple[str, ...] = ()
    native: bytes = b""
    allowance: Allowance | None = None

    @property
    def length(self) -> int:
        """Characters of content, reasoning, refusal and tool arguments in it, over all choices."""
        return sum(_length(choice.get("delta") or {}) for choice in self.chunk.get("choices") or ())


def _length(delta: JSON) -> int:
    total = 0
    for name in _TEXTS:
        text = delta.get(name)
        if isinstance(text, str):
            total += len(text)
    for call in delta.get("tool_calls") or ():
        arguments = (call.get("function") or {}).get("arguments")
        if isinstance(arguments, str):
            total += len(arguments)
    return total
