"""An answer as the cache keeps it: as bytes, so that nobody can change it and its weight is what it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import orjson

from app.domain.attempt import Completion
from app.domain.chat import JSON, ChatChunk, ChatResponse
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.telling import NotOne, chunks_of, whole_of
from app.domain.usage import Usage
from app.gateway.structured import doubts_the_answer

_FINISHED: Final = frozenset(("stop", "tool_calls", "function_call"))
_BESIDE: Final = 1024
"""Bytes that an answer takes beside its body, about."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A complete answer. `usage` is what it took when it was made; `warnings` were said of it then.

    `is_events`: the body is a provider's own events, good for a stream of the same wire only. Everything else is good
    for both forms, but a whole answer in a provider's own words (`is_native`), which is good for whole ones.
    """

    target: Target
    body: bytes
    finish_reason: str
    usage: Usage
    warnings: tuple[str, ...] = ()
    rung: Rung | None = None
    is_events: bool = False
    is_native: bool = False
    is_finished: bool = True

    @property
    def size(self) -> int:
        """Bytes that keeping it takes."""
        return len(self.body) + sum(map(len, self.warnings)) + _BESIDE

    @property
    def is_worth_keeping(self) -> bool:
        """Whether it is what was asked for: not cut short, not filtered, and nothing about it in doubt."""
        return self.is_finished and not (self.rung is not None and doubts_the_answer(self.warnings))

    def serves(self, *, streamed: bool) -> bool:
        """Whether it can be told in this form without a loss."""
        return not self.is_native if streamed else not self.is_events

    def response(self) -> ChatResponse:
        """It, whole."""
        completion, native = orjson.loads(self.body)
        usage = self.usage if completion.get("usage") else None
        return ChatResponse(completion, self.finish_reason, usage, native=native)

    def chunks(self) -> list[ChatChunk]:
        """It, as a stream."""
        if not self.is_events:
            return chunks_of(self.response())
        chunks = [ChatChunk(chunk, native=native.encode()) for chunk, native in orjson.loads(self.body)]
        last = chunks.pop()
        return [*chunks, replace(last, finish_reason=self.finish_reason, usage=self.usage)]


def kept_whole(completion: Completion) -> Kept | None:
    """A whole answer; None for one that no encoding takes."""
    response = completion.response
    try:
        body = orjson.dumps([response.completion, response.native])
    except TypeError:
        return None
    return Kept(
        completion.target,
        body,
        response.finish_reason,
        completion.usage,
        completion.warnings,
        completion.rung,
        is_native=response.native is not None,
        is_finished=_is_finished(response.completion),
    )


def kept_stream(
    pieces: Sequence[tuple[bytes, bytes]],
    target: Target,
    *,
    finish_reason: str | None,
    usage: Usage | None,
    warnings: Sequence[str],
    rung: Rung | None,
) -> Kept | None:
    """A stream that has ended, from its chunks as JSON and its provider's own events; None where something is lost."""
    if finish_reason is None or usage is None:
        return None
    is_events = any(native for _, native in pieces)
    try:
        whole = whole_of(orjson.loads(chunk) for chunk, _ in pieces)
    except NotOne:
        if not is_events:
            return None
        whole = {}
    body = _events(pieces) if is_events else orjson.dumps([whole, None])
    is_finished = _is_finished(whole) if whole else finish_reason in _FINISHED
    return Kept(target, body, finish_reason, usage, tuple(warnings), rung, is_events=is_events, is_finished=is_finished)


def _events(pieces: Sequence[tuple[bytes, bytes]]) -> bytes:
    return b"[" + b",".join(b"[%b,%b]" % (chunk, orjson.dumps(native.decode())) for chunk, native in pieces) + b"]"


def _is_finished(completion: JSON) -> bool:
    return all(choice.get("finish_reason") in _FINISHED for choice in completion["choices"])
