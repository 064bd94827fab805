"""What every test gets: the loop that the service runs on, and real databases for those that ask."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.postgres import PostgresServer, postgres_server

# How long an example takes says something about the machine; what is slow is found by benchmarks.
settings.register_profile("outcry", deadline=None)
settings.load_profile("outcry")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Async tests run on uvloop, as the service does."""
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each test that uses it makes and drops databases of its own."""
    with postgres_server() as server:
        yield server
