"""One request on its way through the edge: what came in, and what has gone out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson

from app.api.anthropic_errors import is_anthropic
from app.api.drain import Drain
from app.api.errors import Headers
from app.domain.audit import Author
from app.domain.caller import LOCAL_CALLER, Caller
from app.domain.errors import OutcryError
from app.services import Services

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
EXCHANGE = "outcry.exchange"
"""The scope key under which routes of the framework find the exchange."""
IS_EVENTS = "outcry.is_events"
"""The scope key that says that the answer is a stream of events, in which comments may be said at any time."""

CUT = "outcry.cut"
"""The scope key of what ends the connection at once, whatever is still unread."""

JSON_TYPE = (b"content-type", b"application/json")
STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies that buffer would turn a stream into one late block.
    (b"x-accel-buffering", b"no"),
]


class Exchange:
    """A request and its answer. `arrived` is monotonic seconds; `route` is a template, never what the caller sent.

    `status`, `code` and `overhead` (seconds) are what metrics hear at the end. `error_form` is how a stream tells an
    error once its head is out. `agent_id` is whose budgets pay, as far as that is known.
    """

    __slots__ = (
        "_send",
        "agent_id",
        "arrived",
        "caller",
        "code",
        "drain",
        "error_form",
        "headers",
        "is_complete",
        "is_started",
        "overhead",
        "receive",
        "request_id",
        "route",
        "scope",
        "services",
        "status",
        "warnings",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, services: Services, drain: Drain) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self.services = services
        self.drain = drain
        self.arrived = services.now()
        self.request_id = ""
        self.headers: Mapping[bytes, bytes] = {}
        self.caller: Caller = LOCAL_CALLER
        self.agent_id: int | None = None
        self.route = "unknown"
        self.status = 0
        self.code: str | None = None
        self.overhead: float | None = None
        self.error_form: Callable[[OutcryError], bytes] | None = None
        self.warnings: list[str] = []
        self.is_started = False
        self.is_complete = False

    @property
    def author(self) -> Author:
        """Who asks for what this request changes."""
        return Author(self.caller.key_id, self.request_id or None)

    async def send(self, message: Message) -> None:
        """Passes a message of the server protocol on; the head of every answer gets its request id here."""
        if message["type"] == "http.response.start":
            self.is_started = True
            self.status = message["status"]
            request_id = self.request_id.encode()
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id)]
            if is_anthropic(self.scope["path"]):
                message["headers"].append((b"request-id", request_id))
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
        await self._send(message)

    async def answer(self, status: int, body: bytes, headers: Headers) -> None:
        """A whole JSON answer."""
        head = [JSON_TYPE, (b"content-length", str(len(body)).encode()), *headers]
        await self.send({"type": "http.response.start", "status": status, "headers": head})
        await self.send({"type": "http.response.body", "body": body})

    async def answer_json(self, content: object, headers: Headers | None = None, status: int = 200) -> None:
        """A whole JSON answer of plain values."""
        await self.answer(status, orjson.dumps(content), headers or [])

    async def start_stream(self, headers: Headers) -> None:
        """The head of an event stream."""
        self.scope[IS_EVENTS] = True
        await self.send({"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS, *headers]})

    async def push(self, body: bytes, *, last: bool = False) -> None:
        """One piece of a stream; returns when the server has room for the next."""
        await self.send({"type": "http.response.body", "body": body, "more_body": not last})

    def cut(self) -> bool:
        """Ends the connection, from which the rest follows as when its caller left; says whether that can be done."""
        cut: Callable[[], None] | None = self.scope.get(CUT)
        if cut is not None:
            cut()
        return cut is not None

    def failed(self, error: OutcryError) -> None:
        """Notes the error for the metrics."""
        self.code = error.code.value
