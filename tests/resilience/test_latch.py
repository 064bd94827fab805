"""A latch changes only for what has held long enough, and so tells a flapping state no more often than that."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from app.resilience.latch import Latch

Readings = st.lists(st.tuples(st.floats(0, 30), st.sampled_from([True, False, None])), max_size=80)


def test_it_goes_on_after_its_seconds_and_says_so_once() -> None:
    latch = Latch(10, 60)

    told = [latch.changes(True, now) for now in (0.0, 5.0, 9.9, 10.0, 11.0)]

    assert told == [False, False, False, True, False]
    assert latch.is_on


def test_it_goes_off_after_its_own_seconds() -> None:
    latch = Latch(0, 60)
    assert latch.changes(True, 0.0)

    assert [latch.changes(False, now) for now in (1.0, 60.0, 61.0, 62.0)] == [False, False, True, False]


def test_what_says_nothing_changes_nothing_and_starts_the_wait_anew() -> None:
    latch = Latch(10, 10)
    latch.changes(True, 0.0)

    assert not latch.changes(None, 9.0)
    assert not latch.changes(True, 10.0)
    assert latch.changes(True, 20.0)


def test_without_seconds_the_first_reading_counts() -> None:
    assert Latch(0, 0).changes(True, 5.0)


@given(Readings, st.floats(0, 60), st.floats(0, 60))
def test_changes_alternate_and_lie_at_least_their_seconds_apart(
    readings: list[tuple[float, bool | None]], on_after: float, off_after: float
) -> None:
    latch, now, changes = Latch(on_after, off_after), 0.0, list[tuple[float, bool]]()

    for pause, reading in readings:
        now += pause
        if latch.changes(reading, now):
            assert latch.is_on is reading
            changes.append((now, latch.is_on))

    assert [is_on for _, is_on in changes] == [position % 2 == 0 for position in range(len(changes))]
    for (before, _), (after, is_on) in itertools.pairwise(changes):
        assert after - before >= (on_after if is_on else off_after)
