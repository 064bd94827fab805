"""A load generator on raw sockets: closed loop, a fixed number of connections, every answer checked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

PROMPT = (
    "Snapshot 2026-11-20T14:18:00Z BTC-USD perp. Last 64231.5, mark 64228.9, funding 0.0112%, open interest 1.92B. "
    "Order book: bids 64231.0x4.21, 64230.5x2.90, 64229.0x6.75; asks 64232.0x1.85, 64232.5x2.40, 64234.0x2.95. "
    "Indicators: RSI14 61.2, ATR14 78.4, EMA20 64118.0, EMA50 63982.5, VWAP 64088.1. Account: equity 250000 USD. "
)


@dataclass
class Load:
    """What a run came to; latencies and first bytes in seconds."""

    answered: int = 0
    failed: int = 0
    chunks: int = 0
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    complaint: str = ""


def request(path: str, *, streamed: bool, model: str | None) -> bytes:
    """A POST of about 2 KB; the native surface has no usage option."""
    body: dict[str, Any] = {
        "messages": [
            {"role": "system", "content": "You are a careful trading assistant. " * 8},
            {"role": "user", "content": PROMPT * 4},
        ],
        "temperature": 0.2,
        "max_tokens": 400,
        "stream": streamed,
    }
    if model is not None:
        body["model"] = model
    if streamed and path.startswith("/v1"):
        body["stream_options"] = {"include_usage": True}
    text = json.dumps(body, separators=(",", ":")).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {len(text)}"
    return head.encode() + b"\r\n\r\n" + text


async def closed_loop(port: int, payload: bytes, *, connections: int, requests: int) -> Load:
    """So many requests over so many connections, each sending the next as soon as it has its answer."""
    load, left, started = Load(), iter(range(requests)), perf_counter()
    async with asyncio.TaskGroup() as callers:
        for _ in range(connections):
            callers.create_task(_caller(port, payload, left, load))
    load.seconds = perf_counter() - started
    return load


async def _caller(port: int, payload: bytes, left: Iterator[int], load: Load) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in left:
        began = perf_counter()
        writer.write(payload)
        status, body, first = await _answer(reader)
        load.latencies.append(perf_counter() - began)
        load.first.append(first - began)
        chunks = body.count(b"data: ")
        load.chunks += chunks
        if status == 200 and (chunks == 0 or b"[DONE]" in body or b"event: done" in body):
            load.answered += 1
        else:
            load.failed += 1
            load.complaint = load.complaint or f"{status} {body[-300:]!r}"
    writer.close()
    await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, float]:
    """Status, body, and when the first byte of the body came."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, lowered = int(head[9:12]), head.lower()
    position = lowered.find(b"content-length:")
    if position >= 0:
        body = await reader.readexactly(int(head[position + 15 :].split(b"\r\n", 1)[0]))
        return status, body, perf_counter()
    parts, first = [], 0.0
    while True:
        size = int(await reader.readline(), 16)
        first = first or perf_counter()
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
        if size == 0:
            return status, b"".join(parts), first
