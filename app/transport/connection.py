"""aiohttp's connections, made to end where their server says more, or other things, than it was asked for."""

from __future__ import annotations

from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

is_fresh: ContextVar[bool] = ContextVar("is_fresh")
"""Whether the present request got a connection of its own."""

is_crowded: ContextVar[bool] = ContextVar("is_crowded", default=False)
"""Whether the present request waits for one of our own connections to be free."""

_MOST_WAITING: Final = 32
"""Answers to one request that may wait to be read: the interim ones (1xx) and the real one."""


class Wire(ResponseHandler):
    """One connection. It is closed when its server speaks unasked, and tells a body's reader what broke its framing.

    An answer that nobody asked for would else be read as the answer to the next request.
    """

    is_idle = False

    def data_received(self, data: bytes) -> None:
        """Bytes of the server's; none at all when reading goes on after a pause."""
        if self.is_idle and data:
            self.close()
            return
        super().data_received(data)
        if self.is_idle and self.should_close:
            self.close()  # the end of one answer and more than that, in one read
        elif len(self._buffer) > _MOST_WAITING:
            self._buffer.clear()
            self._refuse(HttpProcessingError(message="interim answers without end"))
        elif self._exception is not None and self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(aiohttp.ClientPayloadError(str(self._exception)))

    def _refuse(self, error: HttpProcessingError) -> None:
        if self.transport is not None:
            self.transport.close()
        self.set_exception(error)


class Connector(aiohttp.TCPConnector):
    """Knows which connections are idle, and notes when a request gets one of its own."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401  # aiohttp's own, passed on
        super().__init__(**options)
        self._factory = partial(Wire, loop=self._loop)  # type: ignore[assignment]  # a narrower one than aiohttp names

    async def _get(self, key: ConnectionKey, traces: list[aiohttp.tracing.Trace]) -> Connection | None:
        connection = await super()._get(key, traces)
        if connection is not None and isinstance(connection.protocol, Wire):
            connection.protocol.is_idle = False
        return connection

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        if isinstance(protocol, Wire):
            protocol.is_idle = True
        super()._release(key, protocol, should_close=should_close)

    async def _wait_for_available_connection(self, key: ConnectionKey, traces: list[aiohttp.tracing.Trace]) -> None:
        is_crowded.set(True)
        await super()._wait_for_available_connection(key, traces)
        is_crowded.set(False)

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[aiohttp.tracing.Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        is_fresh.set(True)
        return await super()._create_connection(req, traces, timeout)
