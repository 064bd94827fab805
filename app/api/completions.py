"""A completion's answer over HTTP, whole or streamed, in any wire's form."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

import anyio
import orjson

from app.api.admission import Admission, agent_of
from app.api.budget_headers import left_headers
from app.api.errors import Headers, header_value
from app.api.exchange import Exchange
from app.api.intent import Intent, malformed, read_intent
from app.api.watch import Watch
from app.domain.attempt import Ask, AttemptOutcome, AttemptRecord, Completion, EmbeddingCompletion
from app.domain.caching import CacheMode, CacheNote
from app.domain.chat import ChatChunk
from app.domain.errors import Code, OutcryError, RequestRejected
from app.domain.hindsight import AsOf, AsOfMode
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.usage import money
from app.services import CompletionStream

T = TypeVar("T")
C = TypeVar("C", Completion, EmbeddingCompletion)
CLOSING = 1.0
"""Seconds that closing an upstream stream may take after the caller's is over."""


class Chats(Protocol):
    """What answers a chat."""

    async def complete(self, ask: Ask) -> Completion: ...
    def stream(self, ask: Ask) -> AbstractAsyncContextManager[CompletionStream]: ...


class StreamWire(Protocol):
    """How one wire writes a stream: bytes for the head, each chunk, the end, or an error instead of the end."""

    def head(self, stream: CompletionStream) -> bytes: ...
    def chunk(self, chunk: ChatChunk) -> bytes: ...
    def end(self, stream: CompletionStream) -> bytes: ...
    def error(self, error: OutcryError) -> bytes: ...


class Closing(Generic[T]):
    """Leaves a context shielded from the caller's cancellation, and in bounded time."""

    def __init__(self, context: AbstractAsyncContextManager[T]) -> None:
        self._context = context

    async def __aenter__(self) -> T:
        return await self._context.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with anyio.move_on_after(CLOSING, shield=True):
            return await self._context.__aexit__(kind, error, trace)
        return None


def intent_of(exchange: Exchange) -> Intent:
    """The routing headers of a completion. Raises RequestRejected for a guard that has no moment to go by."""
    intent = read_intent(exchange.headers)
    if intent.as_of is not None:
        mode = intent.as_of_mode or AsOfMode.WARN
        return replace(intent, hindsight=AsOf(intent.as_of, mode, exchange.services.embargo))
    if intent.as_of_mode is not None:
        raise malformed("x-outcry-as-of-mode", "given together with x-outcry-as-of")
    return intent


def uncached(intent: Intent) -> Intent:
    """The same of what is never cached. Raises RequestRejected for a caller who counts on it."""
    if intent.cache not in (None, CacheMode.OFF):
        message = f"header x-outcry-cache: {intent.cache} is not available here, only off is"
        raise RequestRejected(Code.UNSUPPORTED_PARAMETER, message, param="x-outcry-cache")
    return live(intent)


def live(intent: Intent) -> Intent:
    """The same of what belongs to no run. Raises RequestRejected for a caller who counts on it."""
    if intent.replay is not None:
        message = f"header x-outcry-replay: {intent.replay.mode} is not available here, only off is"
        raise RequestRejected(Code.UNSUPPORTED_PARAMETER, message, param="x-outcry-replay")
    return intent


async def answer(
    exchange: Exchange, ask: Ask, render: Callable[[Completion], Any], *, warn: bool, by: Chats | None = None
) -> None:
    """Asks (the gateway, or `by`) and answers as one JSON body.

    `warn`: warnings go into a header, because the body has no place for them.
    """
    exchange.agent_id = agent_of(ask)
    completion = await Watch(exchange).run(counted(exchange, ask, (by or exchange.services.gateway).complete))
    await tell(exchange, completion, orjson.dumps(render(completion)), warn=warn)


def counted(exchange: Exchange, ask: Ask, work: Callable[[Ask], Awaitable[C]]) -> Awaitable[C]:
    """The work, within the limits of its caller; raises NotAdmitted when one says no."""
    return work(ask) if exchange.services.admission.is_open else _counted(exchange, ask, work)


async def _counted(exchange: Exchange, ask: Ask, work: Callable[[Ask], Awaitable[C]]) -> C:
    async with Admission.of(exchange, ask) as admission:
        completion = await work(ask)
        admission.tokens = completion.usage.total_tokens
        if not completion.attempts:
            admission.forget()
    return completion


