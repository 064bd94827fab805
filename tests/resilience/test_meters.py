"""No window admits more than its limit, whatever is taken, given back and waited for."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.provider import LimitStrategy
from app.resilience.meters import FixedWindow, SlidingWindow, Taken, TokenBucket, meter_of

STEPS = st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(1, 6), st.booleans()), max_size=60)
"""How long to wait, how much to take, and whether to give something back first."""

CAPACITY = 8


@given(STEPS)
def test_a_sliding_window_never_holds_more_than_its_limit(steps: list[tuple[float, int, bool]]) -> None:
    meter, held, now = SlidingWindow(CAPACITY), list[tuple[float, Taken]](), 0.0
    for gap, amount, gives_back in steps:
        now += gap
        if gives_back and held:
            _, taken = held.pop()
            taken.give_back(taken.amount, now)
        in_window = sum(taken.amount for since, taken in held if since + 60.0 > now)
        assert meter.used(now) == in_window
        # Exactly: never one too many, and never refused while there is room.
        assert meter.fits(amount, now) == (in_window + amount <= CAPACITY)
        if meter.fits(amount, now):
            held.append((now, meter.take(amount, now)))

    for start, _ in held:
        assert sum(taken.amount for since, taken in held if start <= since < start + 60.0) <= CAPACITY


@given(STEPS)
def test_a_fixed_window_never_admits_more_than_its_limit_in_its_minute(steps: list[tuple[float, int, bool]]) -> None:
    meter, held, now = FixedWindow(CAPACITY), list[Taken](), 0.0
    for gap, amount, gives_back in steps:
        now += gap
        if gives_back and held:
            last = held.pop()
            last.give_back(last.amount, now)
        if meter.fits(amount, now):
            held.append(meter.take(amount, now))

    for window in {taken.since for taken in held}:
        assert sum(taken.amount for taken in held if taken.since == window) <= CAPACITY


@given(STEPS, st.integers(1, 12), st.integers(1, 30))
def test_a_bucket_admits_at_most_its_burst_and_what_flowed_in(
    steps: list[tuple[float, int, bool]], burst: int, per_minute: int
) -> None:
    meter, held, now = TokenBucket(per_minute, burst), list[Taken](), 0.0
    for gap, amount, gives_back in steps:
        now += gap
        if gives_back and held:
            last = held.pop()
            last.give_back(last.amount, now)
        if meter.fits(amount, now):
            held.append(meter.take(amount, now))

    for index, first in enumerate(held):
        for last in held[index:]:
            within = sum(taken.amount for taken in held if first.since <= taken.since <= last.since)
            assert within <= burst + per_minute * (last.since - first.since) / 60.0 + 1e-3


@pytest.mark.parametrize("strategy", list(LimitStrategy))
@given(steps=STEPS)
def test_waiting_until_available_is_enough_and_less_is_not(
    strategy: LimitStrategy, steps: list[tuple[float, int, bool]]
) -> None:
    meter, now = meter_of(strategy, CAPACITY), 0.0
    assert meter is not None
    for gap, amount, _ in steps:
        now += gap
        if not meter.fits(amount, now):
            available = meter.available_at(amount, now)
            assert available > now
            assert available - now < 1e-3 or not meter.fits(amount, now + (available - now) * 0.9)
            now = available
            assert meter.fits(amount, now)
        assert meter.available_at(amount, now) == now
        meter.take(amount, now)


@pytest.mark.parametrize("strategy", list(LimitStrategy))
@given(steps=STEPS)
def test_giving_back_never_makes_more_room_than_the_limit(
    strategy: LimitStrategy, steps: list[tuple[float, int, bool]]
) -> None:
    meter, held, now = meter_of(strategy, CAPACITY), list[Taken](), 0.0
    assert meter is not None
    for gap, amount, gives_back in steps:
        now += gap
        if gives_back:
            for taken in held:
                taken.give_back(taken.amount, now)
            held.clear()
        if meter.fits(amount, now):
            held.append(meter.take(amount, now))
        assert 0 <= meter.used(now) <= CAPACITY
        assert not meter.fits(CAPACITY + 1, now)


@pytest.mark.parametrize("strategy", list(LimitStrategy))
def test_what_turned_out_to_be_more_is_owed_before_anything_else_fits(strategy: LimitStrategy) -> None:
    meter = meter_of(strategy, 60)
    assert meter is not None
    meter.take(10, 0.0)
    meter.take(90, 1.0)

    assert not meter.fits(1, 2.0)
    assert meter.available_at(1, 2.0) == pytest.approx({"fixed_window": 60.0, "sliding_window": 61.0}.get(strategy, 41))


@pytest.mark.parametrize("strategy", list(LimitStrategy))
def test_what_is_larger_than_the_limit_or_than_the_part_it_may_use_never_fits(strategy: LimitStrategy) -> None:
    meter = meter_of(strategy, 10)
    assert meter is not None

    assert meter.available_at(11, 5.0) == math.inf
    assert meter.available_at(9, 5.0, 2) == math.inf
    assert meter.available_at(8, 5.0, 2) == 5.0


def test_a_fixed_window_is_empty_again_a_minute_after_its_first_taker() -> None:
    meter = FixedWindow(3)
    meter.take(1, 10.0)
    late = meter.take(2, 69.9)

    assert not meter.fits(1, 69.9)
    assert meter.fits(3, 70.0)
    meter.take(3, 70.0)
    late.give_back(2, 71.0)
    assert meter.used(71.0) == 3


def test_a_bucket_holds_its_burst_and_refills_evenly() -> None:
    meter = TokenBucket(60, 10)
    assert all(meter.fits(1, 0.0) and meter.take(1, 0.0) for _ in range(10))

    assert not meter.fits(1, 0.9)
    assert meter.fits(1, 1.0)
    assert not meter.fits(11, 1000.0)


def test_without_a_limit_there_is_no_meter() -> None:
    assert meter_of(LimitStrategy.TOKEN_BUCKET, None, 5) is None
