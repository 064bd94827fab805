"""An open loop: requests leave at their appointed moments, whether or not those before them were answered.

Callers who wait their turn hide an overload: a gateway that is late gets fewer requests. These do not wait.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from time import perf_counter
from typing import Final, cast

import uvloop

TICK: Final = 0.002
"""Seconds between two looks at which requests are due."""
PATIENCE: Final = 10.0
"""Seconds after the last request in which answers still count."""


@dataclass
class Arrivals:
    """What became of a run.

    `answered` has seconds from the appointed moment to the last byte of a 200, each with the
    second of the run its request was due in; `statuses` counts all answers; `unanswered` never had one.
    """

    seconds: float = 0.0
    offered: int = 0
    answered: list[tuple[float, float]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    unanswered: int = 0
    complaint: str = ""

    def latencies(self, since: float = 0.0) -> list[float]:
        """Of the requests that were answered well and due at that second of the run or later; sorted."""
        return sorted(took for due, took in self.answered if due >= since)


class _Line(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._buffer = b""
        self._due = 0.0
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def ask(self, due: float) -> None:
        self._due, self._is_waiting = due, True
        self.transport.write(next(self._run.payloads))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer = self._buffer + data if self._buffer else data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = buffer.find(b"content-length: ", 0, end)
        if at < 0 or len(buffer) < end + 4 + int(buffer[at + 16 : buffer.index(b"\r", at)]):
            return
        self._buffer = b""
        self._is_waiting = False
        self._run.heard(self, int(buffer[9:12]), self._due, buffer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._run.lost(self, was_waiting=self._is_waiting)


class _Run:
    def __init__(self, port: int, payloads: Sequence[bytes], rate: float, seconds: float, seed: int) -> None:
        self.payloads = cycle(payloads)
        self.seen = Arrivals(seconds=seconds)
        self._port, self._rate, self._seconds = port, rate, seconds
        self._rng = random.Random(seed)
        self._idle: deque[_Line] = deque()
        self._waiting: deque[float] = deque()
        self._is_over = False
        self._pending = 0
        self._began = 0.0
        self._loop = asyncio.get_running_loop()
        self._dialling: set[asyncio.Task[None]] = set()

    async def go(self, connections: int) -> Arrivals:
        for _ in range(0, connections, 50):
            await asyncio.gather(*(self._dial() for _ in range(min(50, connections))))
        self._began = perf_counter()
        due = 0.0
        while due < self._seconds:
            now = perf_counter() - self._began
            while due <= now and due < self._seconds:
                self._send(due)
                due += self._rng.expovariate(self._rate)
            await asyncio.sleep(TICK)
        end = perf_counter() + PATIENCE
        while self._pending and perf_counter() < end:
            await asyncio.sleep(0.02)
        self.seen.unanswered += self._pending
        self._is_over = True
        for line in self._idle:
            line.transport.abort()
        return self.seen

    def _send(self, due: float) -> None:
        self.seen.offered += 1
        self._pending += 1
        if self._idle:
            # The one that has been idle for longest: none of them is to be closed for want of use.
            self._idle.popleft().ask(due)
        else:
            self._waiting.append(due)

    async def _dial(self) -> None:
        _, line = await self._loop.create_connection(lambda: _Line(self), "127.0.0.1", self._port)
        self._idle.append(line)

    def heard(self, line: _Line, status: int, due: float, answer: bytes) -> None:
        took = perf_counter() - self._began - due
        self._pending -= 1
        self.seen.statuses[status] += 1
        if status == 200:
            self.seen.answered.append((due, took))
        else:
            self.seen.refused.append(took)
            if b"gateway_overloaded" not in answer:
                self.seen.complaint = self.seen.complaint or repr(answer[-300:])
        if self._waiting:
            line.ask(self._waiting.popleft())
        else:
            self._idle.append(line)

    def lost(self, line: _Line, *, was_waiting: bool) -> None:
        if self._is_over:
            return
        if was_waiting:
            self._pending -= 1
            self.seen.unanswered += 1
        else:
            self._idle.remove(line)
        # The server ends connections that were idle for long, as it should: callers dial again.
        task = self._loop.create_task(self._dial())
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)


def open_loop(
    port: int, payload: bytes | Sequence[bytes], *, rate: float, seconds: float, seed: int, connections: int
) -> Arrivals:
    """`rate` requests a second for so long, at random moments, over so many kept connections; several by turns.

    Who finds none of them free waits for one; the wait counts.
    """
    payloads = [payload] if isinstance(payload, bytes) else payload

    async def run() -> Arrivals:
        return await _Run(port, payloads, rate, seconds, seed).go(connections)

    return uvloop.run(run())
