from __future__ import annotations

import gc
import os
import signal
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from uvicorn import Config

from app.serving import ANSWER_SECONDS, Worker, spare_collections

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


def test_a_worker_that_dies_while_it_is_asked_is_known_to_be_dead_at_once() -> None:
    worker = Worker(Config("app.serving:application", factory=True), [])
    worker.start()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)  # so that it never answers

    with ThreadPoolExecutor(1) as asker:
        answer = asker.submit(worker.ping, ANSWER_SECONDS)
        os.kill(worker.pid, signal.SIGKILL)

        assert answer.result(timeout=10) is False
    worker.join()
