"""A real, misbehaving HTTP/1.1 provider on loopback: raw sockets, its own thread, a script of what to do."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from tests import behaviours as b
from tests.behaviours import Behaviour
from tests.connections import Connection
from tests.dialects import AnthropicDialect, Dialect, OllamaDialect, OpenAIDialect, model_list
from tests.misbehaving import perform
from tests.responses_dialect import ResponsesDialect

DIALECTS: Mapping[str, Dialect] = {
    "openai": OpenAIDialect(),
    "anthropic": AnthropicDialect(),
    "ollama": OllamaDialect(),
    "responses": ResponsesDialect(),
}
PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it arrived; header names are lower-case, `body` is None when it is not a JSON object."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any] | None

    @property
    def key(self) -> str | None:
        """The provider key it bore, whichever way."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or self.headers.get("api-key") or bearer or None


Script = Callable[[Received], Behaviour]


class Upstream:
    """A provider that does what its script says, completion by completion; the script's last line repeats.

    `requests` are the completions it received, `listings` counts `GET /models`, which is always answered. With `tls` it
    speaks it, under the name that its certificate has. `bytes_written` is what it handed to the kernel, or nearly: the
    last 64 KiB of each connection may wait for it.
    """

    def __init__(
        self,
        *script: Behaviour | Script,
        dialect: Literal["openai", "anthropic", "ollama", "responses"] = "openai",
        models: tuple[str, ...] = ("alpha-1",),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.requests: list[Received] = []
        self.listings = 0
        self.connections_made = 0
        self.bytes_written = 0
        self.port = 0
        self._dialect = DIALECTS[dialect]
        self._models = models
        self._tls = tls
        self._script: list[Behaviour | Script] = []
        self._open: set[Connection] = set()
        self._changed = threading.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="upstream", daemon=True)
        self._reserved: socket.socket | None = None
        self._server: asyncio.Server | None = None
        self._first = script or (b.Answer(),)

    def __enter__(self) -> Upstream:
        # A bound socket that does not listen keeps the port ours while it refuses.
        self._reserved = _bound(0)
        self.port = self._reserved.getsockname()[1]
        self._thread.start()
        self.behave(*self._first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
        if self._reserved is not None:
            self._reserved.close()

    @property
    def url(self) -> str:
        """Where it listens, without a version segment."""
        return f"http{'s' * (self._tls is not None)}://127.0.0.1:{self.port}"

    @property
    def calls(self) -> int:
        """How many completions it was asked for."""
        return len(self.requests)

    @property
    def connections_open(self) -> int:
        """How many connections are open right now."""
        return len(self._open)

    @property
    def connections_closed(self) -> int:
        """How many connections have ended, whoever ended them."""
        return self.connections_made - len(self._open)

    def behave(self, *script: Behaviour | Script) -> None:
        """Follow this script from the next request on; `Refuse` closes the port and drops what is open."""
        if any(isinstance(line, b.Refuse) for line in script[:-1]):
            raise ValueError("a closed port hears no next request: Refuse must be the last line")
        with self._changed:
            self._script = list(script)
        self._call(self._turn())

    def forget(self) -> None:
        """Empty the list of requests."""
        with self._changed:
            self.requests.clear()

    def wait_until(self, holds: Callable[[Upstream], bool], seconds: float = PATIENCE) -> bool:
        """Whether this came true within so many seconds; looked at whenever a connection or request changes."""
        with self._changed:
            return self._changed.wait_for(lambda: holds(self), seconds)

    def _call(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    async def _turn(self) -> None:
        refuses = isinstance(self._script[0], b.Refuse)
        if refuses and self._server is not None:
            await self._shut()
        elif not refuses and self._server is None:
            self._server = await self._loop.create_server(
                lambda: Connection(self._serve, self._opened, self._closed, self._wrote),
                sock=_bound(self.port),
                backlog=1024,
                ssl=self._tls,
            )

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in tuple(self._open):
            connection.abort()

    async def _close(self) -> None:
        await self._shut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _opened(self, connection: Connection) -> None:
        with self._changed:
            self.connections_made += 1
            self._open.add(connection)
            self._changed.notify_all()

    def _closed(self, connection: Connection) -> None:
        with self._changed:
            self._open.discard(connection)
            self._changed.notify_all()

    def _wrote(self, size: int) -> None:
        self.bytes_written += size

    def _serve(self, connection: Connection, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        task = self._loop.create_task(self._respond(connection, Received(method, path, headers, _object(body))))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _respond(self, connection: Connection, request: Received) -> None:
        try:
            if request.method == "GET":
                self.listings += 1
                connection.answer(200, json.dumps(model_list(self._models)).encode())
            else:
                await perform(self._next(request), connection, self._dialect, request.body or {})
        except ConnectionError:
            return  # the caller left: nobody to answer
        if isinstance(self._script[0], b.Refuse):
            connection.close()
        connection.finished()

    def _next(self, request: Received) -> Behaviour:
        with self._changed:
            self.requests.append(request)
            line = self._script[0]
            if len(self._script) > 1:
                self._script.pop(0)
                if isinstance(self._script[0], b.Refuse) and self._server is not None:
                    self._server.close()
                    self._server = None
            self._changed.notify_all()
        return line(request) if callable(line) else line


def _bound(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", port))
    return sock


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        read = json.loads(body)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None
