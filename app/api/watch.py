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
GRACE = 0.1
"""Seconds after its deadline in which a stream says that it has passed, or ends."""


class Watch:
    """Stands by one request whose body has been read.

    A stream pushes through here, so that it is known how long it has been quiet, and how long its reader stands still.
    One who stands still at the `deadline` (monotonic seconds) is cut off: nothing can be told them any more.
    """

    __slots__ = (
        "_attendants",
        "_blocked_since",
        "_deadline",
        "_ending",
        "_exchange",
        "_quiet_since",
        "_task",
        "_timer",
    )

    def __init__(self, exchange: Exchange, deadline: float | None = None) -> None:
        self._exchange = exchange
        self._deadline = deadline
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        self._attendants: list[asyncio.Task[None]] = []
        self._ending: Ending | None = None
        self._quiet_since: float | None = None
        self._blocked_since: float | None = None

    async def run(self, work: Awaitable[T]) -> T:
        """The result of `work`, which is cancelled when the caller leaves (CallerLeft) or the process stops."""
        # A task and its cancellation by hand: anyio's scope costs 35 us here, a third of what the edge takes.
        task = self._task = asyncio.current_task()
        assert task is not None  # noqa: S101  (a coroutine that runs has a task)
        self._attendants.append(asyncio.create_task(self._await_leaving()))
        self._exchange.drain.add(self)
        try:
            return await work
        except asyncio.CancelledError:
            if self._ending is None or task.cancelling() > 1:
                raise
            raise self._reason() from None
        finally:
            self._exchange.drain.discard(self)
            for attendant in self._attendants:
                attendant.cancel()
            # A cancelled task remembers where, and so this watch: kept here, both would wait for the collector.
            self._attendants.clear()
            if self._timer is not None:
                self._timer.cancel()
            if self._ending is not None:
                task.uncancel()

    def end(self, ending: Ending) -> None:
        """Cancels the work."""
        if self._ending is None and self._task is not None:
            self._ending = ending
            self._task.cancel()

    async def push(self, body: bytes) -> None:
        """One piece of the stream; returns when there is room for the next."""
        if self._quiet_since is None:
            self._attendants.append(asyncio.create_task(self._tend()))
            if self._deadline is not None:
                self._look_again_in(self._deadline + GRACE - self._exchange.services.now())
        self._blocked_since = self._exchange.services.now()
        await self._exchange.push(body)
        self._quiet_since = self._exchange.services.now()
        self._blocked_since = None

    def _reason(self) -> Exception:
        if self._ending is Ending.SHUTDOWN:
            return NotAdmitted(Code.SHUTTING_DOWN, "the gateway is shutting down")
        return CallerLeft()

    async def _await_leaving(self) -> None:
        while (await self._exchange.receive())["type"] != "http.disconnect":
            pass
        self.end(Ending.LEFT)

    def _look_again_in(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._expire)

    def _expire(self) -> None:
        if self._blocked_since is None:
            self._look_again_in(GRACE)
        else:
            self._give_up()

    def _give_up(self) -> None:
        if not self._exchange.cut():
            self.end(Ending.LEFT)

    async def _tend(self) -> None:
        # Two ticks of quiet make a ping due, so that with the third no gap is longer than the interval.
        tick = self._exchange.services.keep_alive / 3
        while True:
            await anyio.sleep(tick)
            now = self._exchange.services.now()
            if self._blocked_since is not None:
                if now - self._blocked_since > self._exchange.services.max_deadline:
                    self._give_up()
            elif self._quiet_since is not None and now - self._quiet_since >= 1.9 * tick:
                await self._ping(tick)

    async def _ping(self, tick: float) -> None:
        # A reader who stands still would hold this as it holds the stream, whose turn it is to notice.
        with anyio.move_on_after(tick):
            await self._exchange.push(PING)
            self._quiet_since = self._exchange.services.now()
