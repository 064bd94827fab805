"""Requests under way that others wait for: one upstream call, in a task of its own, for all who ask the same."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final, TypeAlias, TypeVar

import anyio
import orjson

from app.domain.chat import ChatChunk
from app.domain.errors import OutcryError
from app.gateway.kept import Kept

T = TypeVar("T")
BUFFER: Final = 256 * 1024
"""Bytes of a stream that others may still come to share, and that may wait for the one who reads along."""

_LEAVING: Final = 1.0
"""Seconds that the end of a call nobody waits for any more may take."""

Landing: TypeAlias = Kept | OutcryError | None
"""How a flight ended for those who wait: the answer, the failure, or nothing that can be shared."""


class Flight:
    """One upstream call and those who wait for it; with the last of them it is cancelled.

    `deadline` is that of the request it is made for, in monotonic seconds; `plan` is whatever says which targets it may
    try, so that a waiter knows whether another call of its own would have fared the same.
    """

    def __init__(self, deadline: float, plan: object, gone: Callable[[Flight], None]) -> None:
        self.deadline = deadline
        self.plan = plan
        self.landing: Landing = None
        self._waiting = 0
        self._landed = asyncio.Event()
        self._gone = gone
        self._task: asyncio.Task[Any] | None = None

    def start(self, task: asyncio.Task[T]) -> asyncio.Task[T]:
        """The call itself, with its first waiter: whoever it is made for, who leaves with `leave`."""
        self._task = task
        self._waiting += 1
        return task

    def land(self, landing: Landing) -> None:
        """Tell those who wait, and let nobody else come; only the first word counts."""
        if not self._landed.is_set():
            self.landing = landing
            self._landed.set()
            self._gone(self)

    async def outcome(self, seconds: float) -> Landing:
        """What it comes to, for one more who waits; raises TimeoutError after so many seconds."""
        self._waiting += 1
        try:
            async with asyncio.timeout(max(seconds, 0.0)):
                await self._landed.wait()
        finally:
            await self.leave()
        return self.landing

    async def leave(self) -> None:
        """One waiter less. The last one takes the call along, and waits at most a second until it has ended."""
        self._waiting -= 1
        task = self._task
        if self._waiting or task is None or task.done():
            return
        self.land(None)
        task.cancel()
        with anyio.move_on_after(_LEAVING, shield=True):
            await asyncio.wait({task})


class Flights:
    """Every flight of one process; those with a key can be joined until they land."""

    def __init__(self) -> None:
        self._joinable: dict[bytes, Flight] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def get(self, key: bytes) -> Flight | None:
        """The flight that answers requests of this key."""
        return self._joinable.get(key)

    def prepare(self, key: bytes | None, deadline: float, plan: object) -> Flight:
        """A flight that is to be started; without a key nobody joins it."""
        if key is None:
            return Flight(deadline, plan, lambda _: None)
        flight = self._joinable[key] = Flight(deadline, plan, lambda gone: self._forget(key, gone))
        return flight

    def task(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The work, running. Its failure is told to those who wait; nobody else has to look at it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self, patience: float = _LEAVING) -> None:
        """Cancels what runs and waits at most `patience` seconds for it."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=patience)

    def _forget(self, key: bytes, flight: Flight) -> None:
        if self._joinable.get(key) is flight:
            del self._joinable[key]

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()


class Channel:
    """What a stream's own reader reads of it, at most BUFFER bytes ahead of him; nothing once he has left."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[ChatChunk, int]] = deque()
        self._ahead = 0
        self._is_open = True
        self._is_over = False
        self._error: BaseException | None = None
        self._more = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, chunk: ChatChunk, size: int) -> None:
        """Returns when there is room for more."""
        if not self._is_open:
            return
        self._chunks.append((chunk, size))
        self._ahead += size
        self._more.set()
        while self._ahead > BUFFER:
            self._room.clear()
            await self._room.wait()

    def end(self, error: BaseException | None) -> None:
        """Nothing comes any more; the error is told after what was said before it."""
        self._is_over, self._error = True, error
        self._more.set()

    async def get(self) -> ChatChunk:
        """The next chunk; raises StopAsyncIteration at the end, or the error that ended it, once."""
        while not self._chunks:
            if self._is_over:
                error, self._error = self._error, None
                raise StopAsyncIteration if error is None else error
            self._more.clear()
            await self._more.wait()
        chunk, size = self._chunks.popleft()
        self._ahead -= size
        self._room.set()
        return chunk

    def close(self) -> None:
        """Nobody reads any more."""
        self._is_open, self._ahead = False, 0
        self._chunks.clear()
        self._room.set()


class Gathered:
    """The chunks of a stream that is to be kept, as bytes; nothing of one that is too large or cannot be written."""

    def __init__(self, most: int) -> None:
        self.pieces: list[tuple[bytes, bytes]] | None = []
        self.size = 0
        self._most = most

    def add(self, chunk: ChatChunk) -> int:
        """The bytes of this chunk, all of which count whether they are kept or not."""
        try:
            written = orjson.dumps(chunk.chunk)
        except TypeError:
            written, self.pieces = b"", None
        size = len(written) + len(chunk.native)
        self.size += size
        if self.size > self._most:
            self.pieces = None
        if self.pieces is not None:
            self.pieces.append((written, chunk.native))
        return size


async def read_along(chunks: AsyncIterator[ChatChunk], flight: Flight, channel: Channel, gathered: Gathered) -> None:
    """Passes a stream on to its reader and gathers it; beyond BUFFER bytes nobody else can share it any more."""
    async for chunk in chunks:
        size = gathered.add(chunk)
        if gathered.size > BUFFER or gathered.pieces is None:
            flight.land(None)
        await channel.put(chunk, size)
