"""A limit of N admits N, all limits or none, and whoever is urgent goes first."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.provider import LimitStrategy, RateLimit
from app.domain.routing import Priority
from app.resilience.limits import Denial, Limits, Permit
from app.resilience.line import Place

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PER_MINUTE, PER_DAY, AT_ONCE = 1000, 4000, 5

STEPS = st.lists(
    st.tuples(
        st.floats(0.0, 4000.0) | st.floats(0.0, 20.0),
        st.integers(1, 400),
        st.sampled_from(Priority),
        st.sampled_from(["hold", "refund", "settle less", "settle exactly", "nobody knows"]),
    ),
    max_size=80,
)


def wall_at(now: float) -> datetime:
    """Noon at second 0."""
    return NOON + timedelta(seconds=now)


def permitted(answer: Permit | Denial) -> Permit:
    assert isinstance(answer, Permit), answer
    return answer


@pytest.mark.parametrize("strategy", list(LimitStrategy))
@given(steps=STEPS)
def test_no_minute_day_or_moment_ever_holds_more_than_its_limit(
    strategy: LimitStrategy, steps: list[tuple[float, int, Priority, str]]
) -> None:
    rate = RateLimit(20, PER_MINUTE, 60, PER_DAY, strategy=strategy)
    limits = Limits(rate, AT_ONCE)
    held: list[Permit] = []
    charged: list[tuple[float, int]] = []
    now = 0.0
    for gap, expected, priority, then in steps:
        now += gap
        tokens = expected
        answer = limits.reserve(now, wall_at(now), tokens=tokens, priority=priority)
        if isinstance(answer, Permit):
            match then:
                case "hold":
                    held.append(answer)
                case "refund":
                    answer.refund(now)
                    tokens = 0
                case "settle less":
                    answer.settle(tokens // 2, now)
                    tokens //= 2
                case "settle exactly":
                    answer.settle(tokens, now)
                case _:
                    answer.settle(None, now)
            charged.append((now, tokens))
        elif answer.limit == "max_concurrent":
            held.pop().settle(None, now)

        assert limits.in_flight == len(held) <= AT_ONCE
        assert limits.day.tokens(now) <= PER_DAY
        assert limits.day.requests(now) <= 60

    days: dict[str, int] = {}
    for moment, tokens in charged:
        day = wall_at(moment).date().isoformat()
        days[day] = days.get(day, 0) + tokens
    assert max(days.values(), default=0) <= PER_DAY
    if strategy is LimitStrategy.SLIDING_WINDOW:
        for start, _ in charged:
            assert sum(tokens for moment, tokens in charged if start <= moment < start + 60.0) <= PER_MINUTE


@pytest.mark.parametrize("strategy", list(LimitStrategy))
@given(uses=st.lists(st.tuples(st.floats(0.0, 30.0), st.integers(0, 300), st.integers(0, 900)), max_size=40))
def test_once_everything_is_over_and_forgotten_there_is_as_much_room_as_at_first(
    strategy: LimitStrategy, uses: list[tuple[float, int, int]]
) -> None:
    limits = Limits(RateLimit(20, PER_MINUTE, strategy=strategy), AT_ONCE)
    now = 0.0
    for gap, expected, used in uses:
        now += gap
        answer = limits.reserve(now, wall_at(now), tokens=expected)
        if isinstance(answer, Permit):
            answer.settle(used, now)
    # Overdrafts of a bucket are paid back in full, and none is larger than these together.
    now += 60.0 * (1 + sum(used for _, _, used in uses) / PER_MINUTE)

    assert limits.in_flight == 0
    assert isinstance(limits.reserve(now, wall_at(now), tokens=PER_MINUTE + 1), Denial)
    permitted(limits.reserve(now, wall_at(now), tokens=PER_MINUTE))
    assert isinstance(limits.reserve(now, wall_at(now), tokens=1), Denial)


def test_a_limit_of_thirty_a_minute_admits_thirty() -> None:
    limits = Limits(RateLimit(requests_per_minute=30))

    answers = [limits.reserve(1000.0, NOON) for _ in range(31)]

    assert all(isinstance(answer, Permit) for answer in answers[:30])
    assert answers[30] == Denial("requests_per_minute", 60.0)
    assert not limits.has_room(1059.9)
    assert limits.has_room(1060.0)


def test_a_denial_by_one_limit_takes_nothing_from_the_others() -> None:
    limits = Limits(RateLimit(requests_per_minute=5, tokens_per_minute=100, requests_per_day=2), max_concurrent=9)
    for _ in range(2):
        limits.reserve(1000.0, NOON, tokens=10)

    denial = limits.reserve(1000.0, NOON, tokens=10)

    assert denial == Denial("requests_per_day", 12 * 3600.0)
    assert (limits.used_this_minute(1000.0), limits.in_flight) == (2, 2)
    assert (limits.day.requests(1000.0), limits.day.tokens(1000.0)) == (2, 20)


def test_the_denial_is_that_of_the_limit_that_lasts_longest() -> None:
    limits = Limits(RateLimit(requests_per_minute=1, tokens_per_day=10), max_concurrent=1)
    limits.reserve(1000.0, NOON, tokens=10)

    assert limits.reserve(1001.0, NOON, tokens=1) == Denial("tokens_per_day", 12 * 3600.0 - 1)


def test_a_refunded_permit_gives_back_every_limit_and_only_once() -> None:
    limits = Limits(RateLimit(2, 100, 2, 100), max_concurrent=2)
    first = permitted(limits.reserve(1000.0, NOON, tokens=50))
    limits.reserve(1001.0, NOON, tokens=50)

    first.refund(1001.0)
    first.refund(1001.0)
    first.settle(90, 1001.0)

    assert (limits.used_this_minute(1001.0), limits.in_flight) == (1, 1)
    assert (limits.day.requests(1001.0), limits.day.tokens(1001.0)) == (1, 50)
    permitted(limits.reserve(1001.0, NOON, tokens=50))


def test_tokens_are_settled_with_what_was_really_used() -> None:
    limits = Limits(RateLimit(tokens_per_minute=1000, tokens_per_day=2000))
    permit = permitted(limits.reserve(0.0, NOON, tokens=900))
    assert limits.reserve(1.0, NOON, tokens=101) == Denial("tokens_per_minute", 59.0, may_end_early=True)

    permit.settle(200, 2.0)

    assert limits.day.tokens(2.0) == 200
    permitted(limits.reserve(2.0, NOON, tokens=800))
    assert limits.reserve(2.0, NOON, tokens=1) == Denial("tokens_per_minute", 58.0, may_end_early=True)


def test_more_than_was_expected_counts_from_when_it_is_known() -> None:
    limits = Limits(RateLimit(tokens_per_minute=1000))
    permitted(limits.reserve(0.0, NOON, tokens=100)).settle(1000, 50.0)

    assert limits.day.tokens(50.0) == 1000
    assert limits.reserve(60.0, NOON, tokens=101) == Denial("tokens_per_minute", 50.0)
    permitted(limits.reserve(110.0, NOON, tokens=1000))


def test_when_nobody_knows_what_was_used_the_expectation_stands() -> None:
    limits = Limits(RateLimit(tokens_per_minute=1000), max_concurrent=1)
    permitted(limits.reserve(0.0, NOON, tokens=700)).settle(None, 5.0)

    assert (limits.in_flight, limits.day.tokens(5.0)) == (0, 700)
    assert isinstance(limits.reserve(5.0, NOON, tokens=301), Denial)


def test_without_limits_everything_is_admitted_and_counted() -> None:
    limits = Limits()

    permits = [permitted(limits.reserve(1000.0, NOON)) for _ in range(500)]
    permits.pop().refund(1000.0)
    permits.pop().settle(12, 1000.0)

    assert (limits.used_this_minute(1000.0), limits.in_flight) == (499, 498)
    assert (limits.day.requests(1000.0), limits.day.tokens(1000.0)) == (499, 12)


def test_a_limit_of_zero_admits_nobody() -> None:
    for rate in (RateLimit(requests_per_minute=0), RateLimit(requests_per_day=0), RateLimit(tokens_per_day=0)):
        assert isinstance(Limits(rate).reserve(0.0, NOON, tokens=1), Denial)


def test_a_request_that_no_waiting_makes_fit_is_told_so() -> None:
    denial = Limits(RateLimit(tokens_per_minute=1000)).reserve(0.0, NOON, tokens=1001)

    assert denial == Denial("tokens_per_minute", math.inf)
    assert denial.patience is None
    assert "larger than limit tokens_per_minute" in denial.says("alpha/a")


def test_a_limit_per_day_is_free_again_at_midnight_utc() -> None:
    limits = Limits(RateLimit(requests_per_day=1))
    limits.reserve(1000.0, datetime(2026, 1, 2, 23, 59, 50, tzinfo=UTC))

    assert not limits.has_room(1009.9)
    permitted(limits.reserve(1010.0, datetime(2026, 1, 3, tzinfo=UTC)))


def test_only_so_many_calls_are_under_way_at_once() -> None:
    limits = Limits(max_concurrent=2)
    first, _ = (permitted(limits.reserve(0.0, NOON)) for _ in range(2))

    denial = limits.reserve(0.0, NOON)
    first.settle(5, 1.0)

    assert denial == Denial("max_concurrent", 1.0, may_end_early=True)
    permitted(limits.reserve(1.0, NOON))


@pytest.mark.parametrize("strategy", list(LimitStrategy))
def test_low_priority_leaves_the_last_fifth_of_every_limit_to_the_others(strategy: LimitStrategy) -> None:
    def admitted(limits: Limits, priority: Priority) -> int:
        return sum(isinstance(limits.reserve(0.0, NOON, tokens=1, priority=priority), Permit) for _ in range(20))

    for rate, at_once in (
        (RateLimit(requests_per_minute=10, strategy=strategy), None),
        (RateLimit(tokens_per_minute=10, strategy=strategy), None),
        (RateLimit(requests_per_day=10), None),
        (RateLimit(tokens_per_day=10), None),
        (RateLimit(), 10),
    ):
        limits = Limits(rate, at_once)
        assert [admitted(limits, priority) for priority in (Priority.LOW, Priority.NORMAL, Priority.HIGH)] == [8, 2, 0]


@pytest.mark.parametrize("strategy", [LimitStrategy.FIXED_WINDOW, LimitStrategy.SLIDING_WINDOW])
def test_other_limits_forget_nothing_of_this_minute_or_day_or_of_what_is_under_way(strategy: LimitStrategy) -> None:
    before = RateLimit(requests_per_minute=10, tokens_per_minute=1000, requests_per_day=20)
    limits = Limits(before)
    old = permitted(limits.reserve(0.0, NOON, tokens=600))
    for _ in range(5):
        permitted(limits.reserve(0.0, NOON))

    limits.change(replace(before, requests_per_minute=7, strategy=strategy), 8, 1.0)
    # Taken from a meter that is gone: giving it back there must make no room here.
    old.refund(2.0)

    assert (limits.in_flight, limits.day.requests(2.0)) == (5, 5)
    permitted(limits.reserve(2.0, NOON, tokens=400))
    assert isinstance(limits.reserve(2.0, NOON, tokens=0), Denial)


def test_the_same_limits_again_change_nothing() -> None:
    limits = Limits(RateLimit(requests_per_minute=1))
    limits.reserve(0.0, NOON)

    limits.change(RateLimit(requests_per_minute=1), None, 30.0)

    assert limits.has_room(60.0)


@given(st.lists(st.sampled_from(Priority), min_size=1, max_size=12))
def test_whoever_waits_is_served_by_priority_and_then_in_the_order_of_coming(waiting: list[Priority]) -> None:
    limits = Limits(max_concurrent=1)
    running = permitted(limits.reserve(0.0, NOON))
    woken: list[int] = []
    places = {
        index: Place(priority, "max_concurrent", lambda index=index: woken.append(index))  # type: ignore[misc]
        for index, priority in enumerate(waiting)
    }
    for place in places.values():
        limits.line.join(place)

    served: list[int] = []
    while places:
        running.settle(1, 0.0)
        first = woken[-1]
        for index, place in places.items():
            if index != first:
                assert isinstance(limits.reserve(0.0, NOON, priority=waiting[index], place=place), Denial)
        running = permitted(limits.reserve(0.0, NOON, priority=waiting[first], place=places[first]))
        limits.line.leave(places.pop(first))
        served.append(first)

    ranks = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}
    assert served == sorted(range(len(waiting)), key=lambda index: (ranks[waiting[index]], index))


def test_a_newcomer_passes_only_those_who_are_less_urgent() -> None:
    limits = Limits(max_concurrent=1)
    running = permitted(limits.reserve(0.0, NOON))
    limits.line.join(Place(Priority.NORMAL, "max_concurrent", lambda: None))
    running.settle(1, 0.0)

    refused = [limits.reserve(0.0, NOON, priority=priority) for priority in (Priority.LOW, Priority.NORMAL)]

    assert [denial.limit for denial in refused if isinstance(denial, Denial)] == ["max_concurrent"] * 2
    assert not limits.has_room(0.0)
    permitted(limits.reserve(0.0, NOON, priority=Priority.HIGH))
