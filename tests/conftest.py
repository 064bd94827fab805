"""What every test gets: the loop that the service runs on, and real databases for those that ask."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.e2e.nursery import Nursery, is_possible, nursery
from tests.e2e.service import bare_environment
from tests.postgres import PostgresServer, postgres_server

# How long an example takes says something about the machine; what is slow is found by benchmarks.
settings.register_profile("outcry", deadline=None)
settings.load_profile("outcry")


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: tests of the whole service spend a third of their time waiting for it."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """Async tests run on uvloop, as the service does."""
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server; each test that uses it makes and drops databases of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def gateway_nursery() -> Iterator[Nursery | None]:
    """What gateways are forked from; None where each is started by a Python of its own."""
    if not is_possible():
        yield None
        return
    with nursery(bare_environment()) as one:
        yield one
