"""The stream of Anthropic's wire: numbered blocks in their order, or a provider's own events where it has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.api.anthropic_answer import (
    function_of,
    is_own,
    message_id,
    objects,
    opening,
    sealed_block,
    stop_details,
    stop_reason,
    wire_usage,
)
from app.api.anthropic_errors import anthropic_error_event
from app.api.sse import event
from app.domain.chat import JSON, ChatChunk
from app.domain.errors import OutcryError
from app.domain.usage import Usage
from app.services import CompletionStream

MOST_HELD: Final = 64 * 1024
"""Characters of one call's arguments, and of all replay details of other providers, that are held."""

_LAST: Final = b"event: message_stop\n"


@dataclass(slots=True)
class _Call:
    """A call whose block is open. `arguments` is what it said so far, None when that is too much to hold."""

    place: int
    identity: str
    arguments: str | None = ""
    is_open: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are an object already, so that nothing more can follow."""
        try:
            return bool(self.arguments) and isinstance(orjson.loads(self.arguments or ""), dict)
        except orjson.JSONDecodeError:
            return False


@dataclass(slots=True)
class _Prose:
    """The open block of text or thinking."""

    place: int
    type: str


@dataclass(slots=True)
class AnthropicStream:
    """One stream. `message_stop` ends it, or an `error` event after which nothing comes.

    Text and thinking close as soon as something else begins. A call closes when the next one begins and its arguments
    are whole, else at the end, because deltas of parallel calls may alternate.
    """

    request_id: str
    _is_native: bool = False
    _has_stopped: bool = False
    _has_begun: bool = False
    _places: int = 0
    _prose: _Prose | None = None
    _calls: dict[int, _Call] = field(default_factory=dict)
    _foreign: list[JSON] = field(default_factory=list)
    _held: int = 0
    _refusal: str = ""

    def head(self, stream: CompletionStream) -> bytes:  # noqa: ARG002
        """Nothing yet: the first chunk shows whose events these will be."""
        return b""

    def chunk(self, chunk: ChatChunk) -> bytes:
        """The events of one chunk."""
        if chunk.native or self._is_native:
            self._is_native = True
            self._has_stopped = self._has_stopped or chunk.native.startswith(_LAST)
            return chunk.native
        return b"".join([*self._begun(chunk.chunk, chunk.usage), *self._events(chunk)])

    def end(self, stream: CompletionStream) -> bytes:
        """What is open is closed; then how it ended, and what it used."""
        if self._is_native:
            return b"" if self._has_stopped else event("message_stop", {"type": "message_stop"})
        pieces = [*self._begun({"model": stream.target.model}, stream.usage), *self._closed()]
        if self._foreign:
            pieces += self._block(sealed_block(self._foreign))
        reason = stop_reason(stream.finish_reason)
        delta = {"stop_reason": reason, "stop_sequence": None, "stop_details": stop_details(reason, self._refusal)}
        told = {"type": "message_delta", "delta": delta, "usage": wire_usage(stream.usage or Usage())}
        pieces += [event("message_delta", told), event("message_stop", {"type": "message_stop"})]
        return b"".join(pieces)

    def error(self, error: OutcryError) -> bytes:
        """The error instead of the end."""
        return anthropic_error_event(error, self.request_id)

    def _begun(self, body: Mapping[str, Any], usage: Usage | None) -> Iterator[bytes]:
        if not self._has_begun:
            self._has_begun = True
            message = opening(message_id(body.get("id") or self.request_id), str(body.get("model") or ""), usage)
            yield event("message_start", {"type": "message_start", "message": message})

    def _events(self, chunk: ChatChunk) -> Iterator[bytes]:
        for choice in chunk.chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if thought := _text(delta, "reasoning_content"):
                yield from self._say("thinking", "thinking_delta", thought)
            for detail in objects(delta, "reasoning_details"):
                yield from self._detail(detail)
            if text := _text(delta, "content"):
                yield from self._say("text", "text_delta", text)
            if refusal := _text(delta, "refusal"):
                self._refusal = (self._refusal + refusal)[:MOST_HELD]
                yield from self._say("text", "text_delta", refusal)
            for position, call in enumerate(objects(delta, "tool_calls")):
                index = call.get("index")
                yield from self._call(call, index if isinstance(index, int) else position)

    def _say(self, type_: str, delta: str, text: str) -> Iterator[bytes]:
        if self._prose is None or self._prose.type != type_:
            yield from self._close_prose()
            block = {"type": type_, type_: "", **({"signature": ""} if type_ == "thinking" else {"citations": None})}
            self._prose = _Prose(self._places, type_)
            yield self._start(block)
        yield _delta(self._prose.place, {"type": delta, type_: text})

    def _detail(self, detail: JSON) -> Iterator[bytes]:
        """A signature ends the thinking that it signs; what has no text is a block of its own."""
        if not is_own(detail):
            self._held += len(orjson.dumps(detail))
            if self._held <= MOST_HELD:
                self._foreign.append(detail)
        elif detail["type"] == "thinking" and self._prose is not None and self._prose.type == "thinking":
            signature = {"type": "signature_delta", "signature": str(detail.get("signature") or "")}
            yield _delta(self._prose.place, signature)
            yield from self._close_prose()
        else:
            yield from self._close_prose()
            yield from self._block(detail)

    def _call(self, call: Mapping[str, Any], key: int) -> Iterator[bytes]:
        function = function_of(call)
        identity = str(call.get("id") or "")
        known = self._calls.get(key)
        if known is None or (identity and identity != known.identity):
            yield from self._close_prose()
            yield from self._close_calls(only_whole=True)
            known = self._calls[key] = _Call(self._places, identity)
            name = str(function.get("name") or "")
            yield self._start({"type": "tool_use", "id": identity, "name": name, "input": {}})
        piece = _text(function, "arguments")
        if piece and known.is_open:
            if known.arguments is not None:
                said = known.arguments + piece
                known.arguments = said if len(said) <= MOST_HELD else None
            yield _delta(known.place, {"type": "input_json_delta", "partial_json": piece})

    def _block(self, block: JSON) -> Iterator[bytes]:
        """A block that is whole from the start."""
        place = self._places
        if block["type"] == "thinking":
            yield self._start({"type": "thinking", "thinking": str(block.get("thinking") or ""), "signature": ""})
            yield _delta(place, {"type": "signature_delta", "signature": str(block.get("signature") or "")})
        else:
            yield self._start(block)
        yield _stop(place)

    def _start(self, block: JSON) -> bytes:
        place = self._places
        self._places += 1
        return event("content_block_start", {"type": "content_block_start", "index": place, "content_block": block})

    def _closed(self) -> Iterator[bytes]:
        yield from self._close_prose()
        yield from self._close_calls(only_whole=False)

    def _close_prose(self) -> Iterator[bytes]:
        if self._prose is not None:
            yield _stop(self._prose.place)
            self._prose = None

    def _close_calls(self, *, only_whole: bool) -> Iterator[bytes]:
        for call in self._calls.values():
            if call.is_open and (not only_whole or call.is_whole):
                call.is_open = False
                call.arguments = None
                yield _stop(call.place)


def _delta(place: int, delta: JSON) -> bytes:
    return event("content_block_delta", {"type": "content_block_delta", "index": place, "delta": delta})


def _stop(place: int) -> bytes:
    return event("content_block_stop", {"type": "content_block_stop", "index": place})


def _text(source: Mapping[str, Any], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""
