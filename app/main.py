"""create_app(): the edge around the routes, the handlers, the document. Nothing else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from app import __version__
from app.api.document import documented
from app.api.drain import Drain
from app.api.edge import Edge
from app.api.exchange import Receive, Scope, Send
from app.api.framework import framework_error, validation_error
from app.api.routes import BODIES, DIRECT, EXAMPLES, OPERATIONS, ROUTERS
from app.services import Services

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class Service(FastAPI):
    """The application; what the edge answers by itself does not pass the framework's layers around it."""

    edge: Edge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.edge.is_direct(scope):
            await self.edge(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(services: Services, lifespan: Lifespan | None = None) -> FastAPI:
    """The service over HTTP; `lifespan` opens and closes what the services stand on."""
    drain = Drain(services.draining, services.drain_grace)
    routes: list[BaseRoute] = [*DIRECT, *(route for router in ROUTERS for route in router.routes)]
    app = Service(
        title="Outcry",
        version=__version__,
        routes=routes,
        lifespan=_with_drain(drain, lifespan),
        # The pages would load scripts from elsewhere into the origin of the open door.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: framework_error, RequestValidationError: validation_error},
    )
    app.openapi = documented(app, OPERATIONS, BODIES, EXAMPLES)  # type: ignore[method-assign]  # FastAPI's own way
    app.add_middleware(Edge, services=services, routes=app.routes, drain=drain)
    app.edge = Edge(app, services=services, routes=app.routes, drain=drain)
    return app


def _with_drain(drain: Drain, lifespan: Lifespan | None) -> Lifespan:
    @asynccontextmanager
    async def both(app: FastAPI) -> AsyncGenerator[None]:
        async with anyio.create_task_group() as jobs:
            jobs.start_soon(drain.run)
            try:
                if lifespan is None:
                    yield
                else:
                    async with lifespan(app):
                        yield
            finally:
                jobs.cancel_scope.cancel()

    return both
