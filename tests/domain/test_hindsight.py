"""A model is clean from the day on that its embargo is over, and not a day earlier."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalog import last_day
from app.domain.hindsight import AsOf, AsOfMode, Contamination, worst


def at(moment: str, embargo: int = 30) -> AsOf:
    return AsOf(datetime.fromisoformat(moment), AsOfMode.WARN, embargo)


@pytest.mark.parametrize(
    ("moment", "cutoff", "embargo", "expected"),
    [
        ("2024-10-01T00:00:00+00:00", "2024-08-31", 30, Contamination.CLEAN),
        ("2024-09-30T23:59:59+00:00", "2024-08-31", 30, Contamination.CONTAMINATED),
        # Where only the month is known, the model may know all of it.
        ("2024-10-01T00:00:00+00:00", "2024-08", 30, Contamination.CLEAN),
        ("2024-09-30T23:59:59+00:00", "2024-08", 30, Contamination.CONTAMINATED),
        ("2024-03-01T00:00:00+00:00", "2024-02", 0, Contamination.CLEAN),
        ("2024-02-29T23:59:59+00:00", "2024-02", 0, Contamination.CONTAMINATED),
        # It is UTC's day that counts.
        ("2024-03-01T00:30:00+01:00", "2024-02", 0, Contamination.CONTAMINATED),
        ("2024-02-29T23:30:00-01:00", "2024-02", 0, Contamination.CLEAN),
        ("2026-01-01T00:00:00+00:00", None, 0, Contamination.UNKNOWN),
        ("0001-02-01T00:00:00+00:00", "0001-01-01", 30, Contamination.CLEAN),
        ("9999-12-31T00:00:00+00:00", "9999-12-31", 30, Contamination.CONTAMINATED),
    ],
)
def test_the_embargo_begins_with_the_day_after_the_cutoff(
    moment: str, cutoff: str | None, embargo: int, expected: Contamination
) -> None:
    known_until = None if cutoff is None else last_day(cutoff)

    assert at(moment, embargo).of(known_until) is expected
    assert (at(moment, embargo).objection(known_until) is None) is (expected is Contamination.CLEAN)


@given(
    st.dates(date(1990, 1, 1), date(2100, 1, 1)),
    st.datetimes(),
    st.integers(0, 3660),
    st.integers(-14, 14),
)
def test_clean_means_that_the_whole_embargo_is_past(cutoff: date, naive: datetime, embargo: int, hours: int) -> None:
    moment = naive.replace(
        year=1990 + naive.year % 110, day=min(naive.day, 28), tzinfo=timezone(timedelta(hours=hours))
    )
    over = datetime(cutoff.year, cutoff.month, cutoff.day, tzinfo=UTC) + timedelta(days=1 + embargo)

    assert (AsOf(moment, AsOfMode.WARN, embargo).of(cutoff) is Contamination.CLEAN) is (moment >= over)


def test_the_objection_says_until_when_and_how_long() -> None:
    assert at("2024-09-15T12:00:00+00:00").objection(date(2024, 8, 31)) == (
        "it knows the world until 2024-08-31, and 2024-09-15 is not 30 days past that"
    )


def test_contaminated_is_worse_than_unknown_and_unknown_than_clean() -> None:
    assert worst([Contamination.UNKNOWN, Contamination.CONTAMINATED]) is Contamination.CONTAMINATED
    assert worst([Contamination.CLEAN, Contamination.UNKNOWN]) is Contamination.UNKNOWN
    assert worst([]) is None
