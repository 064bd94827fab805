from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from app.serving import keep_out_of_collections

LOADED = [["a table that lives as long as the process"]]


class Knot:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def _thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_was_loaded_is_not_looked_through_again() -> None:
    assert any(one is LOADED for one in gc.get_objects())

    keep_out_of_collections()

    assert not any(one is LOADED for one in gc.get_objects())


def test_garbage_of_the_start_is_freed_and_not_kept_for_good() -> None:
    knot = weakref.ref(Knot())

    keep_out_of_collections()

    assert knot() is None


def test_what_comes_later_is_still_collected() -> None:
    keep_out_of_collections()

    knot = weakref.ref(Knot())
    gc.collect()

    assert knot() is None