async def tell(exchange: Exchange, completion: Completion | EmbeddingCompletion, body: bytes, *, warn: bool) -> None:
    """Answers with this body, and headers that say who made it and what it cost."""
    exchange.overhead = completion.overhead
    headers = plan_headers(
        completion.target, sent(completion.attempts), completion.overhead, is_fallback=completion.is_fallback
    )
    if isinstance(completion, Completion):
        headers += _structured(completion.rung) + _cached(completion.cache)
        headers += replay_headers(replayed=completion.replayed)
    if completion.cost_usd is not None:
        headers.append((b"x-outcry-cost-usd", money(completion.cost_usd).encode()))
    headers += left_headers(exchange, [completion.target.provider])
    if warn:
        headers += warning_headers(exchange, completion.warnings)
    await exchange.answer(200, body, headers)


async def stream(exchange: Exchange, ask: Ask, wire: StreamWire, *, warn: bool, by: Chats | None = None) -> None:
    """Asks (the gateway, or `by`) and answers as an event stream.

    Until a target has committed, an error is raised and becomes a true status; afterwards it is told in the stream.
    """
    exchange.error_form = wire.error
    exchange.agent_id = agent_of(ask)
    watch = Watch(exchange, ask.deadline)
    await watch.run(_pump(exchange, watch, ask, wire, warn=warn, by=by or exchange.services.gateway))


async def _pump(exchange: Exchange, watch: Watch, ask: Ask, wire: StreamWire, *, warn: bool, by: Chats) -> None:
    async with Admission.of(exchange, ask) as admission, Closing(by.stream(ask)) as upstream:
        exchange.overhead = upstream.overhead
        is_free = upstream.replayed or _is_free(upstream.cache)
        if is_free:
            admission.forget()
        is_fallback = upstream.target != upstream.plan.steps[0].target
        # What is finished says nothing about this: a short answer may be read to its end before its head is written.
        attempts = upstream.trail.attempts
        headers = plan_headers(upstream.target, attempts, upstream.overhead, is_fallback=is_fallback)
        headers += _structured(upstream.rung) + _cached(upstream.cache)
        headers += replay_headers(replayed=upstream.replayed)
        headers += left_headers(exchange, [upstream.target.provider])
        if warn:
            headers += warning_headers(exchange, upstream.warnings)
        await exchange.start_stream(headers)
        head = wire.head(upstream)
        if head:
            await watch.push(head)
        async for chunk in upstream:
            piece = wire.chunk(chunk)
            if piece:
                await watch.push(piece)
        admission.tokens = None if upstream.usage is None else upstream.usage.total_tokens
        ending = wire.end(upstream)
    await exchange.push(ending, last=True)


def plan_headers(target: Target, attempts: int, overhead: float, *, is_fallback: bool) -> Headers:
    """Who answered, after how many attempts, and what the gateway itself took."""
    return [
        (b"x-outcry-provider", header_value(target.provider)),
        (b"x-outcry-model", header_value(target.model)),
        (b"x-outcry-attempts", str(attempts).encode()),
        (b"x-outcry-fallback", b"true" if is_fallback else b"false"),
        (b"x-outcry-overhead-ms", f"{max(overhead, 0.0) * 1000:.2f}".encode()),
    ]


def _structured(rung: Rung | None) -> Headers:
    """By which rung of the ladder JSON was asked for."""
    return [] if rung is None else [(b"x-outcry-structured-output", rung.value.encode())]


def _is_free(note: CacheNote | None) -> bool:
    return note is not None and note.is_free


def _cached(note: CacheNote | None) -> Headers:
    """What the cache had to do with it; the age in whole seconds."""
    if note is None:
        return []
    age = "" if note.age is None else f"; age={note.age:.0f}"
    return [(b"x-outcry-cache", f"{note.status}{age}".encode())]


def replay_headers(*, replayed: bool) -> Headers:
    """That nobody was asked: the answer is one that was recorded."""
    return [(b"x-outcry-replayed", b"true")] if replayed else []


def warning_headers(exchange: Exchange, warnings: Sequence[str]) -> Headers:
    """What the caller should know, for a body that has no place for it."""
    said = "; ".join((*warnings, *exchange.warnings))
    return [(b"x-outcry-warnings", header_value(said))] if said else []


def sent(attempts: Sequence[AttemptRecord]) -> int:
    """How many attempts reached a provider."""
    return sum(1 for attempt in attempts if attempt.outcome is not AttemptOutcome.SKIPPED)
