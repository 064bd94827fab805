"""The gate on a real socket: what is refused is answered in full, costs no call, and the connection goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.api.gate import Gate
from app.resilience.overload import OverloadRules
from app.services import Services
from tests.api.conftest import serving
from tests.api.speaking import V1, native_body, openai_body
from tests.api.test_server import Wire
from tests.fakes_edge import FakeGateway, FakeMetrics

CLOSED = OverloadRules(target=1e-9, patience=1e-9, calm=1e9)
"""Every round is late, so that from the second on there is room for one request alone."""


@pytest.fixture
def gate(metrics: FakeMetrics) -> Gate:
    return Gate(["/chat", V1, "/v1/messages"], metrics.request_finished, rules=CLOSED)


@pytest.fixture
async def server(services: Services, gate: Gate) -> AsyncIterator[str]:
    async with serving(services, gate=gate) as url:
        yield url


@pytest.fixture
async def wire(server: str) -> AsyncIterator[Wire]:
    wire = await Wire.to(server)
    yield wire
    wire.leave()


@pytest.fixture
async def closed(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Overloaded, in a round that does not end and whose one place is taken."""
    gate.refusal(b"/chat", [])
    for _ in range(3):
        await asyncio.sleep(0)
    monkeypatch.setattr(gate, "_went_round", lambda: None)
    gate.refusal(b"/chat", [])
    return gate


async def answer(wire: Wire) -> tuple[dict[str, str], Any]:
    """Headers (and the status as one of them) and body of the next answer."""
    head = (await wire.until(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    headers = {"status": first.split()[1], **dict(line.lower().split(": ", 1) for line in lines)}
    return headers, json.loads(await wire.reader.readexactly(int(headers["content-length"])))


def posted(path: str, body: object, *lines: str) -> bytes:
    raw = json.dumps(body).encode()
    head = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {len(raw)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + raw


@pytest.mark.parametrize(
    ("path", "kind"), [(V1, "server_error"), ("/chat", "server_error"), ("/v1/messages", "overloaded_error")]
)
async def test_a_refusal_says_so_in_the_words_of_its_wire(wire: Wire, closed: Gate, path: str, kind: str) -> None:
    await wire.say(posted(path, {}, "x-request-id: mine-0123"))

    headers, body = await answer(wire)

    assert (headers["status"], body["error"]["code"], body["error"]["type"]) == ("503", "gateway_overloaded", kind)
    assert headers["x-request-id"] == body["request_id"] == "mine-0123"
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("1", "1000")
    assert headers["content-type"] == "application/json"


async def test_it_reaches_nobody_and_is_counted(
    wire: Wire, closed: Gate, gateway: FakeGateway, metrics: FakeMetrics
) -> None:
    await wire.say(posted("/chat", native_body()))
    await answer(wire)

    assert gateway.asked == []
    assert metrics.requests[-1] == ("/chat", 503, "gateway_overloaded")


async def test_the_same_connection_is_used_again(wire: Wire, closed: Gate) -> None:
    for _ in range(3):
        await wire.say(posted(V1, openai_body()))
        assert (await answer(wire))[0]["status"] == "503"
    await wire.say(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
    assert (await answer(wire))[0]["status"] == "200"


async def test_a_body_in_pieces_is_thrown_away_and_no_next_request(wire: Wire, closed: Gate) -> None:
    whole = posted("/chat", native_body(metadata={"filler": "x" * 50_000}))
    await wire.say(whole[:200])
    assert (await answer(wire))[0]["status"] == "503"
    await wire.say(whole[200:20_000])
    await wire.say(whole[20_000:])

    await wire.say(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")

    assert (await answer(wire))[0]["status"] == "200"


async def test_who_asks_whether_to_send_a_body_is_refused_and_let_go(wire: Wire, closed: Gate) -> None:
    head, _, _ = posted("/chat", native_body(), "expect: 100-continue").partition(b"\r\n\r\n")
    await wire.say(head + b"\r\n\r\n")

    headers, _ = await answer(wire)

    assert (headers["status"], headers["connection"]) == ("503", "close")
    assert await wire.rest() == b""


@pytest.mark.parametrize("path", ["/health/live", "/metrics", "/providers/health"])
async def test_what_operators_look_at_is_never_refused(server: str, closed: Gate, path: str) -> None:
    async with httpx.AsyncClient(base_url=server) as client:
        assert (await client.get(path)).status_code == 200


async def test_high_priority_finds_room_where_there_is_none_for_others(wire: Wire, closed: Gate) -> None:
    await wire.say(posted("/chat", native_body(), "x-outcry-priority: normal"))
    assert (await answer(wire))[0]["status"] == "503"
    await wire.say(posted("/chat", native_body(), "x-outcry-priority: high"))
    assert (await answer(wire))[0]["status"] == "200"


async def test_rounds_in_which_the_machine_ran_something_else_refuse_nobody(metrics: FakeMetrics) -> None:
    clock = iter(range(1_000))
    gate = Gate(["/chat"], metrics.request_finished, now=lambda: float(next(clock)), worked=lambda: 0.0)

    for _ in range(20):
        assert [gate.refusal(b"/chat", []) for _ in range(32)] == [None] * 32
        for _ in range(3):
            await asyncio.sleep(0)

    assert metrics.requests == []


async def test_rounds_full_of_work_refuse_what_comes_beyond_them(metrics: FakeMetrics) -> None:
    clock = iter(range(1_000))
    gate = Gate(["/chat"], metrics.request_finished, now=lambda: 0.0, worked=lambda: float(next(clock)))

    gate.refusal(b"/chat", [])
    for _ in range(3):
        await asyncio.sleep(0)
    taken = [gate.refusal(b"/chat", []) is None for _ in range(32)]

    assert (taken[0], any(taken[1:])) == (True, False)
