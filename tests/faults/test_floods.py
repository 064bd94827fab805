"""Bombs, endless lines and bodies without end are refused early, and memory does not tell of them."""

from __future__ import annotations

from typing import Final

import pytest

from tests import behaviours as b
from tests.faults.house import DIALECTS, Case, Dialect, Fault, House, cases
from tests.floods import packed

BAD = "provider_bad_answer"
# Full sizes (50 MB, a million chunks) take minutes of a test's own time; what is refused is refused at these.
FLOODS: Final = (
    Fault("gzip bomb", b.GzipBomb(64), BAD, BAD),
    Fault("deflate bomb", b.GzipBomb(64, "deflate"), BAD, BAD),
    Fault("nameless gzip bomb", b.GzipBomb(64, is_named=False), BAD, "provider_stream_truncated"),
    Fault("huge body", b.HugeBody(24), whole=BAD),
    Fault("huge event", b.HugeBody(4), stream=BAD),
    Fault("long line", b.EndlessLine(4, newline=True), stream=BAD),
    Fault("endless line", b.EndlessLine(50), stream=BAD),
    Fault("endless headers", b.HeaderFlood(count=None, size=1000), BAD, BAD),
    Fault("endless interim answers", b.Informational(count=None), BAD, BAD),
)
GROWTH: Final = 60.0
"""Mebibytes."""


@pytest.fixture(scope="module")
def memory(shared_house: House) -> float:
    """Mebibytes of the gateway's before the first flood; the bombs lie ready."""
    for fault in FLOODS:
        if isinstance(fault.behaviour, b.GzipBomb):
            packed(fault.behaviour)
    return shared_house.aftermath.resident()


@pytest.mark.parametrize("case", cases(FLOODS, ("openai",)), ids=str)
def test_a_flood_is_refused_and_leaves_no_memory_behind(shared_house: House, memory: float, case: Case) -> None:
    shared_house.assert_comes_to(case)
    shared_house.assert_falls_over(case)

    shared_house.aftermath.assert_memory(memory, growth=GROWTH)


@pytest.mark.parametrize(
    ("fault", "streamed", "times"),
    [
        (b.HugeBody(24), False, 10),
        (b.HugeBody(12, is_cut=True), False, 10),
        (b.Stream(words=("hi", "a" * 2_000_000)), True, 60),
    ],
    ids=["too large", "cut", "too large after content"],
)
def test_what_was_refused_does_not_add_up(
    shared_house: House, memory: float, fault: b.Behaviour, streamed: bool, times: int
) -> None:
    shared_house.script("openai", fault)

    codes = [shared_house.ask("openai", alone=True, stream=streamed).code for _ in range(times)]

    # A busy machine may not read two megabytes in time; that is refused as well, and holds no more memory.
    assert BAD in codes
    assert set(codes) <= {BAD, "provider_timeout"}
    shared_house.assert_recovers("openai")
    shared_house.aftermath.assert_memory(memory, growth=GROWTH / 2)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_thousands_of_tiny_chunks_are_a_stream_like_any_other(
    shared_house: House, memory: float, dialect: Dialect
) -> None:
    shared_house.script(dialect, b.Stream(words=("x",) * 5000))

    reply = shared_house.ask(dialect, alone=True, stream=True, deadline=20.0)

    assert (reply.status, reply.code) == (200, "")
    assert len(reply.events) >= 5000
    shared_house.assert_recovers(dialect)
    shared_house.aftermath.assert_memory(memory, growth=GROWTH)
