"""Windows and caps: where they begin, and what fits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.budget import Amount, Cap, Window

MOMENTS = st.integers(0, 4_000_000_000_000_000).map(
    lambda us: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=us)
)


@given(moment=MOMENTS, window=st.sampled_from(Window))
def test_every_moment_is_in_exactly_one_window(moment: datetime, window: Window) -> None:
    begin, end = window.begin(moment), window.end(moment)

    assert begin <= moment < end
    assert window.begin(begin) == begin
    assert window.begin(end) == end
    assert window.begin(end - timedelta(microseconds=1)) == begin


@pytest.mark.parametrize(
    ("window", "begin", "end"),
    [
        (Window.MINUTE, datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (Window.DAY, datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        (Window.MONTH, datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_windows_are_those_of_utc_wherever_one_asks(window: Window, begin: datetime, end: datetime) -> None:
    in_tokyo = datetime(2027, 1, 1, 8, 59, 30, tzinfo=timezone(timedelta(hours=9)))

    assert (window.begin(in_tokyo), window.end(in_tokyo)) == (begin, end)


def test_a_cap_of_nothing_lets_only_what_takes_nothing_through() -> None:
    cap = Cap(Decimal(0), None)
    assert not cap.has_room(Amount(), Amount(Decimal("0.000001")))
    assert cap.has_room(Amount(Decimal(1)), Amount(tokens=5))


@given(a=st.integers(0, 10**6), b=st.integers(0, 10**6), c=st.integers(0, 10**6))
def test_a_cap_has_room_up_to_its_last_digit(a: int, b: int, c: int) -> None:
    cap = Cap(Decimal(c).scaleb(-6), c)
    used, more = Amount(Decimal(a).scaleb(-6), a), Amount(Decimal(b).scaleb(-6), b)
    assert cap.has_room(used, more) is (b == 0 or a + b <= c)


def test_the_fuller_side_is_what_counts() -> None:
    assert Cap(Decimal(10), 100).share_used(Amount(Decimal(1), 90)) == 0.9
    assert Cap(Decimal(0), None).share_used(Amount()) == 1.0
