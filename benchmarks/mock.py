"""A provider that costs as little as Python allows: constant bytes, raw protocol, one process.

    python -m benchmarks.mock PORT [SECONDS]

A plain request gets one completion, after so many seconds where they are given; one that asks to stream gets `CHUNKS`
chunks, `GAP` seconds apart.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Final, cast

import uvloop

CHUNKS: Final = 100
GAP: Final = 0.005
TEXT: Final = "The short-term bias is moderately bullish; enter small, stop below the last swing low. " * 6
USAGE: Final = {"prompt_tokens": 512, "completion_tokens": 148, "total_tokens": 660}
HEAD: Final = {"id": "chatcmpl-bench", "created": 1_763_000_000, "model": "bench-1"}


def _plain() -> bytes:
    message = {"role": "assistant", "content": TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = json.dumps({**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _framed({**HEAD, "object": "chat.completion.chunk", "choices": [choice], "usage": None})


def _framed(payload: object) -> bytes:
    text = b"data: " + (payload if isinstance(payload, bytes) else json.dumps(payload).encode()) + b"\n\n"
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


PLAIN: Final = _plain()
MODELS: Final = b'{"object":"list","data":[{"id":"bench-1","object":"model","created":1,"owned_by":"bench"}]}'
LISTING: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(MODELS) + MODELS
)
STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
FIRST: Final = _chunk({"role": "assistant", "content": ""})
MIDDLE: Final = _chunk({"content": " momentum"})
COUNTED: Final = {**HEAD, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
LAST: Final = _chunk({}, "stop") + _framed(COUNTED) + _framed(b"[DONE]") + b"0\r\n\r\n"


class Provider(asyncio.Protocol):
    """One connection; requests follow each other, never overlap. `delay` is seconds before a plain answer."""

    def __init__(self, delay: float) -> None:
        self._delay = delay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._buffer = b""
        self._timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _length(head)
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        if head.startswith(b"GET"):
            self._transport.write(LISTING)
        elif b'"stream":true' in rest or b'"stream": true' in rest:
            self._transport.write(STREAM_HEAD + FIRST)
            self._wait(CHUNKS)
        elif self._delay:
            self._timer = asyncio.get_running_loop().call_later(self._delay, self._transport.write, PLAIN)
        else:
            self._transport.write(PLAIN)

    def _wait(self, left: int) -> None:
        self._timer = asyncio.get_running_loop().call_later(GAP, self._say, left)

    def _say(self, left: int) -> None:
        if left == 0:
            self._transport.write(LAST)
        else:
            self._transport.write(MIDDLE)
            self._wait(left - 1)


def _length(head: bytes) -> int:
    position = head.lower().find(b"content-length:")
    return int(head[position + 15 :].split(b"\r\n", 1)[0]) if position >= 0 else 0


async def serve(port: int, delay: float) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Provider(delay), "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 0.0))
