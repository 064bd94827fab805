"""A day is a UTC day, once, whatever the clocks and the other processes do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from app.domain.day import DayUse
from app.domain.provider import RateLimit
from app.resilience.days import DayCount, day_of
from app.resilience.limits import Denial, Limits, Permit

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LATE = datetime(2026, 1, 2, 23, 59, 50, tzinfo=UTC)
TODAY = date(2026, 1, 2)


def test_a_day_ends_at_midnight_utc_wherever_the_clock_is() -> None:
    day = DayCount()
    day.add(1, 5, 1000.0, LATE.astimezone(timezone(timedelta(hours=-7))))

    assert (day.requests(1009.9), day.tokens(1009.9)) == (1, 5)
    assert (day.requests(1010.0), day.tokens(1010.0)) == (0, 0)


def test_a_jump_of_the_wall_clock_gives_no_second_day() -> None:
    day = DayCount()
    day.add(1, 5, 1000.0, NOON)
    day.add(1, 5, 1001.0, NOON + timedelta(days=3))

    assert (day.requests(1001.0), day.left(1001.0)) == (2, 12 * 3600.0 - 1)


def test_a_wall_clock_that_was_set_back_makes_the_day_longer_and_counts_it_once() -> None:
    day = DayCount()
    day.add(1, 5, 1000.0, LATE)
    day.turn(1010.0, LATE - timedelta(hours=1))
    day.add(1, 5, 1010.0, LATE - timedelta(hours=1))

    assert (day.requests(1010.0), day.tokens(1010.0), day.left(1010.0)) == (2, 10, 3610.0)
    assert day.unrecorded(1010.0) == DayUse(TODAY, 2, 10)
    day.add(1, 5, 4620.0, LATE + timedelta(seconds=10))
    assert day.unrecorded(4620.0) == DayUse(TODAY + timedelta(days=1), 1, 5)


def test_a_limit_per_day_holds_when_the_wall_clock_is_set_back_before_midnight() -> None:
    limits = Limits(RateLimit(requests_per_day=2))
    admitted = [limits.reserve(1000.0 + second, LATE, tokens=0) for second in range(3)]

    after = limits.reserve(1011.0, LATE - timedelta(hours=1), tokens=0)

    assert [True, True, False] == [isinstance(one, Permit) for one in admitted]
    assert isinstance(after, Denial)


@given(st.lists(st.tuples(st.floats(1.0, 90_000.0), st.integers(-400_000, 400_000)), max_size=30))
def test_the_day_never_goes_back_and_never_lasts_longer_than_two(jumps: list[tuple[float, int]]) -> None:
    day, now, before = DayCount(), 1000.0, date.min
    for seconds, offset in jumps:
        now += seconds
        wall = NOON + timedelta(seconds=now + offset)
        day.add(1, 0, now, wall)
        use = day.unrecorded(now)
        assert use is not None
        assert use.day >= before
        assert 0 < day.left(now) <= 86_401
        before = use.day


def test_the_last_second_belongs_to_the_next_day() -> None:
    assert day_of(datetime(2026, 1, 2, 23, 59, 59, 500_000, tzinfo=UTC)) == date(2026, 1, 3)
    day = DayCount()
    day.add(1, 0, 1000.0, datetime(2026, 1, 2, 23, 59, 59, 500_000, tzinfo=UTC))

    assert day.left(1000.0) == 86_400.5


def test_yesterday_takes_nothing_back_from_today_and_owes_it_what_was_more() -> None:
    day = DayCount()
    day.add(1, 100, 1000.0, LATE)
    yesterday = day.ends
    day.add(1, 10, 1020.0, LATE + timedelta(seconds=20))

    day.adjust(-1, -100, 1020.0, yesterday)
    assert (day.requests(1020.0), day.tokens(1020.0)) == (1, 10)
    day.adjust(0, 7, 1020.0, yesterday)
    assert day.tokens(1020.0) == 17


def test_what_is_recorded_is_not_recorded_twice() -> None:
    day = DayCount()
    day.add(2, 30, 1000.0, NOON)
    use = day.unrecorded(1000.0)
    assert use == DayUse(TODAY, 2, 30)
    day.add(1, 4, 1001.0, NOON)

    day.recorded(use, DayUse(TODAY, 102, 1030), 1001.0, NOON)

    assert (day.requests(1001.0), day.tokens(1001.0)) == (103, 1034)
    assert day.unrecorded(1001.0) == DayUse(TODAY, 1, 4)


def test_what_was_asked_before_the_start_counts() -> None:
    day = DayCount()

    day.recorded(None, DayUse(TODAY, 40, 900), 5.0, NOON)

    assert (day.requests(5.0), day.tokens(5.0), day.left(5.0)) == (40, 900, 12 * 3600.0)
    assert day.unrecorded(5.0) is None


def test_a_record_of_yesterday_says_nothing_about_today() -> None:
    day = DayCount()
    day.add(5, 50, 1000.0, LATE)
    use = day.unrecorded(1000.0)

    day.recorded(use, DayUse(TODAY, 5, 50), 1015.0, LATE + timedelta(seconds=15))

    assert (day.requests(1015.0), day.tokens(1015.0)) == (0, 0)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(0, 50), st.booleans()), max_size=60))
def test_processes_that_share_a_record_agree_on_the_sum(steps: list[tuple[int, int, int, bool]]) -> None:
    days, record = (DayCount(), DayCount()), [0, 0]
    requested = tokens_used = 0
    for process, requests, tokens, exchanges in [*steps, (0, 0, 0, True), (1, 0, 0, True), (0, 0, 0, True)]:
        day = days[process]
        day.add(requests, tokens, 10.0, NOON)
        requested, tokens_used = requested + requests, tokens_used + tokens
        if exchanges:
            use = day.unrecorded(10.0)
            if use is not None:
                record[0], record[1] = record[0] + use.requests, record[1] + use.tokens
            day.recorded(use, DayUse(TODAY, *record), 10.0, NOON)
        assert day.requests(10.0) <= requested

    assert [(day.requests(10.0), day.tokens(10.0)) for day in days] == [(requested, tokens_used)] * 2
