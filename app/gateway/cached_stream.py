"""Streams of the response cache: one that is kept and told again, and one whose call others may wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from app.domain.attempt import AttemptRecord
from app.domain.caching import CacheNote
from app.domain.chat import ChatChunk
from app.domain.errors import Trail
from app.domain.routing import Plan
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.usage import Usage
from app.gateway.flights import Channel, Flight
from app.gateway.kept import Kept
from app.gateway.stream import CompletionStream

FREE = Decimal(0)


class ToldStream:
    """A kept answer as a stream: nobody is asked, nothing is to be closed."""

    time_to_first_token: float | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    cost_usd: Decimal | None = FREE
    replayed = False

    def __init__(
        self,
        kept: Kept,
        chunks: Sequence[ChatChunk],
        plan: Plan,
        note: CacheNote,
        *,
        trail: Trail,
        elapsed: Callable[[], float],
    ) -> None:
        self.target: Target = kept.target
        self.plan = plan
        self.cache: CacheNote | None = note
        self.warnings: tuple[str, ...] = kept.warnings
        self.usage: Usage | None = kept.usage
        self.finish_reason: str | None = kept.finish_reason
        self.rung: Rung | None = kept.rung
        self.overhead = trail.overhead
        self.trail = trail
        self._chunks = iter(chunks)
        self._elapsed = elapsed

    @property
    def latency(self) -> float:
        """Seconds since the request arrived."""
        return self._elapsed()

    def __aiter__(self) -> ToldStream:
        return self

    async def __anext__(self) -> ChatChunk:
        for chunk in self._chunks:
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Nothing is open."""


class LedStream:
    """The stream of the request that a shared call is made for; the call is read elsewhere, these are its chunks.

    Closing early takes the call along, unless others wait for it.
    """

    replayed = False

    def __init__(self, stream: CompletionStream, flight: Flight, channel: Channel, note: CacheNote) -> None:
        self.target: Target = stream.target
        self.plan: Plan = stream.plan
        self.cache: CacheNote | None = note
        self.rung: Rung | None = stream.rung
        self.trail = stream.trail
        self.overhead: float = stream.overhead
        self._stream = stream
        self._flight = flight
        self._channel = channel
        self._is_closed = False

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """Every finished attempt."""
        return self._stream.attempts

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the caller should know."""
        return self._stream.warnings

    @property
    def usage(self) -> Usage | None:
        """Tokens, final after the end."""
        return self._stream.usage

    @property
    def cost_usd(self) -> Decimal | None:
        """Dollars, final after the end."""
        return self._stream.cost_usd

    @property
    def finish_reason(self) -> str | None:
        """Why it ended."""
        return self._stream.finish_reason

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds from the attempt's start to its first content."""
        return self._stream.time_to_first_token

    @property
    def latency(self) -> float:
        """Seconds since the request arrived."""
        return self._stream.latency

    def __aiter__(self) -> LedStream:
        return self

    async def __anext__(self) -> ChatChunk:
        return await self._channel.get()

    async def aclose(self) -> None:
        """The reader has left, or is at the end."""
        if not self._is_closed:
            self._is_closed = True
            self._channel.close()
            await self._flight.leave()
