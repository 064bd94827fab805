"""A connection's transport that joins what is written in one turn of the loop into one write.

uvloop writes at once, and each write is a call into the kernel: by far the dearest thing that is done with a chunk. The
head of an answer and its body are two writes, and so are chunks that came together.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

MOST_HELD: Final = 64 * 1024
"""Bytes that may wait for the end of a turn; the transport's own limits see the rest."""

STANDSTILL: Final = 30.0
"""Seconds in which somebody who is still to read something must have taken a part of it."""


class JoinedWrites(asyncio.Transport):
    """Another transport, but for its writes: they are made when the loop comes round next, or when they are many."""

    def __init__(self, inner: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._inner = inner
        self._loop = loop
        self._held: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes to be written."""
        if not data:
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(bytes(data))
        self._size += len(data)
        if self._size >= MOST_HELD:
            self.flush()

    def flush(self) -> None:
        """Write what is held now."""
        held = self._held
        if not held:
            return
        joined = held[0] if len(held) == 1 else b"".join(held)
        held.clear()
        self._size = 0
        if not self._inner.is_closing():
            self._inner.write(joined)

    def close(self) -> None:
        """Close once everything is written, or once nothing of it has been taken for `STANDSTILL` seconds."""
        self.flush()
        self._inner.close()
        self._see_off(None)

    def _see_off(self, before: int | None) -> None:
        left = self._inner.get_write_buffer_size()
        if left and left == before:
            self._inner.abort()
        elif left:
            self._loop.call_later(STANDSTILL, self._see_off, left)

    def abort(self) -> None:
        """Close at once."""
        self._held.clear()
        self._inner.abort()

    def is_closing(self) -> bool:
        """Whether it is closed, or about to be."""
        return self._inner.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401 - asyncio's signature
        """What the connection is like."""
        return self._inner.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Have another protocol hear of it."""
        self._inner.set_protocol(protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who hears of it."""
        return self._inner.get_protocol()

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._inner.resume_reading()
