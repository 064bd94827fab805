"""One gateway for all of the upstream's faults: what any of them leaves behind shows in the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.nursery import Nursery
from tests.faults.house import House, house


@pytest.fixture(scope="package")
def shared_house(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[House]:
    """A gateway between two faulty providers and a healthy one."""
    with house(tmp_path_factory.mktemp("house"), gateway_nursery) as one:
        yield one
