"""The edge over fakes: in process for plain exchanges, on a real socket for what only a socket shows."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from app.api.gate import STATE, Gate
from app.main import create_app
from app.services import Services
from app.serving_protocol import BoundedProtocol
from tests.fakes_edge import FakeAgents, FakeDecisions, FakeGateway, FakeMetrics, fake_services

Serve = Callable[..., AbstractAsyncContextManager[str]]


def client_of(services: Services, peer: str = "127.0.0.1", **options: Any) -> httpx.AsyncClient:
    """A client of the service without a socket in between."""
    transport = httpx.ASGITransport(create_app(services), client=(peer, 40_000))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8080", **options)


@asynccontextmanager
async def serving(services: Services, *, timeout_keep_alive: int = 5, gate: Gate | None = None) -> AsyncGenerator[str]:
    """The service on a real loopback port, by its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        create_app(services),
        http=BoundedProtocol,
        loop="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_keep_alive=timeout_keep_alive,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    if gate is not None:
        server.lifespan.state[STATE] = gate
    await server.startup(sockets=[listener])
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await server.shutdown(sockets=[listener])


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture
def agents() -> FakeAgents:
    return FakeAgents()


@pytest.fixture
def metrics() -> FakeMetrics:
    return FakeMetrics()


@pytest.fixture
def decisions() -> FakeDecisions:
    return FakeDecisions()


@pytest.fixture
def services(gateway: FakeGateway, decisions: FakeDecisions, agents: FakeAgents, metrics: FakeMetrics) -> Services:
    return fake_services(gateway=gateway, decisions=decisions, agents=agents, metrics=metrics)


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(services) as client:
        yield client
