from __future__ import annotations

import socket
from collections.abc import Sequence

import anyio
import httpx
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from app.transport.client import CheckedResolver, ForbiddenAddress, TransportRules, open_transport
from tests.adapters.misbehaving import Exchange, misbehaving, response


class Scripted(AbstractResolver):
    """Answers every name with the same addresses."""

    def __init__(self, ips: Sequence[str]) -> None:
        self._ips = ips

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=ip, port=port, family=family, proto=0, flags=0) for ip in self._ips]

    async def close(self) -> None:
        """Nothing to close."""


async def test_only_allowed_addresses_of_a_name_are_connected_to() -> None:
    resolver = CheckedResolver(Scripted(["169.254.169.254", "8.8.8.8", "10.0.0.1"]), private_allowed=False)
    assert [each["host"] for each in await resolver.resolve("rebound.test")] == ["8.8.8.8"]


async def test_a_name_with_forbidden_addresses_alone_is_refused() -> None:
    resolver = CheckedResolver(Scripted(["169.254.169.254"]), private_allowed=True)
    with pytest.raises(ForbiddenAddress, match="metadata"):
        await resolver.resolve("metadata.test")


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "2852039166"])
async def test_a_literal_metadata_address_is_refused_even_for_the_operator(host: str) -> None:
    async with open_transport(TransportRules(), private_allowed=True) as transport:
        for _ in range(2):  # the verdict is remembered
            with anyio.fail_after(2), pytest.raises(httpx.ConnectError):
                await transport.handle_async_request(httpx.Request("GET", f"http://{host}/"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_loopback_is_refused_where_private_is_not_allowed(host: str) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(response(b"reached"))

    async with misbehaving(script) as server, open_transport(TransportRules(), private_allowed=False) as transport:
        with pytest.raises(httpx.ConnectError):
            await transport.handle_async_request(httpx.Request("GET", f"http://{host}:{server.port}/"))
    assert server.heads == []


async def test_neither_proxies_of_the_environment_nor_cookies_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(response(b"direct", extra="set-cookie: a=b\r\n"))

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        for _ in range(2):
            # By name: the default jar keeps no cookies of addresses, and would pass for the wrong reason.
            answer = await transport.handle_async_request(httpx.Request("GET", f"http://localhost:{server.port}/"))
            assert await answer.aread() == b"direct"
            await answer.aclose()
    assert not any(b"cookie" in head.lower() for head in server.heads)


async def test_a_redirect_is_an_answer_like_any_other() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(response(b"", status="302 Found", extra="location: http://127.0.0.1:9/\r\n"))

    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        answer = await transport.handle_async_request(httpx.Request("GET", server.url))
        assert answer.status_code == 302
        await answer.aclose()
    assert len(server.heads) == 1


async def test_a_body_beyond_the_bound_is_refused() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(response(b"x" * 5000))

    async with misbehaving(script) as server, open_transport(TransportRules(max_body=4096)) as transport:
        answer = await transport.handle_async_request(httpx.Request("GET", server.url))
        with pytest.raises(httpx.DecodingError, match="more than 4096"):
            await answer.aread()
        await answer.aclose()


KEPT = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 8\r\n\r\nanswered"


async def test_a_connection_that_its_server_gave_up_meanwhile_is_replaced_by_a_fresh_one() -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(KEPT)
        await exchange.reader.readuntil(b"\r\n\r\n")  # the next request on it is read, and never answered

    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        with anyio.fail_after(2):
            for _ in range(2):
                answer = await transport.handle_async_request(httpx.Request("POST", server.url, content=b"{}"))
                assert await answer.aread() == b"answered"
                await answer.aclose()
    assert [b"{}", b"{}"] == server.bodies


async def test_a_fresh_connection_that_dies_is_an_error_at_once() -> None:
    async def script(exchange: Exchange) -> None:
        """Close without an answer."""

    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        with anyio.fail_after(2), pytest.raises(httpx.ReadError):
            await transport.handle_async_request(httpx.Request("POST", server.url, content=b"{}"))
    assert len(server.heads) == 1


async def test_a_used_connection_that_dies_while_the_answer_is_made_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def script(exchange: Exchange) -> None:
        await exchange.send(KEPT)
        await exchange.reader.readuntil(b"\r\n\r\n")

    monkeypatch.setattr("app.transport.client._STALE_WITHIN", -1.0)
    async with misbehaving(script) as server, open_transport(TransportRules()) as transport:
        with anyio.fail_after(2):
            answer = await transport.handle_async_request(httpx.Request("POST", server.url, content=b"{}"))
            assert await answer.aread() == b"answered"
            await answer.aclose()
            with pytest.raises(httpx.ReadError):
                await transport.handle_async_request(httpx.Request("POST", server.url, content=b"{}"))
    assert len(server.heads) == 1


async def test_waiting_for_a_connection_of_our_own_is_told_from_waiting_for_the_server() -> None:
    reached = anyio.Event()

    async def script(_: Exchange) -> None:
        reached.set()
        await anyio.sleep_forever()

    rules = TransportRules(max_connections_per_host=1)
    async with misbehaving(script) as server, open_transport(rules, private_allowed=True) as transport:

        def ask() -> httpx.Request:
            timeout = {"connect": 0.1, "pool": 0.1}
            return httpx.Request("GET", f"http://127.0.0.1:{server.port}/", extensions={"timeout": timeout})

        async with anyio.create_task_group() as callers:
            callers.start_soon(transport.handle_async_request, ask())
            await reached.wait()
            with pytest.raises(httpx.PoolTimeout):
                await transport.handle_async_request(ask())
            callers.cancel_scope.cancel()
