"""Upstreams that a script of answers cannot express: nobody at the door, floods, and streams by the thousand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, Self, TypeVar

STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
PLAIN_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000000000\r\n\r\n"
T = TypeVar("T")
Handler = Callable[[asyncio.StreamWriter, bytes], Awaitable[None]]


class BlackHole:
    """A port whose backlog is full: whoever connects hears nothing, not even a refusal."""

    def __enter__(self) -> Self:
        self._door = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._door.bind(("127.0.0.1", 0))
        self._door.listen(0)
        self.port: int = self._door.getsockname()[1]
        self._guests = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(8)]
        for guest in self._guests:
            guest.settimeout(0)
            guest.connect_ex(("127.0.0.1", self.port))
        return self

    def __exit__(self, *_: object) -> None:
        for one in (*self._guests, self._door):
            one.close()

    @property
    def url(self) -> str:
        """Where nobody answers."""
        return f"http://127.0.0.1:{self.port}"


class RawUpstream:
    """Hands every request to a handler: where to write, and the body that was sent. `open` counts them now."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="raw upstream")
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.open = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=2048))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        # A task of a stream server that ends as cancelled is reported as a fault; here it is how all of them end.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            at = head.lower().find(b"content-length:")
            body = await reader.readexactly(int(head[at + 15 :].split(b"\r\n", 1)[0])) if at >= 0 else b""
            await self._handler(writer, body)
        self.open -= 1
        self._tasks.discard(task)
        writer.close()

    async def _close(self) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def chunk(text: str | None, finish: str | None = None) -> bytes:
    """One framed event of a stream of Chat Completions; None is the role alone."""
    delta = {"role": "assistant", "content": ""} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return framed(f"data: {json.dumps(body)}\n\n".encode())


def framed(piece: bytes) -> bytes:
    """One chunk of a chunked body."""
    return f"{len(piece):x}\r\n".encode() + piece + b"\r\n"


async def flood(writer: asyncio.StreamWriter, wish: bytes) -> None:
    """Content without end, or a body without end, at some megabytes a second."""
    writer.write(STREAM_HEAD + chunk(None) if _is_stream(wish) else PLAIN_HEAD)
    piece = chunk("flood ") * 40 if _is_stream(wish) else b" " * 40_000
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.01)


async def comments(writer: asyncio.StreamWriter, wish: bytes) -> None:
    """Keep-alive comments without end and never a word; a plain request hears nothing."""
    if not _is_stream(wish):
        await asyncio.Event().wait()
    writer.write(STREAM_HEAD)
    while True:
        writer.write(framed(b": keep-alive\n\n"))
        await writer.drain()
        await asyncio.sleep(0.01)


async def idle(writer: asyncio.StreamWriter, wish: bytes) -> None:  # noqa: ARG001
    """One word, then nothing until the caller leaves."""
    writer.write(STREAM_HEAD + chunk(None) + chunk("hello"))
    await writer.drain()
    await asyncio.Event().wait()


class Pushing:
    """A handler that writes as much as its peers take; `bytes` is how much that was."""

    def __init__(self) -> None:
        self.bytes = 0

    async def __call__(self, writer: asyncio.StreamWriter, wish: bytes) -> None:  # noqa: ARG002
        writer.transport.set_write_buffer_limits(0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16 * 1024)
        writer.write(STREAM_HEAD + chunk(None))
        piece = chunk("x" * 1_000)
        while True:
            writer.write(piece)
            await writer.drain()
            self.bytes += len(piece)


def _is_stream(body: bytes) -> bool:
    return b'"stream":true' in body.replace(b" ", b"")
