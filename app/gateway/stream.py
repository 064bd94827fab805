"""A streamed answer past its commit gate.

Nothing of an attempt reaches the caller before its first content, reasoning or tool byte, so that every failure before
it can fall over unseen. After it nothing is ever spliced: a failure is raised, once, and the stream is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from decimal import Decimal

import anyio

from app.domain.attempt import AttemptRecord, spent_on
from app.domain.caching import CacheNote
from app.domain.chat import ChatChunk
from app.domain.errors import DeadlineExceeded, FailureKind, OutcryError, ProviderError, Trail
from app.domain.routing import Plan
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.usage import Usage
from app.gateway.attempt import Attempt
from app.waiting import Waiting


async def commit(chunks: AsyncIterator[ChatChunk], attempt: Attempt, now: Callable[[], float]) -> list[ChatChunk]:
    """Read until the first chunk that carries something (or finishes); raises ProviderError when none comes."""
    opening: list[ChatChunk] = []
    async for chunk in chunks:
        opening.append(chunk)
        attempt.allow(chunk.allowance)
        if chunk.usage is not None:
            attempt.usage, attempt.is_partial = chunk.usage, chunk.finish_reason is None
        if chunk.carries or chunk.finish_reason is not None:
            attempt.first_token = now() - attempt.started
            return opening
    raise ProviderError(
        FailureKind.STREAM_TRUNCATED, f"{attempt.candidate.target}: the stream ended before any content"
    )


class CompletionStream:
    """An open, committed stream: iterate it, then read `usage`, `cost_usd`, `finish_reason`.

    Iterating raises OutcryError once when the stream fails after its commit. Closing early is the caller's leaving:
    the upstream is closed and the attempt is recorded as cancelled.
    """

    def __init__(
        self,
        opening: Sequence[ChatChunk],
        chunks: AsyncIterator[ChatChunk],
        stack: AsyncExitStack,
        attempt: Attempt,
        *,
        plan: Plan,
        warnings: Sequence[str],
        rung: Rung | None = None,
        trail: Trail,
        earlier: Sequence[AttemptRecord],
        overhead: float,
        deadline: float,
        now: Callable[[], float],
        arrived: float,
    ) -> None:
        self.target: Target = attempt.candidate.target
        self.plan = plan
        self.trail = trail
        self.warnings: tuple[str, ...] = (*warnings, *(w for chunk in opening for w in chunk.warnings))
        self.rung = rung
        self.finish_reason: str | None = None
        self.usage: Usage | None = None
        self.cost_usd: Decimal | None = None
        self.overhead = overhead
        self.cache: CacheNote | None = None
        self.replayed = False
        self._opening = list(reversed(opening))
        self._chunks = chunks
        self._stack = stack
        self._attempt = attempt
        self._earlier = earlier
        self._deadline = deadline
        self._now = now
        self._arrived = arrived
        self._is_over = False
        self._waiting = Waiting()
        attempt.waits_in(self._waiting)
        self._due = asyncio.get_running_loop().time() + deadline - now()

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """Every finished attempt in the order they began; this stream's is among them once it has ended.

        A replayed one has none: nobody was asked.
        """
        if self.replayed:
            return ()
        own = self._attempt.record
        return tuple(sorted(self._earlier if own is None else (*self._earlier, own), key=lambda one: one.ordinal))

    @property
    def time_to_first_token(self) -> float | None:
        """Seconds from the attempt's start to its first content."""
        return self._attempt.first_token

    @property
    def latency(self) -> float:
        """Seconds since the request arrived."""
        return self._now() - self._arrived

    def __aiter__(self) -> CompletionStream:
        return self

    async def __anext__(self) -> ChatChunk:
        if self._opening:
            return self._seen(self._opening.pop())
        if self._is_over:
            raise StopAsyncIteration
        try:
            if self._now() >= self._deadline:
                # An upstream that floods never waits, and so would never meet a timeout.
                raise TimeoutError
            with self._waiting.until(self._due):
                chunk = await anext(self._chunks)
        except StopAsyncIteration:
            await self._ended()
            raise
        except TimeoutError:
            raise await self._failed(DeadlineExceeded("the deadline passed while the answer was streaming")) from None
        except ProviderError as error:
            raise await self._failed(error) from None
        if chunk.warnings:
            self.warnings = (*self.warnings, *chunk.warnings)
        return self._seen(chunk)

    async def aclose(self) -> None:
        """Close the upstream, at most a second long; before the end this records a cancelled attempt."""
        if not self._is_over:
            self._is_over = True
            await self._leave(asyncio.CancelledError())

    def _seen(self, chunk: ChatChunk) -> ChatChunk:
        if chunk.finish_reason is not None:
            self.finish_reason = chunk.finish_reason
        if chunk.usage is not None:
            self.usage = self._attempt.usage = chunk.usage
            self._attempt.is_partial = self.finish_reason is None
        if chunk.carries:
            self._attempt.length += chunk.length
        return chunk

    async def _ended(self) -> None:
        self._is_over = True
        self.usage = self._attempt.answered(self.usage)
        await self._leave(None)
        self.cost_usd = Decimal(0) if self.replayed else spent_on(self.attempts)

    async def _failed(self, error: OutcryError) -> OutcryError:
        self._is_over = True
        await self._leave(error)
        error.trail = replace(self.trail, cost_usd=spent_on(self.attempts))
        return error

    async def _leave(self, error: BaseException | None) -> None:
        self._waiting.close()
        with anyio.move_on_after(1, shield=True):
            await self._stack.__aexit__(None if error is None else type(error), error, None)
