"""One HTTP/1.1 connection of a scripted upstream, as its server sees it: raw bytes, written when it wants to."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

from tests.dialects import SSE

REASONS = {200: "OK", 302: "Found"}
Serve = Callable[["Connection", str, str, dict[str, str], bytes], None]


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: reads requests one after the other, writes what it is told; knows when its peer left."""

    def __init__(
        self,
        serve: Serve,
        opened: Callable[[Connection], None],
        closed: Callable[[Connection], None],
        wrote: Callable[[int], None],
    ) -> None:
        self._serve, self._opened, self._closed, self._wrote = serve, opened, closed, wrote
        self._buffer = bytearray()
        self._busy = False
        self._gone = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone.set()
        self._writable.set()
        self._closed(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._read_on()

    def finished(self) -> None:
        """The answer is written; the next request may be read."""
        self._busy = False
        self._read_on()

    def _read_on(self) -> None:
        head, separator, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if self._busy or not separator:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body, used = _body(headers, rest)
        if body is None:
            return
        self._buffer = bytearray(rest[used:])
        self._busy = True
        method, path, _ = first.split(" ", 2)
        self._serve(self, method, path, headers, body)

    def write(self, data: bytes) -> None:
        """Write now; raises ConnectionResetError when the peer has left."""
        if self._gone.is_set():
            raise ConnectionResetError("the caller left")
        self._transport.write(data)
        self._wrote(len(data))

    async def drained(self) -> None:
        """Wait until the peer has read enough."""
        await self._writable.wait()

    async def pause(self, seconds: float | None) -> None:
        """Wait, `None` for ever; raises ConnectionResetError as soon as the peer leaves."""
        if seconds is not None and seconds <= 0:
            return
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except TimeoutError:
            return
        raise ConnectionResetError("the caller left")

    def close(self) -> None:
        """End the connection in good order."""
        self._transport.close()

    def abort(self) -> None:
        """End it at once, with a reset."""
        if not self._gone.is_set():
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Status line and headers."""
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Scripted')}", *(f"{n}: {v}" for n, v in headers.items())]
        self.write("\r\n".join(lines).encode() + b"\r\n\r\n")

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """A whole answer; header names are written with `_` for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.head(status, {"content-type": "application/json", "content-length": str(len(body)), **named})
        self.write(body)

    def start_stream(self, kind: str = SSE) -> None:
        """The head of a stream of this content type."""
        self.head(200, {"content-type": kind, "transfer-encoding": "chunked"})

    def chunk(self, data: bytes) -> None:
        """One chunk of a stream; an empty one ends it."""
        self.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def _body(headers: dict[str, str], rest: bytes) -> tuple[bytes | None, int]:
    """The body and how many bytes it took, or None while it is incomplete."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _chunked(rest)
    length = int(headers.get("content-length", "0"))
    return (rest[:length], length) if len(rest) >= length else (None, 0)


def _chunked(rest: bytes) -> tuple[bytes | None, int]:
    body, position = b"", 0
    while True:
        line = rest.find(b"\r\n", position)
        if line < 0:
            return None, 0
        size = int(rest[position:line].split(b";")[0], 16)
        end = line + 2 + size + 2
        if len(rest) < end:
            return None, 0
        if size == 0:
            return body, end
        body += rest[line + 2 : line + 2 + size]
        position = end
