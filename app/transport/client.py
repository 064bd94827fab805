"""One pooled HTTP client in httpx's transport interface: checked addresses, no redirects, bounded answers."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from httpx_aiohttp import AiohttpTransport

from app.transport.addresses import forbidden_address
from app.transport.connection import Connector, is_crowded, is_fresh

_STREAMS: Final = ("text/event-stream", "application/x-ndjson")
_MOST_HOSTS: Final = 1000
_STALE_WITHIN: Final = 1.0
"""Seconds. A connection that was given up shows within a round trip; what breaks later broke while it was answered."""

_READ_AHEAD: Final = 16 * 1024
"""Bytes; twice that is read ahead of whoever reads an answer, and one more read of the loop's, before it pauses."""


@dataclass(frozen=True, slots=True)
class TransportRules:
    """Limits of the pool and of what is read. Sizes are bytes, times are seconds.

    `max_body` bounds every answer but a stream of events or lines, whose reader bounds those instead. With `keepalive`
    0 no connection is used twice, so that no request is ever sent again because its connection was stale.
    """

    max_connections: int = 1000
    max_connections_per_host: int = 200
    keepalive: float = 20.0
    dns_ttl: int = 10
    max_body: int = 20 * 1024 * 1024
    max_header_line: int = 16 * 1024


class ForbiddenAddress(OSError):
    """A name or a literal points where the gateway must not connect."""


class BodyTooLarge(httpx.DecodingError):
    """An answer is larger than we are willing to read."""


class CheckedResolver(AbstractResolver):
    """Resolves names and drops every address that is forbidden; the ones that are left are connected to."""

    def __init__(self, resolver: AbstractResolver, *, private_allowed: bool) -> None:
        self._resolver = resolver
        self._private_allowed = private_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Allowed addresses of `host`; raises ForbiddenAddress when it has only others."""
        found = await self._resolver.resolve(host, port, family)
        verdicts = [(each, forbidden_address(each["host"], private_allowed=self._private_allowed)) for each in found]
        allowed = [each for each, reason in verdicts if reason is None]
        if not allowed:
            reasons = ", ".join(reason for _, reason in verdicts if reason) or "no address"
            raise ForbiddenAddress(f"{host} may not be connected to: {reasons}")
        return allowed

    async def close(self) -> None:
        """Close the resolver underneath."""
        await self._resolver.close()


class Transport(httpx.AsyncBaseTransport):
    """httpx's transport over aiohttp's pool. Close it as an async context manager; see `open_transport`."""

    def __init__(
        self, session: aiohttp.ClientSession, tls: ssl.SSLContext, rules: TransportRules, *, private_allowed: bool
    ) -> None:
        self._inner = AiohttpTransport(verify=tls, client=session)
        self._rules = rules
        self._private_allowed = private_allowed
        self._reasons: dict[str, str | None] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the answer's body is identity-encoded and bounded."""
        self._refuse_forbidden_literal(request.url.host)
        # Replaces whatever was asked for: an encoded body can unpack to a thousand times its size.
        request.headers["accept-encoding"] = "identity"
        try:
            response = await self._send(request)
        except (httpx.TransportError, aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error) from error
        if response.headers.get("content-encoding", "identity").lower() not in ("", "identity"):
            await response.aclose()
            raise httpx.DecodingError(f"an answer encoded as {response.headers['content-encoding'][:40]!r}")
        is_events = response.headers.get("content-type", "").lower().startswith(_STREAMS)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - narrows httpx's union for mypy
        response.stream = _BoundedStream(response.stream, None if is_events else self._rules.max_body)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._inner.aclose()

    async def _send(self, request: httpx.Request) -> httpx.Response:
        """One request. A pooled connection that its server closed just now is no failure of the server's: once more."""
        is_fresh.set(False)
        is_crowded.set(False)
        began = asyncio.get_running_loop().time()
        try:
            return await self._inner.handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError) as error:
            is_late = asyncio.get_running_loop().time() - began > _STALE_WITHIN
            if is_fresh.get() or is_late or not _is_lost(error):
                raise
        return await self._inner.handle_async_request(request)

    def _refuse_forbidden_literal(self, host: str) -> None:
        """The resolver is never asked about literal addresses, so they are checked here."""
        if host not in self._reasons:
            if len(self._reasons) >= _MOST_HOSTS:
                self._reasons.clear()  # pictures are fetched from wherever callers say
            self._reasons[host] = self._reason_against(host.strip("[]"))
        reason = self._reasons[host]
        if reason is not None:
            raise httpx.ConnectError(reason)

    def _reason_against(self, literal: str) -> str | None:
        try:
            ip_address(literal)
        except ValueError:
            return None
        return forbidden_address(literal, private_allowed=self._private_allowed)


class _BoundedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, limit: int | None) -> None:
        self._inner = inner
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        taken = 0
        try:
            async for chunk in self._inner:
                taken += len(chunk)
                if self._limit is not None and taken > self._limit:
                    raise BodyTooLarge(f"an answer of more than {self._limit} bytes")
                yield chunk
        except BodyTooLarge:
            raise
        except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
            raise httpx.ReadError(str(error) or "the connection broke") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def open_transport(rules: TransportRules, *, private_allowed: bool = True) -> AsyncGenerator[Transport, None]:
    """A transport for as long as the context lasts. Reads no proxy variables, keeps no cookies."""
    tls = ssl.create_default_context()
    connector = Connector(
        ssl=tls,
        resolver=CheckedResolver(ThreadedResolver(), private_allowed=private_allowed),
        ttl_dns_cache=rules.dns_ttl,
        keepalive_timeout=rules.keepalive or None,
        force_close=not rules.keepalive,
        limit=rules.max_connections,
        limit_per_host=rules.max_connections_per_host,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),  # a provider's cookie must not travel with another agent's key
        trust_env=False,
        read_bufsize=_READ_AHEAD,
        max_line_size=rules.max_header_line,
        max_field_size=rules.max_header_line,
    )
    async with session:
        yield Transport(session, tls, rules, private_allowed=private_allowed)


def _translated(error: Exception) -> httpx.TransportError:
    """What really happened: httpx-aiohttp calls every lost connection a connect timeout."""
    cause = _cause(error)
    message = str(cause) or type(cause).__name__
    match cause:
        case aiohttp.ConnectionTimeoutError():
            return httpx.PoolTimeout(message) if is_crowded.get() else httpx.ConnectTimeout(message)
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return httpx.ReadTimeout(message)
        case aiohttp.ClientConnectorError() | aiohttp.InvalidURL() | aiohttp.ServerFingerprintMismatch():
            return httpx.ConnectError(message)
        case aiohttp.ClientResponseError() | ValueError():
            return httpx.RemoteProtocolError(message)
        case httpx.TransportError():
            return cause
        case _:
            return httpx.ReadError(message)


def _is_lost(error: Exception) -> bool:
    """Whether a connection that stood was gone before any answer came."""
    cause = _cause(error)
    is_lost = isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
    return is_lost and not isinstance(cause, aiohttp.ClientConnectorError)


def _cause(error: Exception) -> BaseException:
    """The error as it was first raised, where httpx-aiohttp put one of httpx's before it."""
    return error.__cause__ if isinstance(error, httpx.TransportError) and error.__cause__ is not None else error
