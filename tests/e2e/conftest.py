"""Gateways and providers for the end-to-end tests: real processes, real sockets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.nursery import Nursery
from tests.e2e.service import Service
from tests.postgres import PostgresServer
from tests.upstream import Upstream

StartService = Callable[..., Service]
StartUpstream = Callable[..., Upstream]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole service comes last, so that a broken part is first reported by its own test."""
    items.sort(key=lambda item: "/e2e/" in str(item.path))


@pytest.fixture
def start(tmp_path: Path, gateway_nursery: Nursery | None) -> Iterator[StartService]:
    """`start(providers=[...], env={...})` gives a running gateway; each must end with exit code 0."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Service:
            folder = tmp_path / f"gateway{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            return stack.enter_context(Service(folder, nursery=gateway_nursery, **options))

        yield begin


@pytest.fixture(scope="module")
def start_once(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[StartService]:
    """The same, shared by a module's tests."""
    with ExitStack() as stack:

        def begin(**options: Any) -> Service:
            folder = tmp_path_factory.mktemp("gateway")
            return stack.enter_context(Service(folder, nursery=gateway_nursery, **options))

        yield begin


@pytest.fixture
def upstream() -> Iterator[StartUpstream]:
    """`upstream(*script, dialect=..., models=...)` gives a running provider."""
    with ExitStack() as stack:
        yield lambda *script, **options: stack.enter_context(Upstream(*script, **options))


@pytest.fixture(scope="module")
def upstream_once() -> Iterator[StartUpstream]:
    """The same, shared by a module's tests."""
    with ExitStack() as stack:
        yield lambda *script, **options: stack.enter_context(Upstream(*script, **options))


@pytest.fixture(scope="module")
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """An empty database in PostgreSQL."""
    url = postgres.create()
    yield url
    postgres.drop(url)
