"""The chunks of one streamed answer, under the first-token and idle timers and the bounds before commitment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Final

import httpx

from app.adapters.codec import Framing, StreamDecoder, bad_answer
from app.adapters.ndjson import NDJSONParser
from app.adapters.scrub import blotted, spellings
from app.adapters.sse import OversizedEvent, SSEEvent, SSEParser
from app.domain.chat import Allowance, ChatChunk
from app.domain.errors import FailureKind, ProviderError
from app.waiting import Waiting

MAX_FRAMES: Final = 64
MAX_BYTES: Final = 256 * 1024
"""What a stream may send without any content, before it is called a bad answer."""

_AFTER_FINISH: Final = 2.0
_DRAINING: Final = 0.05
_TURN: Final = 0.01
"""Seconds that a stream whose bytes are all there already may keep the event loop from everybody else."""

_WAITED: Final = 0.001


class ChatStream:
    """Iterates over chunks; ends only after a finish reason, and raises ProviderError otherwise.

    Only chunks count for the timers: comments and chunks without content do not reset the first-token timer, and
    the time that the reader of the chunks takes is not the provider's. `secret` is the call's key, which stands in no
    chunk.
    """

    def __init__(
        self,
        source: AsyncIterator[bytes],
        decoder: StreamDecoder,
        *,
        framing: Framing = Framing.SSE,
        first_token_at: float,
        idle: float,
        named: Callable[[ProviderError], ProviderError],
        secret: str = "",
        warnings: tuple[str, ...] = (),
        allowance: Allowance | None = None,
    ) -> None:
        self._source = source
        self._decoder = decoder
        self._parser = SSEParser() if framing is Framing.SSE else NDJSONParser()
        self._first_token_at = first_token_at
        self._idle = idle
        self._named = named
        self._secret = spellings(secret)
        self._warnings = warnings
        self._allowance = allowance
        self._now = asyncio.get_running_loop().time
        self._turn = self._now()
        self._waiting = Waiting()
        self._ready: deque[ChatChunk] = deque()
        self._failure: ProviderError | None = None
        self._is_over = False
        self._is_committed = False
        self._frames = 0
        self._bytes = 0

    def __aiter__(self) -> ChatStream:
        return self

    async def __anext__(self) -> ChatChunk:
        if self._now() - self._turn > _TURN:
            await asyncio.sleep(0)
            self._turn = self._now()
        if not self._ready:
            due = self._now() + self._idle if self._is_committed else self._first_token_at
            if self._decoder.complete:
                due = self._now() + min(self._idle, _AFTER_FINISH)
            while not (self._ready or self._failure or self._is_over):
                await self._fill(due)
        if self._ready:
            chunk = self._ready.popleft()
            if self._warnings or self._allowance is not None:
                chunk = replace(chunk, warnings=self._warnings + chunk.warnings, allowance=self._allowance)
                self._warnings, self._allowance = (), None
            return chunk
        if self._failure is not None:
            raise self._named(self._failure) from None
        raise StopAsyncIteration

    async def drain(self) -> None:
        """Read the few bytes after the end, so that the connection can be used again; bounded in time."""
        self._waiting.close()
        failure, self._failure = self._failure, None  # which holds us, and with us what was read
        if not self._is_over or failure is not None:
            return
        try:
            async with asyncio.timeout(_DRAINING):
                for _ in range(8):
                    if await anext(self._source, None) is None:
                        return
        except (TimeoutError, httpx.HTTPError, OSError):
            return

    async def _fill(self, due: float) -> None:
        """Read once and decode what came."""
        started = self._now()
        try:
            with self._waiting.until(due):
                data = await anext(self._source, None)
        except TimeoutError:
            self._stopped(ProviderError(FailureKind.TIMEOUT, self._timer_message()))
        except (httpx.HTTPError, OSError) as error:
            kind = FailureKind.STREAM_TRUNCATED if self._bytes else FailureKind.UNREACHABLE
            self._stopped(ProviderError(kind, f"the connection broke within the stream: {error}"))
        else:
            now = self._now()
            if now - started > _WAITED:
                self._turn = now  # it had to wait, and so the others had their turn
            if data is None:
                self._at_end()
            else:
                self._take(data)

    def _take(self, data: bytes) -> None:
        self._bytes += len(data)
        try:
            self._decode(self._parser.feed(data))
        except OversizedEvent as error:
            self._failure = bad_answer(str(error))
        except ProviderError as error:
            self._failure = error
        if not self._is_committed and self._failure is None and not self._is_over and self._bytes > MAX_BYTES:
            self._failure = bad_answer(f"{self._bytes} bytes of a stream without any content")

    def _decode(self, events: list[SSEEvent]) -> None:
        decoder = self._decoder
        for event in events:
            if not self._is_committed:
                self._frames += 1
                if self._frames > MAX_FRAMES:
                    raise bad_answer(f"{MAX_FRAMES} frames of a stream without any content")
            for chunk in decoder.feed(self._blotted(event)):
                if chunk.carries or chunk.finish_reason is not None:
                    self._is_committed = True
                self._ready.append(chunk)
            if decoder.ended:
                self._finish()
                return

    def _blotted(self, event: SSEEvent) -> SSEEvent:
        if any(each in event.data or each in event.event for each in self._secret):
            return SSEEvent(blotted(self._secret, event.event), blotted(self._secret, event.data))
        return event

    def _at_end(self) -> None:
        """The provider closed the stream."""
        if not self._bytes:
            self._failure = bad_answer("an empty stream")
            return
        try:
            self._decode(self._parser.close())
        except ProviderError as error:
            # Half an event at the end is a cut, not nonsense; a whole error in it is that error.
            if error.kind is not FailureKind.BAD_ANSWER:
                self._failure = error
                return
        except OversizedEvent:
            pass
        if not self._is_over:
            self._finish()

    def _finish(self) -> None:
        if self._decoder.complete:
            self._ready.extend(self._decoder.close())
            self._is_over = True
        else:
            self._failure = ProviderError(
                FailureKind.STREAM_TRUNCATED, "the stream ended without a finish reason: it may be cut"
            )

    def _stopped(self, error: ProviderError) -> None:
        """Nothing more will come: fine after the finish reason, a failure before it."""
        if self._decoder.complete:
            self._finish()
        else:
            self._failure = error

    def _timer_message(self) -> str:
        if self._is_committed:
            return f"nothing came for {self._idle:g} s within the stream (idle timer)"
        return "no content in time (first token timer)"
