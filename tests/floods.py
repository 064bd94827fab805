"""More than anybody should send, slower than anybody should send it, or framed as nobody should."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from tests import behaviours as b
from tests.behaviours import Behaviour
from tests.connections import Connection
from tests.dialects import SSE, Dialect
from tests.healthy import Good
from tests.healthy import good as good_answer


async def flood(behaviour: Behaviour, connection: Connection, dialect: Dialect, request: dict[str, Any]) -> None:
    """More of something than anybody should send."""
    good = good_answer(dialect, request)
    match behaviour:
        case b.GzipBomb():
            connection.answer(200, packed(behaviour), content_type=good.kind, **_coding(behaviour))
        case b.HugeBody():
            await _say_pieces(_huge(behaviour, dialect, request), good.kind, connection)
        case b.TinyChunks():
            blank = b":" if good.kind == SSE else b" "
            padding = (blank for _ in range(behaviour.padding))
            await _say_pieces(padding, good.kind, connection, ends=False)
            body = b"\n" * (behaviour.padding > 0) + good.body
            await _say_pieces((body[at : at + 1] for at in range(len(body))), None, connection)
        case b.Informational():
            interim = f"HTTP/1.1 {behaviour.status} Interim\r\nlink: </style.css>; rel=preload\r\n\r\n".encode()
            await _repeat(interim, behaviour.count, connection)
            connection.answer(200, good.body, content_type=good.kind)
        case b.HeaderFlood():
            connection.write(f"HTTP/1.1 200 OK\r\ncontent-type: {good.kind}\r\n".encode())
            await _repeat(b"x-flood: " + b"a" * behaviour.size + b"\r\n", behaviour.count, connection)
            connection.write(f"content-length: {len(good.body)}\r\n\r\n".encode() + good.body)
        case b.EndlessLine():
            line = (b"a" * 65_536 for _ in range(behaviour.mebibytes * 16))
            await _say_pieces([b"data: "], SSE, connection, ends=False)
            await _say_pieces(line, None, connection, ends=not behaviour.newline)
            if behaviour.newline:
                await _say_pieces([b"\n\n"], None, connection)


async def _say_pieces(
    pieces: Sequence[bytes] | Iterator[bytes], kind: str | None, connection: Connection, *, ends: bool = True
) -> None:
    """Each piece a chunk, under a head of this content type, or as more of what is being said."""
    if kind is not None:
        connection.start_stream(kind)
    for count, piece in enumerate(pieces):
        connection.chunk(piece)
        await connection.drained()
        if count % 16 == 15:
            await asyncio.sleep(0)  # whoever reads may read in this very thread
    if ends:
        connection.chunk(b"")


async def _repeat(said: bytes, count: int | None, connection: Connection) -> None:
    """Write the same so many times, or until the peer leaves."""
    batch = 100
    while count is None or count > 0:
        times = batch if count is None else min(batch, count)
        connection.write(said * times)
        count = None if count is None else count - times
        await connection.drained()
        await asyncio.sleep(0)


async def misframe(connection: Connection, good: Good) -> None:
    connection.start_stream(good.kind)
    connection.chunk(good.body[:20])
    await connection.pause(0.02)
    connection.write(b"not-a-size\r\n")


@lru_cache(maxsize=4)
def packed(bomb: b.GzipBomb) -> bytes:
    """The bomb's bytes; kept, for packing takes longer than a short timer."""
    spaces = b" " * (bomb.mebibytes << 20)
    return gzip.compress(spaces) if bomb.coding == "gzip" else zlib.compress(spaces)


def _coding(bomb: b.GzipBomb) -> dict[str, str]:
    return {"content_encoding": bomb.coding} if bomb.is_named else {}


def _huge(behaviour: b.HugeBody, dialect: Dialect, request: dict[str, Any]) -> Iterator[bytes]:
    """A good body with the word HUGE in it blown up, in pieces."""
    head, _, tail = good_answer(dialect, request, ("HUGE",)).body.partition(b"HUGE")
    yield head
    for _ in range(behaviour.mebibytes * 16):
        yield b"a" * 65_536
    if not behaviour.is_cut:
        yield tail


async def drip(behaviour: b.Drip, connection: Connection, good: Good) -> None:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {good.kind}\r\ncontent-length: {len(good.body)}\r\n\r\n".encode()
    slow = head + good.body
    if behaviour.part == "body":
        connection.write(head)
        slow = good.body
    for position in range(len(slow)):
        connection.write(slow[position : position + 1])
        await connection.pause(behaviour.gap)


async def lie(behaviour: b.WrongLength, connection: Connection, good: Good) -> None:
    connection.head(200, {"content-type": good.kind, "content-length": str(len(good.body) + behaviour.by)})
    connection.write(good.body)
    if behaviour.by > 0:
        connection.close()
