"""The outermost layer of the service: guards, callers, dispatch, and an answer to every error."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Awaitable, Callable, Sequence

from starlette.routing import BaseRoute, Match, Route

from app.api.access import ACCESS, Open, Row, check_scope
from app.api.anthropic_errors import anthropic_error, is_anthropic
from app.api.auth import authenticate
from app.api.budget_headers import left_headers
from app.api.drain import Drain
from app.api.errors import CallerLeft, Headers, encoded_error, error_headers, internal_error, openai_form
from app.api.exchange import EXCHANGE, Exchange, Receive, Scope, Send
from app.api.guards import check_open_door, check_target, is_loopback, read_headers
from app.domain.errors import Code, OutcryError
from app.services import Services

log = logging.getLogger("outcry.edge")

Handler = Callable[[Exchange], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Direct:
    """An endpoint that takes the exchange itself; the edge calls it without the framework in between."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await self.handler(scope[EXCHANGE])


class Edge:
    """Every request passes here first. Authorisation goes by the matched route, never by the URL."""

    def __init__(self, app: App, *, services: Services, routes: Sequence[BaseRoute], drain: Drain) -> None:
        self._app = app
        self._services = services
        self._routes = routes
        self._drain = drain
        self._direct: dict[tuple[str, str], Handler] = {
            (method, route.path): route.endpoint.handler
            for route in routes
            if isinstance(route, Route) and isinstance(route.endpoint, Direct)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._serve(Exchange(_asked(scope), receive, send, self._services, self._drain))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            await self._app(scope, receive, send)

    def is_direct(self, scope: Scope) -> bool:
        """Whether this request needs nothing of the framework."""
        return (scope["method"], scope["path"]) in self._direct

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self._answer(exchange)
        except CallerLeft:
            exchange.status, exchange.code = 499, Code.CANCELLED.value
        except OutcryError as error:
            await self._refuse(exchange, error)
        except asyncio.CancelledError:
            # The server itself gives up on us: its time to stop has run out.
            exchange.code = Code.SHUTTING_DOWN.value
            raise
        except Exception as error:
            log.exception("request failed", extra={"request_id": exchange.request_id, "route": exchange.route})
            await self._refuse(exchange, internal_error(), cause=error)
        finally:
            self._services.metrics.request_finished(exchange.route, exchange.status, exchange.code, exchange.overhead)

    async def _answer(self, exchange: Exchange) -> None:
        scope = exchange.scope
        exchange.request_id = request_id_of(scope["headers"])
        exchange.headers = read_headers(scope["headers"])
        check_target(scope.get("raw_path") or b"", scope.get("query_string", b""))
        method, path = scope["method"], scope["path"]
        handler = self._direct.get((method, path))
        route = path if handler is not None else self._route_of(scope)
        self._admit(exchange, method, route)
        if handler is not None:
            await handler(exchange)
            return
        scope[EXCHANGE] = exchange
        await self._app(scope, exchange.receive, exchange.send)

    def _route_of(self, scope: Scope) -> str | None:
        """The template of the route that will serve this, or None when none will."""
        for route in self._routes:
            match, _ = route.matches(scope)
            if match is Match.FULL:
                return str(getattr(route, "path", ""))
        return None

    def _admit(self, exchange: Exchange, method: str, route: str | None) -> None:
        exchange.route = route or "unknown"
        if not self._services.keys:
            check_open_door(exchange.headers, exchange.scope.get("client"))
        elif not _is_open(exchange, ACCESS.get((method, route or ""))):
            exchange.caller = authenticate(exchange.headers, self._services.keys)
        if route is not None:
            check_scope(exchange.caller, method, route)

    async def _refuse(self, exchange: Exchange, error: OutcryError, cause: Exception | None = None) -> None:
        path = exchange.scope["path"]
        if path.startswith("/v1/"):
            error = openai_form(error)
        exchange.failed(error)
        if not exchange.is_started:
            written = anthropic_error if is_anthropic(path) else encoded_error
            body = written(error, exchange.request_id)
            headers = [*error_headers(error), *self._allowed(exchange, error)]
            if error.code is Code.BUDGET_EXCEEDED:
                target = error.trail.target
                headers += left_headers(exchange, [] if target is None else [target.provider])
            await exchange.answer(error.status, body, headers)
        elif exchange.error_form is not None and not exchange.is_complete:
            await exchange.push(exchange.error_form(error), last=True)
        else:
            # Half an answer is out: cutting the connection is the only way left to say that it is not whole.
            raise cause or error

    def _allowed(self, exchange: Exchange, error: OutcryError) -> Headers:
        """What a 405 must say: the methods that are possible there."""
        if error.code is not Code.METHOD_NOT_ALLOWED:
            return []
        there = [route for route in self._routes if route.matches(exchange.scope)[0] is not Match.NONE]
        methods = {method for route in there for method in getattr(route, "methods", None) or ()}
        methods |= {"HEAD"} if "GET" in methods else set()
        return [(b"allow", ", ".join(sorted(methods)).encode())]


def request_id_of(headers: Sequence[tuple[bytes, bytes]]) -> str:
    """The caller's own request id where it is a fit one, else a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return f"req_{os.urandom(12).hex()}"


def _asked(scope: Scope) -> Scope:
    """HEAD asks what GET would answer; the server, which keeps its own scope, leaves the body out."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope


def _is_open(exchange: Exchange, row: Row | None) -> bool:
    """Whether no key is needed. A proxy on this machine is not a loopback peer."""
    if row is not Open.LOOPBACK:
        return row is Open.EVERYBODY
    peer = exchange.scope.get("client")
    forwarded = any(name == b"forwarded" or name.startswith(b"x-forwarded-") for name in exchange.headers)
    return peer is not None and is_loopback(peer[0]) and not forwarded
