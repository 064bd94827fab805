"""Standing by while a request runs: the caller who leaves, the stream gone quiet, the reader who stands still."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import anyio

from app.api.drain import Ending
from app.api.errors import CallerLeft
from app.api.exchange import Exchange
from app.domain.errors import Code, NotAdmitted

T = TypeVar("T")
PING = b": keep-alive\n\n"


class Watch:
    """Stands by one request whose body has been read.

    A stream pushes through here, so that it is known how long it has been quiet, and how long its reader stands still.
    """

    __slots__ = ("_blocked_since", "_ending", "_exchange", "_quiet_since", "_scope")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._ending: Ending | None = None
        self._scope = anyio.CancelScope()
        self._quiet_since: float | None = None
        self._blocked_since: float | None = None

    async def run(self, work: Awaitable[T]) -> T:
        """The result of `work`, which is cancelled when the caller leaves (CallerLeft) or the process stops."""
        with self._scope:
            attendant = asyncio.ensure_future(self._attend())
            self._exchange.drain.add(self)
            try:
                return await work
            finally:
                self._exchange.drain.discard(self)
                attendant.cancel()
        if self._ending is Ending.SHUTDOWN:
            raise NotAdmitted(Code.SHUTTING_DOWN, "the gateway is shutting down")
        raise CallerLeft

    def end(self, ending: Ending) -> None:
        """Cancels the work."""
        if self._ending is None:
            self._ending = ending
            self._scope.cancel()

    async def push(self, body: bytes) -> None:
        """One piece of the stream; returns when there is room for the next."""
        self._blocked_since = self._exchange.services.now()
        await self._exchange.push(body)
        self._quiet_since = self._exchange.services.now()
        self._blocked_since = None

    async def _attend(self) -> None:
        # Two ticks of quiet make a ping due, so that with the third no gap is longer than the interval.
        tick = self._exchange.services.keep_alive / 3
        while True:
            with anyio.move_on_after(tick):
                message = await self._exchange.receive()
                if message["type"] == "http.disconnect":
                    self.end(Ending.LEFT)
                    return
                continue
            await self._look(tick)

    async def _look(self, tick: float) -> None:
        now = self._exchange.services.now()
        if self._blocked_since is not None:
            if now - self._blocked_since > self._exchange.services.max_deadline:
                self.end(Ending.LEFT)
        elif self._quiet_since is not None and now - self._quiet_since >= 1.9 * tick:
            with anyio.move_on_after(tick):
                await self._exchange.push(PING)
                self._quiet_since = now
