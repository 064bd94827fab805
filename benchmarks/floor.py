"""The least that uvicorn does: an ASGI application that answers the mock's bytes itself, without any upstream.

Numbers of the gateway read as multiples of this one, on whatever machine they are measured.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from benchmarks.mock import CHUNKS, GAP, LAST, MIDDLE, PLAIN

BODY = PLAIN.partition(b"\r\n\r\n")[2]
# The mock's frames carry their own chunk headers; here uvicorn writes those.
FRAME = MIDDLE.split(b"\r\n")[1]
DONE = b"".join(part for part in LAST.split(b"\r\n") if part.startswith(b"data: "))


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Constant answers, plain and streamed."""
    if scope["type"] != "http":
        return
    asked = await receive()
    body = asked.get("body", b"")
    while asked.get("more_body"):
        asked = await receive()
        body += asked.get("body", b"")
    streamed = b'"stream":true' in body
    kind = b"text/event-stream" if streamed else b"application/json"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    if streamed:
        for _ in range(CHUNKS):
            await asyncio.sleep(GAP)
            await send({"type": "http.response.body", "body": FRAME, "more_body": True})
    await send({"type": "http.response.body", "body": DONE if streamed else BODY})


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
