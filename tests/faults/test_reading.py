"""Callers who read slowly, or not at all: their upstream waits for them, and nobody else does."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import pytest

from tests.behaviours import Answer, Stream
from tests.e2e.nursery import Nursery
from tests.faults.reception import MODEL, ROUTES, STREAMS, WELL, Reception, reception
from tests.upstream import Received

WORD = "~" * 60_000
WORDS = 300
HELD = 256 * 1024
"""Bytes of one stream that the gateway may hold."""
READERS = 8
WINDOW = 4_096


def script(request: Received) -> Stream | Answer:
    """A stream of 18 MB without a pause, and a word for everybody else."""
    body = request.body or {}
    return Stream((WORD,) * WORDS) if body.get("stream") else Answer(WELL)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, gateway_nursery: Nursery | None) -> Iterator[Reception]:
    with reception(tmp_path_factory.mktemp("reading"), nursery=gateway_nursery, timeouts={"idle": 60}) as one:
        yield one


@pytest.fixture(autouse=True)
def _well_afterwards(place: Reception) -> Iterator[None]:
    yield
    place.assert_well()


def stands_still(place: Reception) -> int:
    """How many bytes the provider has sent once it can send no more."""
    sent = -1
    while sent != place.alpha.bytes_written:
        sent = place.alpha.bytes_written
        place.alpha.wait_until(lambda _: False, 0.3)
    return sent


def test_a_slow_reader_slows_its_provider_and_nobody_else(place: Reception) -> None:
    place.expects(script)
    place.alpha.bytes_written = 0
    rest = place.aftermath.resident()
    callers = [place.caller(window=WINDOW) for _ in range(READERS)]
    for caller in callers:
        caller.ask("/v1/chat/completions", {**ROUTES["/v1/chat/completions"], "stream": True})
    assert place.is_asked(READERS)

    pushed = stands_still(place)
    took = []
    end = time.monotonic() + 1.5
    while time.monotonic() < end:
        for caller in callers:
            assert caller.read(100)  # a tenth of a second's worth of 1 KB/s
        began = time.monotonic()
        assert place.gateway.client.post("/chat", json={**ROUTES["/chat"]}).json()["content"] == WELL
        took.append(time.monotonic() - began)
        place.alpha.wait_until(lambda _: False, 0.1)

    grown = (place.aftermath.resident() - rest) * (1 << 20)
    print(
        f"{READERS} slow readers: {pushed / READERS / 1e6:.1f} MB each left the provider, {grown / 1024:.0f} KiB more"
    )
    # The rest of what was sent waits in the kernel's buffers, which are bounded; some of the growth is Python's own.
    assert pushed < READERS * WORDS * len(WORD) * 0.6
    assert grown < READERS * HELD + (5 << 20)
    assert place.alpha.bytes_written < pushed + READERS * (1 << 20)
    assert statistics.median(took) < 0.1
    closed = place.alpha.connections_closed
    for caller in callers:
        caller.leave()
    assert place.alpha.wait_until(lambda upstream: upstream.connections_closed >= closed + READERS, 0.5)


def test_a_slow_reader_who_hurries_at_last_misses_nothing(place: Reception) -> None:
    place.expects(Stream((WORD,) * 300))
    with place.caller(window=WINDOW) as caller:
        caller.ask("/v1/chat/completions", {**ROUTES["/v1/chat/completions"], "stream": True})
        for _ in range(5):
            caller.read(100)
            place.alpha.wait_until(lambda _: False, 0.1)

        said = 0
        last = b""
        while not last.endswith(b"0\r\n\r\n"):
            piece = caller.read(1 << 20)
            assert piece
            said += piece.count(b"~")
            last = (last + piece)[-200:]

    assert b"[DONE]" in last
    assert said == 300 * len(WORD)


@pytest.mark.parametrize("path", STREAMS)
def test_a_caller_who_stops_reading_is_let_go_at_the_deadline(place: Reception, path: str) -> None:
    before, closed = place.aftermath.samples(), place.expects(script)
    with place.caller(window=WINDOW) as caller:
        began = time.monotonic()
        caller.ask(path, {**ROUTES[path], "stream": True}, {"x-outcry-deadline-ms": "700"})
        caller.until(b"HTTP/1.1 200")

        assert place.alpha.wait_until(lambda upstream: upstream.connections_closed > closed, 2)
        assert time.monotonic() - began <= 0.7 + 0.25
        place.aftermath.assert_moved(before, "outcry_requests_total", route=path, status="499")
        place.assert_unharmed(before)
        place.aftermath.assert_given_back(callers=1)  # the test's own client; the one who does not read is cut off


def test_a_caller_who_never_reads_a_whole_answer_keeps_nothing_but_its_connection(place: Reception) -> None:
    place.expects(Answer("x" * 8_000_000))
    with place.caller(window=WINDOW) as caller:
        caller.ask("/chat", {"model": MODEL, **ROUTES["/chat"]})
        assert place.is_asked()

        place.aftermath.assert_given_back(callers=2)
