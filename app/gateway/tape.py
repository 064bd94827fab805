"""Recording one question: every call that is made for it, what came back, and how it ended."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Final

from app.domain.attempt import Ask, AttemptKind
from app.domain.chat import JSON, Call, ChatChunk, ChatRequest, ChatResponse, Credential
from app.domain.embedding import EmbedCall, Embeddings
from app.domain.errors import OutcryError, ProviderError
from app.domain.ports import Adapter
from app.domain.replay import Replay, Take, TakeKind, TakeOutcome
from app.domain.structured import Rung
from app.domain.target import Target
from app.gateway.attempt import Clock
from app.gateway.exchanges import chunk_plain, error_plain, question_form, response_plain
from app.text.canonical import Unencodable, canonical, digest

NOBODY: Final = Target("", "")
_BESIDE: Final = 256
"""Bytes that an event takes beside its text, about."""
Keep = Callable[[Take | str, str, str], None]
"""Hears of a take, or of why there is none; and of whose run it is, and its name."""


class Tape:
    """Used with `with` around a question; at the end what was recorded goes to `keep`.

    A question that ended before anybody was asked is recorded too, under the name that it asked for. Of a stream at
    most `limit` bytes are held; one that is longer is not recorded.
    """

    def __init__(self, ask: Ask, replay: Replay, clock: Clock, keep: Keep, *, streamed: bool, limit: int) -> None:
        self._ask = ask
        self._replay = replay
        self._clock = clock
        self._keep = keep
        self._streamed = streamed
        self._left = limit
        self._began_at = clock.wall()
        self._began = clock.now()
        self._exchanges: list[JSON] = []

    def __enter__(self) -> Tape:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OutcryError):
            self._put(TakeOutcome.ERROR, error)
        elif isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._put(TakeOutcome.CANCELLED)
        elif error is None:
            is_whole = bool(self._exchanges) and self._exchanges[-1]["outcome"] != TakeOutcome.CANCELLED
            self._put(TakeOutcome.OK if is_whole else TakeOutcome.CANCELLED)

    def over(
        self, adapter: Adapter, target: Target, request: ChatRequest, kind: AttemptKind, rung: Rung | None
    ) -> Adapter:
        """The adapter of one attempt, listened to. `request` is what the target is asked, defaults filled in."""
        form = question_form(target, request, streamed=self._streamed)
        exchange: JSON = {
            "key": None,
            "question": form,
            "kind": kind.value,
            "rung": None if rung is None else rung.value,
            "began_ms": self.elapsed(),
            "took_ms": None,
            "outcome": TakeOutcome.CANCELLED.value,
            "response": None,
            "chunks": None,
            "error": None,
        }
        self._exchanges.append(exchange)
        return _Overheard(adapter, exchange, self)

    def elapsed(self) -> float:
        """Milliseconds since the question was asked."""
        return round((self._clock.now() - self._began) * 1000, 3)

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be held."""
        self._left -= size
        return self._left >= 0

    def _put(self, outcome: TakeOutcome, error: OutcryError | None = None) -> None:
        if not self._exchanges and error is None:
            return
        if self._left < 0:
            self._keep("too large", self._ask.caller.key_id, self._replay.run)
            return
        target = None if error is None else error.trail.target
        try:
            for exchange in self._exchanges:
                exchange["key"] = digest(exchange["question"])
            body = canonical(
                {
                    "exchanges": self._exchanges,
                    "error": None if error is None else error_plain(error),
                    "ended_at": None if target is None else [target.provider, target.model],
                }
            )
            key = self._exchanges[0]["key"] if self._exchanges else unanswered_key(self._ask, streamed=self._streamed)
        except Unencodable as reason:
            self._keep(str(reason), self._ask.caller.key_id, self._replay.run)
            return
        take = Take(
            id=os.urandom(16).hex(),
            owner=self._ask.caller.key_id,
            run=self._replay.run,
            kind=TakeKind.CALL,
            key=key,
            member=self._replay.member,
            outcome=outcome,
            began_at=self._began_at,
            body=body.decode(),
        )
        self._keep(take, take.owner, take.run)


def unanswered_key(ask: Ask, *, streamed: bool) -> str:
    """The hash of a question for which nobody was asked: the name it asked for stands in for a target."""
    return digest([ask.model, *ask.fallbacks, question_form(NOBODY, ask.chat, streamed=streamed)])


class _Overheard:
    """An adapter whose one call is put down in `exchange`."""

    def __init__(self, adapter: Adapter, exchange: JSON, tape: Tape) -> None:
        self._adapter = adapter
        self._exchange = exchange
        self._tape = tape

    async def complete(self, call: Call) -> ChatResponse:
        try:
            response = await self._adapter.complete(call)
        except ProviderError as error:
            self._failed(error)
            raise
        finally:
            self._ended()
        self._exchange |= {"outcome": TakeOutcome.OK.value, "response": response_plain(response)}
        return response

    @asynccontextmanager
    async def stream(self, call: Call) -> AsyncGenerator[AsyncIterator[ChatChunk]]:
        try:
            async with self._adapter.stream(call) as chunks, aclosing(self._heard(chunks)) as heard:
                yield heard
        except ProviderError as error:
            self._failed(error)
            raise
        finally:
            self._ended()

    async def _heard(self, chunks: AsyncIterator[ChatChunk]) -> AsyncGenerator[ChatChunk]:
        heard: list[JSON] = []
        self._exchange["chunks"] = heard
        try:
            async for chunk in chunks:
                if self._tape.has_room(_BESIDE + chunk.length + len(chunk.native)):
                    heard.append(chunk_plain(chunk))
                else:
                    heard.clear()
                yield chunk
        except ProviderError as error:
            self._failed(error)
            raise
        self._exchange["outcome"] = TakeOutcome.OK.value

    def _failed(self, error: ProviderError) -> None:
        self._exchange |= {"outcome": TakeOutcome.ERROR.value, "error": error_plain(error)}

    def _ended(self) -> None:
        self._exchange["took_ms"] = round(self._tape.elapsed() - self._exchange["began_ms"], 3)

    async def models(self, credential: Credential) -> Sequence[str]:
        return await self._adapter.models(credential)

    def supports(self, model: str) -> frozenset[str]:
        return self._adapter.supports(model)

    def unheeded(self, call: Call | EmbedCall) -> tuple[str, ...]:
        return self._adapter.unheeded(call)

    async def embed(self, call: EmbedCall) -> Embeddings:
        return await self._adapter.embed(call)

    async def count_tokens(self, call: Call) -> int | None:
        return await self._adapter.count_tokens(call)

    async def probe(self, credential: Credential) -> None:
        await self._adapter.probe(credential)
