"""A limit of N admits N."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.domain.provider import RateLimit
from app.resilience.limits import DayCount, Denial, Permit, RequestLimits, SlidingWindow

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@given(st.integers(0, 8), st.lists(st.floats(0.0, 40.0), max_size=80))
def test_no_window_holds_more_than_the_limit(limit: int, gaps: list[float]) -> None:
    window = SlidingWindow(limit, 60.0)
    admitted: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        in_window = sum(1 for stamp in admitted if stamp + 60.0 > now)
        answer = window.try_acquire(now)
        # Exactly: never one too many, and never refused while there is room.
        assert answer == (in_window < limit)
        if answer:
            admitted.append(now)

    for start in admitted:
        assert sum(1 for stamp in admitted if start <= stamp < start + 60.0) <= limit


@given(st.integers(1, 8), st.lists(st.floats(0.0, 20.0), min_size=1, max_size=40))
def test_waiting_until_available_is_enough_and_less_is_not(limit: int, gaps: list[float]) -> None:
    window = SlidingWindow(limit, 60.0)
    now = 0.0
    for gap in gaps:
        now += gap
        if not window.try_acquire(now):
            available = window.available_at(now)
            assert available > now
            assert window.available_at((now + available) / 2) == available
            now = available
            assert window.try_acquire(now)


@given(st.lists(st.tuples(st.floats(0.0, 40.0), st.booleans()), max_size=60))
def test_a_refund_frees_exactly_the_place_that_was_taken(steps: list[tuple[float, bool]]) -> None:
    window = SlidingWindow(3, 60.0)
    held: list[float] = []
    now = 0.0
    for gap, gives_back in steps:
        now += gap
        if gives_back and held:
            window.refund(held.pop())
        elif window.try_acquire(now):
            held.append(now)
        assert window.used(now) == sum(1 for stamp in held if stamp + 60.0 > now)


def test_a_limit_of_thirty_a_minute_admits_thirty() -> None:
    limits = RequestLimits(RateLimit(requests_per_minute=30))

    answers = [limits.reserve(1000.0, NOON) for _ in range(31)]

    assert all(isinstance(answer, Permit) for answer in answers[:30])
    assert answers[30] == Denial("requests_per_minute", 60.0)
    assert not limits.has_room(1059.9)
    assert limits.has_room(1060.0)


def test_a_denial_by_one_limit_takes_nothing_from_the_other() -> None:
    limits = RequestLimits(RateLimit(requests_per_minute=5, requests_per_day=2))
    for _ in range(2):
        limits.reserve(1000.0, NOON)

    denial = limits.reserve(1000.0, NOON)

    assert denial == Denial("requests_per_day", 12 * 3600.0)
    assert limits.used_this_minute(1000.0) == 2
    assert limits.used_today(1000.0) == 2


def test_a_refunded_permit_gives_back_both_limits_and_only_once() -> None:
    limits = RequestLimits(RateLimit(requests_per_minute=2, requests_per_day=2))
    first = limits.reserve(1000.0, NOON)
    limits.reserve(1001.0, NOON)
    assert isinstance(first, Permit)

    first.refund()
    first.refund()

    assert limits.used_this_minute(1001.0) == 1
    assert limits.used_today(1001.0) == 1


def test_without_limits_everything_is_admitted_and_counted() -> None:
    limits = RequestLimits(RateLimit())

    permits = [limits.reserve(1000.0, NOON) for _ in range(500)]
    last = permits[-1]
    assert isinstance(last, Permit)
    last.refund()

    assert all(isinstance(permit, Permit) for permit in permits)
    assert limits.used_this_minute(1000.0) == 499
    assert limits.used_today(1000.0) == 499


def test_a_limit_of_zero_admits_nobody() -> None:
    assert isinstance(RequestLimits(RateLimit(requests_per_minute=0)).reserve(0.0, NOON), Denial)
    assert isinstance(RequestLimits(RateLimit(requests_per_day=0)).reserve(0.0, NOON), Denial)


def test_a_day_ends_at_midnight_utc() -> None:
    limits = RequestLimits(RateLimit(requests_per_day=1))
    limits.reserve(1000.0, datetime(2026, 1, 2, 23, 59, 50, tzinfo=UTC))

    assert not limits.has_room(1009.9)
    assert isinstance(limits.reserve(1010.0, datetime(2026, 1, 3, tzinfo=UTC)), Permit)


def test_a_jump_of_the_wall_clock_gives_no_second_day() -> None:
    limits = RequestLimits(RateLimit(requests_per_day=1))
    limits.reserve(1000.0, NOON)

    assert isinstance(limits.reserve(1001.0, datetime(2026, 1, 5, tzinfo=UTC)), Denial)


def test_what_was_counted_yesterday_is_not_taken_back_from_today() -> None:
    day = DayCount()
    day.add(1, 1000.0, datetime(2026, 1, 2, 23, 59, 50, tzinfo=UTC))
    yesterday = day.ends
    day.add(1, 1020.0, datetime(2026, 1, 3, 0, 0, 10, tzinfo=UTC))

    day.take_back(1, yesterday)

    assert day.total(1020.0) == 1
