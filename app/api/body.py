"""Request bodies: read within bounds, parsed strictly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from app.api.errors import CallerLeft
from app.api.exchange import Exchange
from app.api.strict_json import has_constants, parse, with_constants
from app.domain.errors import Code, OutcryError, RequestRejected
from app.waiting import Waiting

T = TypeVar("T")
MIB = 1024 * 1024
OPENAI_LIMIT = 10 * MIB
NATIVE_LIMIT = 1 * MIB
READ_TIMEOUT = 10.0
"""Seconds between two pieces of a body."""
BODY_TIMEOUT = 60.0
"""Seconds for the whole of it."""
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""U+0000 in a JSON string, which PostgreSQL's text cannot hold."""
LARGE = 64 * 1024
"""From this size on a body is checked beside the loop, not on it."""


async def read_object(exchange: Exchange, limit: int) -> dict[str, Any]:
    """The body as a JSON object. Raises RequestRejected when it is anything else, CallerLeft when it stops coming."""
    return await _object_of(await read_body(exchange, limit), limit)


async def read_checked(exchange: Exchange, limit: int, check: Callable[[dict[str, Any]], T], measured: str) -> T:
    """What `check` makes of the body. A NaN in the field `measured` is refused by `check`, where it stands.

    Whoever measures will have a NaN one day, and wants to know where; anywhere else it is a body that is no JSON.
    Raises RequestRejected as `read_object` and `check` do.
    """
    raw = await read_body(exchange, limit)
    try:
        value = await _object_of(raw, limit)
    except RequestRejected as error:
        loose = with_constants(raw) if error.code is Code.INVALID_JSON else None
        if isinstance(loose, dict) and has_constants(loose.get(measured)):
            check(loose)
        raise
    return check(value)


async def _object_of(raw: bytes, limit: int) -> dict[str, Any]:
    if limit == NATIVE_LIMIT and b"\\u0000" in raw and _NUL.search(raw):
        raise RequestRejected(Code.INVALID_JSON, "invalid JSON: the character U+0000 is not taken, it cannot be stored")
    value = parse(raw) if len(raw) < LARGE else await anyio.to_thread.run_sync(parse, raw)
    if not isinstance(value, dict):
        raise RequestRejected(Code.INVALID_REQUEST, f"the body must be a JSON object, not {_kind(value)}")
    return value


async def read_optional_object(exchange: Exchange, limit: int) -> dict[str, Any]:
    """The same for a body that may be left out: an empty object then."""
    if exchange.headers.get(b"content-length", b"0") == b"0" and b"transfer-encoding" not in exchange.headers:
        return {}
    return await read_object(exchange, limit)


async def read_body(exchange: Exchange, limit: int) -> bytes:
    """The whole body; 413 before it is buffered where its length is announced, else as soon as it is too long."""
    _check_head(exchange, limit)
    loop, waiting = asyncio.get_running_loop(), Waiting()
    start = loop.time()
    due = start + READ_TIMEOUT
    pieces: list[bytes] = []
    size = 0
    try:
        while True:
            with waiting.until(due):
                message = await exchange.receive()
            if message["type"] == "http.disconnect":
                raise CallerLeft
            piece = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise _too_large(limit)
            pieces.append(piece)
            if not message.get("more_body", False):
                return b"".join(pieces)
            due = min(loop.time() + READ_TIMEOUT, start + BODY_TIMEOUT)
    except TimeoutError:
        raise RequestRejected(
            Code.INVALID_REQUEST, f"the body did not arrive: {size} bytes, then silence or too slow"
        ) from None
    finally:
        waiting.close()


def _check_head(exchange: Exchange, limit: int) -> None:
    encoding = exchange.headers.get(b"content-encoding")
    if encoding is not None and encoding.lower() != b"identity":
        raise RequestRejected(
            Code.INVALID_HEADER, "header content-encoding: compressed bodies are not read", param="content-encoding"
        )
    announced = exchange.headers.get(b"content-length")
    # Nineteen digits and more are too large whatever they say; int() of thousands would be slow.
    if announced is not None and announced.isdigit() and (len(announced) > 18 or int(announced) > limit):
        raise _too_large(limit)


def _too_large(limit: int) -> OutcryError:
    return RequestRejected(Code.TOO_LARGE, f"the body is larger than {limit // MIB} MiB, which is the most read here")


def _kind(value: object) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
