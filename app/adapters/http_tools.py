"""Tools over HTTP: one POST per call over a checked transport, never a second one, and no redirect."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Final

import anyio
import httpx

from app.adapters.http_sender import HOP_HEADER
from app.adapters.scrub import blotted, scrubbed, spellings
from app.domain.tools import ToolCall, ToolError, ToolFailure, ToolReply

MAX_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read; the rest is left where it is."""

_CLOSING: Final = 1.0
_CONNECTING: Final = 5.0
_QUOTED: Final = 200
_NOT_IN_HEADERS: Final = re.compile(r"[^!-~]+")
_OURS: Final = {
    "content-type": "application/json",
    "accept": "application/json, text/*;q=0.9, */*;q=0.1",
    "user-agent": "outcry",
    HOP_HEADER: "1",
}

# One sentence for a name that is unknown, an address that is forbidden and a port that is closed.
_UNREACHABLE: Final = "the tool could not be reached"


class HttpTools:
    """Calls tools; `transport_for` says by which way to a URL.

    Those transports must use no connection twice: one that went stale meanwhile would make them ask again, and a tool
    may have done something by then.
    """

    def __init__(self, transport_for: Callable[[str], httpx.AsyncBaseTransport]) -> None:
        self._transport_for = transport_for

    async def call(self, call: ToolCall) -> ToolReply:
        """What the tool answered with a 2xx, within `call.timeout` seconds. Raises ToolError and nothing else."""
        try:
            async with asyncio.timeout(call.timeout):
                return await self._ask(call)
        except TimeoutError:
            raise _late(call) from None
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise ToolError(ToolFailure.UNREACHABLE, _UNREACHABLE) from None
        except httpx.ReadTimeout:
            raise _late(call) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            raise ToolError(ToolFailure.BAD_ANSWER, "the connection broke before the tool had answered") from None

    async def _ask(self, call: ToolCall) -> ToolReply:
        limits = {"connect": min(_CONNECTING, call.timeout), "read": call.timeout}
        request = httpx.Request(
            "POST",
            call.tool.url,
            content=call.body,
            headers=_headers(call),
            extensions={"timeout": limits},
        )
        response = await self._transport_for(call.tool.url).handle_async_request(request)
        try:
            body, was_cut = await _beginning(response)
        finally:
            with anyio.move_on_after(_CLOSING, shield=True):
                await response.aclose()
        text = _without_secrets(call, body.decode("utf-8", "replace"))
        if response.is_success:
            return ToolReply(response.status_code, text, len(body), was_cut=was_cut)
        raise _refused(response.status_code, text, len(body))


async def _beginning(response: httpx.Response) -> tuple[bytes, bool]:
    """As much of the body as is read, and whether there was more."""
    body = bytearray()
    async for piece in response.stream:  # type: ignore[union-attr] # httpx types it as sync or async
        body += piece
        if len(body) > MAX_ANSWER:
            return bytes(body[:MAX_ANSWER]), True
    return bytes(body), False


def _without_secrets(call: ToolCall, text: str) -> str:
    """A tool that echoes what it was sent must not tell the model; of `Bearer …` the key alone is secret too."""
    for value in call.tool.headers.values():
        secret = value.get_secret_value()
        for each in (secret, *secret.split()):
            text = blotted(spellings(each), text)
    return text


def _headers(call: ToolCall) -> Mapping[str, str]:
    own = {name: value.get_secret_value() for name, value in call.tool.headers.items()}
    return {
        **own,
        **_OURS,
        "x-outcry-tool": call.tool.name,
        "x-outcry-request-id": _fit(call.request_id),
        "x-outcry-tool-call-id": _fit(call.call_id),
    }


def _fit(text: str) -> str:
    """What a model or a caller made up, as it may stand in a header."""
    return _NOT_IN_HEADERS.sub("-", text)[:128]


def _refused(status: int, text: str, size: int) -> ToolError:
    if 300 <= status < 400:
        return ToolError(
            ToolFailure.REDIRECTED, f"the tool answered {status}, and no redirect is followed", status=status, size=size
        )
    code = ToolFailure.REFUSED if 400 <= status < 500 else ToolFailure.ERROR
    said = scrubbed(text)[:_QUOTED]
    return ToolError(code, f"the tool answered {status}{': ' if said else ''}{said}", status=status, size=size)


def _late(call: ToolCall) -> ToolError:
    return ToolError(ToolFailure.TIMEOUT, f"the tool did not answer within {call.timeout:.3g} s")
