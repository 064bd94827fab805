from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from app.serving import spare_collections

LOADED = [["a table that lives as long as the process"]]


class Knot:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_was_loaded_is_not_looked_through_again() -> None:
    assert any(one is LOADED for one in gc.get_objects())

    spare_collections()

    assert not any(one is LOADED for one in gc.get_objects())


def test_garbage_of_the_start_is_freed_and_not_kept_for_good() -> None:
    knot = weakref.ref(Knot())

    spare_collections()

    assert knot() is None


def test_what_comes_later_is_still_collected() -> None:
    spare_collections()

    knot = weakref.ref(Knot())
    gc.collect()

    assert knot() is None
