"""On a real socket: heads without end, heads that drip, what is no HTTP, bodies that nobody reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from app import serving_protocol
from app.services import Services
from tests.api.conftest import serving
from tests.api.speaking import V1, native_body, openai_body
from tests.api.test_server import Wire
from tests.fakes_edge import FakeGateway, last_chunk, text_chunk

LIVE = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.fixture
async def server(services: Services) -> AsyncIterator[str]:
    async with serving(services) as url:
        yield url


@pytest.fixture
async def wire(server: str) -> AsyncIterator[Wire]:
    wire = await Wire.to(server)
    yield wire
    wire.leave()


async def status(wire: Wire) -> int:
    """The status of the next whole answer with a length."""
    head = await wire.until(b"\r\n\r\n")
    await wire.reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
    return int(head.split()[1])


def refusal(answer: bytes, code: str) -> str:
    """The message of an answer that must be this error and end the connection."""
    head, _, raw = answer.partition(b"\r\n\r\n")
    body = json.loads(raw)
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert head.startswith(b"HTTP/1.1 400"), answer
    assert body["error"]["code"] == code
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"connection"] == b"close"
    assert headers[b"x-request-id"].decode() == body["request_id"]
    message: str = body["error"]["message"]
    return message


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 40_000,
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx-filler: " + b"x" * 40_000,
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"x" * 40_000,
        b"GET /?" + b"x" * 40_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\n" + b"a: b\r\n" * 7_000 + b"\r\n",
    ],
    ids=["target", "value", "name", "whole-target", "many"],
)
async def test_a_head_that_is_too_long_is_refused_whether_it_ends_or_not(wire: Wire, head: bytes) -> None:
    await wire.say(head)

    assert "32768 bytes" in refusal(await wire.rest(), "caller_invalid_header")


async def test_a_head_that_grows_in_small_pieces_is_refused(wire: Wire) -> None:
    await wire.say(LIVE + b"GET / HTTP/1.1\r\n")
    assert await status(wire) == 200
    for number in range(40):
        if wire.reader.at_eof():
            break
        await wire.say(b"x-%d: " % number + b"x" * 1_000 + b"\r\n")

    assert "32768 bytes" in refusal(await wire.rest(), "caller_invalid_header")


async def test_a_body_does_not_count_as_head(wire: Wire) -> None:
    for _ in range(2):
        await wire.post("/chat", native_body(metadata={"filler": "x" * 100_000}))
        assert await status(wire) == 200


@pytest.mark.parametrize("said", [b"GET /health/live HTTP/1.1\r\nho", b"\r\n"], ids=["drip", "blank-lines"])
async def test_a_head_that_does_not_end_is_given_up(wire: Wire, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_protocol, "HEAD_SECONDS", 0.05)
    await wire.say(said)

    assert "did not arrive" in refusal(await wire.rest(), "caller_invalid_header")


async def test_a_connection_that_never_asks_ends_as_an_idle_one_does(services: Services) -> None:
    async with serving(services, timeout_keep_alive=0) as url:
        wire = await Wire.to(url)

        assert await wire.rest() == b""
        wire.leave()


async def test_half_a_head_behind_a_stream_does_not_cut_the_stream(
    wire: Wire, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_protocol, "HEAD_SECONDS", 0.0)
    go_on = asyncio.Event()
    gateway.script = [text_chunk("u"), go_on, last_chunk()]
    await wire.post(V1, openai_body(stream=True))
    await wire.until(b'"u"')
    await wire.say(b"GET /health")
    asyncio.get_running_loop().call_later(0.05, go_on.set)

    await wire.until(b"[DONE]")


async def test_what_is_no_http_is_answered_as_every_error_is(wire: Wire) -> None:
    await wire.say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")

    assert "well-formed" in refusal(await wire.rest(), "caller_invalid_request")


async def test_nonsense_behind_a_stream_writes_nothing_into_it(wire: Wire, gateway: FakeGateway) -> None:
    gateway.script = [text_chunk("u"), asyncio.Event(), last_chunk()]
    await wire.post(V1, openai_body(stream=True))
    await wire.until(b'"u"')
    await wire.say(b"\x00nonsense\r\n\r\n")

    assert b"HTTP/1.1" not in await wire.rest()
    await asyncio.wait_for(gateway.closed.wait(), 1)


async def test_a_body_behind_its_refusal_is_not_read_for_ever(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_protocol, "LINGER_BYTES", 100_000)
    await wire.say(b"POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9999999999\r\n\r\n")
    assert (await wire.until(b"\r\n")).startswith(b"HTTP/1.1 413")

    with pytest.raises(OSError):  # noqa: PT011  # reset or broken pipe, as the system has it
        for _ in range(1_000):
            await wire.say(b"x" * 100_000)


async def test_a_body_behind_its_refusal_is_not_waited_for(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_protocol, "LINGER_SECONDS", 0.05)
    await wire.say(b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nx")

    assert (await wire.rest()).startswith(b"HTTP/1.1 404")


async def test_a_connection_whose_unread_body_ended_is_used_again_and_ends_when_idle(services: Services) -> None:
    async with serving(services, timeout_keep_alive=1) as url:
        wire = await Wire.to(url)
        await wire.say(b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nx")
        assert await status(wire) == 404
        await wire.say(b"x" * 9 + LIVE)
        assert await status(wire) == 200
        await wire.say(b"POST /nowhere HTTP/1.1\r\nhost: localhost\r\ncontent-length: 10\r\n\r\nx")
        assert await status(wire) == 404
        await wire.say(b"x" * 9)

        await wire.rest()
        wire.leave()
