"""How a scripted behaviour looks on the wire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests import behaviours as b
from tests.behaviours import Answer, Behaviour, Stream
from tests.connections import Connection
from tests.dialects import SSE, Dialect, embeddings
from tests.floods import drip, flood, lie, misframe
from tests.healthy import good, joined, spoken, whole


async def perform(behaviour: Behaviour, connection: Connection, dialect: Dialect, request: dict[str, Any]) -> None:
    """Do to this request what the script says."""
    model = str(request.get("model", "unnamed"))
    streamed = request.get("stream") is True
    match behaviour:
        case Answer():
            await connection.pause(behaviour.delay)
            if streamed:
                await _stream(spoken(behaviour), connection, dialect, request)
            else:
                connection.answer(200, whole(dialect, behaviour, model))
        case Stream():
            if streamed:
                await _stream(behaviour, connection, dialect, request)
            elif behaviour.misframed_after is not None:
                await misframe(connection, good(dialect, request))
            else:
                connection.answer(200, whole(dialect, joined(behaviour), model))
        case b.Status():
            text = behaviour.body or json.dumps(dialect.error(behaviour.code, behaviour.message))
            headers = {"content-type": "application/json", "content-length": str(len(text.encode()))}
            connection.head(behaviour.code, {**headers, **behaviour.headers})
            connection.write(text.encode())
        case b.Silent():
            await connection.pause(None)
        case b.WrongMode():
            if streamed:
                connection.answer(200, whole(dialect, Answer(), model))
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
        case b.Drip():
            await drip(behaviour, connection, good(dialect, request))
        case b.WrongLength():
            await lie(behaviour, connection, good(dialect, request))
        case b.GzipBomb() | b.HugeBody() | b.TinyChunks() | b.Informational() | b.HeaderFlood() | b.EndlessLine():
            await flood(behaviour, connection, dialect, request)
        case b.Refuse():
            connection.abort()  # a request that was under way when the port closed
        case _:
            await _break(behaviour, connection, whole(dialect, Answer(), model))


async def _break(behaviour: Behaviour, connection: Connection, body: bytes) -> None:
    match behaviour:
        case b.Reset(after_content=False):
            connection.abort()
        case b.Reset():
            connection.head(200, {"content-type": "application/json", "content-length": str(len(body))})
            connection.write(body[: len(body) // 2])
            await connection.pause(0.02)  # let the first half leave before the reset throws it away
            connection.abort()
        case b.HangUp():
            connection.close()
        case b.Html():
            connection.answer(200, b"<!doctype html><title>Sign in</title>", content_type="text/html")
        case b.Empty():
            connection.answer(200, b"")
        case b.TruncatedJson():
            connection.answer(200, body[: len(body) // 2])
        case b.Redirect():
            connection.answer(302, b"{}", location=behaviour.location)


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
        if count == stream.misframed_after:
            await connection.pause(0.02)  # a read of its own: what was said so far has arrived
            connection.write(b"not-a-size\r\n")
            return
        if count in (stream.cut_after, stream.error_after, stream.garbled_after):
            if stream.error_after == count:
                connection.chunk(dialect.error_event("the upstream gave up"))
            if stream.garbled_after == count:
                connection.chunk(_halved(frames.content[0]))
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


def _halved(frame: bytes) -> bytes:
    """The first half of its JSON, with the line ends that belong after the whole."""
    said = frame.rstrip(b"\n")
    return said[: len(said) // 2] + frame[len(said) :]
