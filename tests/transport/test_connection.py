"""What a server says unasked ends the connection, and is nobody's answer."""

from __future__ import annotations

import anyio
import httpx
import pytest

from app.transport.client import Transport, TransportRules, open_transport
from tests.adapters.misbehaving import Exchange, Script, misbehaving

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n"


async def said(transport: Transport, url: str) -> bytes:
    answer = await transport.handle_async_request(httpx.Request("POST", url, content=b"{}"))
    try:
        return await answer.aread()
    finally:
        await answer.aclose()


def answering(first: bytes, *later: bytes) -> Script:
    """Serves one request a connection: the first one with all of these, the others with `right`."""
    served = iter([(first, *later)])

    async def script(exchange: Exchange) -> None:
        for part in next(served, (OK + b"right",)):
            await exchange.send(part)
            await anyio.sleep(0.02)  # so that each is a read of its own
        await exchange.hang()

    return script


@pytest.mark.parametrize(
    "script",
    [
        answering(OK + b"right" + OK + b"wrong"),
        answering(OK + b"right", OK + b"wrong"),
        answering(OK + b"right", OK[:20]),
        answering(OK + b"right", OK[:20], OK[20:] + b"wrong"),
        answering(OK + b"right", b"wrong"),
    ],
)
async def test_an_answer_that_nobody_asked_for_is_never_the_next_requests(script: Script) -> None:
    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        with anyio.fail_after(2):
            first = await said(transport, server.url)
            await anyio.sleep(0.08)
            assert [first, await said(transport, server.url)] == [b"right", b"right"]
    assert len(server.heads) == 2


async def test_broken_framing_within_a_body_is_told_at_once() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    script = answering(head + b"5\r\nright\r\n", b"not-a-size\r\n")
    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        with anyio.fail_after(2), pytest.raises(httpx.ReadError):
            await said(transport, server.url)


async def test_interim_answers_without_end_are_no_answer() -> None:
    async def script(exchange: Exchange) -> None:
        while True:
            await exchange.send(INTERIM * 100)

    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        with anyio.fail_after(2), pytest.raises(httpx.RemoteProtocolError):
            await said(transport, server.url)


async def test_a_few_interim_answers_are_passed_over() -> None:
    script = answering(INTERIM * 20 + OK + b"right")
    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        assert await said(transport, server.url) == b"right"
