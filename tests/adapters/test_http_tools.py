"""A tool over HTTP is asked once, bounded in time and size, and gives no secret away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from app.adapters.http_tools import MAX_ANSWER, HttpTools
from app.domain.tools import ToolCall, ToolError, ToolFailure
from app.transport.client import TransportRules, open_transport
from tests.fakes_tools import tool
from tests.tool_server import HUGE, ToolServer

SECRET = "tk-canary-0123456789abcdef"


@pytest.fixture(scope="module")
def server() -> Iterator[ToolServer]:
    with ToolServer() as server:
        yield server


@pytest.fixture
async def tools() -> AsyncIterator[HttpTools]:
    async with open_transport(TransportRules(keepalive=0.0)) as transport:
        yield HttpTools(lambda _: transport)


def call(server: ToolServer, path: str, timeout: float = 5.0, **changes: Any) -> ToolCall:
    server.forget()
    return ToolCall(tool(url=server.url(path), **changes), b'{"symbol": "BTC"}', "call 1\n\u4e70", "req-1", timeout)


async def test_what_the_tool_said_comes_back(server: ToolServer, tools: HttpTools) -> None:
    reply = await tools.call(call(server, "price"))

    assert (reply.status, reply.text, reply.was_cut) == (200, '{"price": 64231.5}', False)
    asked = server.asked[0]
    assert asked.arguments == {"symbol": "BTC"}
    assert asked.headers["x-outcry-tool-call-id"] == "call-1-"
    assert asked.headers["x-outcry-hop"] == "1"


async def test_an_empty_answer_is_one(server: ToolServer, tools: HttpTools) -> None:
    reply = await tools.call(call(server, "empty"))

    assert (reply.status, reply.text) == (204, "")


async def test_no_more_is_read_than_the_bound(server: ToolServer, tools: HttpTools) -> None:
    reply = await tools.call(call(server, "huge"))

    assert (len(reply.text), reply.size, reply.was_cut) == (MAX_ANSWER, MAX_ANSWER, True)
    assert HUGE > MAX_ANSWER


@pytest.mark.parametrize(
    ("path", "code", "status"),
    [
        ("fail", ToolFailure.ERROR, 500),
        ("refuse", ToolFailure.REFUSED, 404),
        ("redirect", ToolFailure.REDIRECTED, 302),
        ("reset", ToolFailure.BAD_ANSWER, None),
    ],
)
async def test_every_failure_has_its_reason_and_nobody_is_asked_twice(
    server: ToolServer, tools: HttpTools, path: str, code: ToolFailure, status: int | None
) -> None:
    with pytest.raises(ToolError) as raised:
        await tools.call(call(server, path))

    assert (raised.value.code, raised.value.status) == (code, status)
    assert [one.path for one in server.asked] == [f"/{path}"]


async def test_a_silent_tool_is_given_up_in_time(server: ToolServer, tools: HttpTools) -> None:
    with pytest.raises(ToolError) as raised:
        await tools.call(call(server, "slow", timeout=0.05))

    assert raised.value.code is ToolFailure.TIMEOUT
    assert raised.value.message == "the tool did not answer within 0.05 s"


async def test_closed_unknown_and_forbidden_are_told_alike(server: ToolServer) -> None:
    told = set()
    async with open_transport(TransportRules(), private_allowed=False) as public:
        tools = HttpTools(lambda _: public)
        for url in ("http://127.0.0.1:9/x", "http://tool.invalid/x", server.url("price"), "http://169.254.169.254/x"):
            with pytest.raises(ToolError) as raised:
                await tools.call(ToolCall(tool(url=url), b"{}", "c", "r", 5.0))
            told.add((raised.value.code, raised.value.message))

    assert told == {(ToolFailure.UNREACHABLE, "the tool could not be reached")}


async def test_no_connection_is_used_for_two_calls(server: ToolServer, tools: HttpTools) -> None:
    asked = call(server, "price")

    await tools.call(asked)
    await tools.call(asked)

    assert server.connections == 2


async def test_a_tool_that_echoes_its_headers_tells_no_secret(server: ToolServer, tools: HttpTools) -> None:
    reply = await tools.call(call(server, "echo", headers={"authorization": SecretStr(f"Bearer {SECRET}")}))

    assert server.asked[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in reply.text


async def test_an_error_text_is_scrubbed_and_short(server: ToolServer, tools: HttpTools) -> None:
    with pytest.raises(ToolError) as raised:
        await tools.call(call(server, "fail"))

    assert raised.value.message == "the tool answered 500: boom with the key [redacted]"
