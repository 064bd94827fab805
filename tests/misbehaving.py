"""How a scripted behaviour looks on the wire: one connection of an upstream, written byte by byte."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

from tests import behaviours as b
from tests.behaviours import Answer, Behaviour, Stream
from tests.dialects import SSE, Dialect, embeddings

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


async def perform(behaviour: Behaviour, connection: Connection, dialect: Dialect, request: dict[str, Any]) -> None:
    """Do to this request what the script says."""
    model = str(request.get("model", "unnamed"))
    streamed = request.get("stream") is True
    match behaviour:
        case Answer():
            await connection.pause(behaviour.delay)
            if streamed:
                await _stream(_spoken(behaviour), connection, dialect, request)
            else:
                connection.answer(200, _whole(dialect, behaviour, model))
        case Stream():
            if streamed:
                await _stream(behaviour, connection, dialect, request)
            else:
                connection.answer(200, _whole(dialect, _joined(behaviour), model))
        case b.Status():
            text = behaviour.body or json.dumps(dialect.error(behaviour.code, behaviour.message))
            headers = {"content-type": "application/json", "content-length": str(len(text.encode()))}
            connection.head(behaviour.code, {**headers, **behaviour.headers})
            connection.write(text.encode())
        case b.Silent():
            await connection.pause(None)
        case b.WrongMode():
            if streamed:
                connection.answer(200, _whole(dialect, Answer(), model))
            else:
                await _stream(Stream(), connection, dialect, request)
        case b.JsonError200():
            if streamed:
                connection.start_stream(dialect.stream_type)
                connection.chunk(dialect.error_event(behaviour.message))
                connection.chunk(b"")
            else:
                connection.answer(200, json.dumps(dialect.error(500, behaviour.message)).encode())
        case b.Embed():
            connection.answer(200, json.dumps(embeddings(request, behaviour.usage)).encode())
        case b.Refuse():
            connection.abort()  # a request that was under way when the port closed
        case _:
            await _break(behaviour, connection, _whole(dialect, Answer(), model))


async def _break(behaviour: Behaviour, connection: Connection, good: bytes) -> None:
    match behaviour:
        case b.Reset(after_content=False):
            connection.abort()
        case b.Reset():
            connection.head(200, {"content-type": "application/json", "content-length": str(len(good))})
            connection.write(good[: len(good) // 2])
            await connection.pause(0.02)  # let the first half leave before the reset throws it away
            connection.abort()
        case b.Drip():
            await _drip(behaviour, connection, good)
        case b.Html():
            connection.answer(200, b"<!doctype html><title>Sign in</title>", content_type="text/html")
        case b.Empty():
            connection.answer(200, b"")
        case b.TruncatedJson():
            connection.answer(200, good[: len(good) // 2])
        case b.WrongLength():
            connection.head(200, {"content-type": "application/json", "content-length": str(len(good) + 99)})
            connection.write(good)
            connection.close()
        case b.GzipBomb():
            connection.answer(200, gzip.compress(b" " * (behaviour.mebibytes << 20)), content_encoding="gzip")
        case b.EndlessLine():
            await _endless(behaviour, connection)
        case b.Redirect():
            connection.answer(302, b"{}", location=behaviour.location)


async def _drip(drip: b.Drip, connection: Connection, good: bytes) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(good)}\r\n\r\n".encode()
    slow = head + good
    if drip.part == "body":
        connection.write(head)
        slow = good
    for position in range(len(slow)):
        connection.write(slow[position : position + 1])
        await connection.pause(drip.gap)


async def _endless(line: b.EndlessLine, connection: Connection) -> None:
    connection.start_stream()
    connection.chunk(b"data: ")
    for _ in range(line.mebibytes * 16):
        connection.chunk(b"a" * 65_536)
        await connection.drained()
    connection.chunk(b"")


async def _stream(stream: Stream, connection: Connection, dialect: Dialect, request: dict[str, Any]) -> None:
    options = request.get("stream_options")
    with_usage = isinstance(options, dict) and options.get("include_usage") is True
    frames = dialect.frames(stream, str(request.get("model", "unnamed")), with_usage=with_usage)
    connection.start_stream(dialect.stream_type)
    comment = b": keep-alive\n\n" if dialect.stream_type == SSE else b"\n"
    for _ in range(stream.comments):
        await _say(comment, stream, connection)
    for frame in frames.opening:
        await _say(frame, stream, connection)
    for count in range(len(frames.content) + 1):
        if stream.stall_after == count:
            await connection.pause(None)
        if stream.reset_after == count:
            await connection.pause(0.02)
            connection.abort()
            return
        if count in (stream.cut_after, stream.error_after):
            if stream.error_after == count:
                connection.chunk(dialect.error_event("the upstream gave up"))
            connection.chunk(b"")
            return
        if count < len(frames.content):
            await _say(frames.content[count], stream, connection)
    await _say_all(() if stream.no_finish else frames.finish, stream, connection)
    await _say_all(() if stream.no_done else frames.done, stream, connection)
    connection.chunk(b"")


async def _say_all(frames: Sequence[bytes], stream: Stream, connection: Connection) -> None:
    for frame in frames:
        await _say(frame, stream, connection)


async def _say(frame: bytes, stream: Stream, connection: Connection) -> None:
    step = stream.piece or len(frame)
    for start in range(0, len(frame), step):
        connection.chunk(frame[start : start + step])
        await connection.drained()
    await connection.pause(stream.gap)


def _whole(dialect: Dialect, answer: Answer, model: str) -> bytes:
    return json.dumps(dialect.completion(answer, model)).encode()


def _spoken(answer: Answer) -> Stream:
    words = tuple(word if index == 0 else f" {word}" for index, word in enumerate(answer.text.split(" ")))
    return Stream(
        words=words if answer.text else (),
        usage=answer.usage,
        finish_reason=answer.finish_reason,
        tool_calls=answer.tool_calls,
    )


def _joined(stream: Stream) -> Answer:
    return Answer("".join(stream.words), stream.usage, stream.finish_reason, stream.tool_calls)


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
