"""When a breaker opens, whom it lets through, and that it always closes again."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.target import Circuit
from app.resilience.breaker import Breaker, BreakerRules

RULES = BreakerRules()
NO_STREAK = BreakerRules(failures=1000)


def _breaker(rules: BreakerRules = RULES, seed: int = 0) -> Breaker:
    return Breaker(rules, random.Random(seed))


def _ejected(now: float = 1000.0, times: int = 1) -> tuple[Breaker, float]:
    """A breaker that was just ejected for the n-th time, and when."""
    breaker = _breaker()
    for _ in range(RULES.failures):
        breaker.failed(now)
    for _ in range(times - 1):
        now += breaker.retry_after(now)
        assert breaker.try_acquire(now)
        breaker.failed(now)
    return breaker, now


@given(st.lists(st.booleans(), max_size=19))
def test_five_failures_in_a_row_open_and_nothing_less_does(outcomes: list[bool]) -> None:
    breaker, streak, is_open = _breaker(), 0, False
    for ok in outcomes:
        streak = 0 if ok else streak + 1
        is_open = is_open or streak >= 5
        (breaker.succeeded if ok else breaker.failed)(1000.0)

    assert (breaker.circuit(1000.0) is Circuit.OPEN) == is_open


@given(st.lists(st.booleans(), min_size=20, max_size=60))
def test_half_of_at_least_twenty_open(outcomes: list[bool]) -> None:
    breaker, failures, is_open = _breaker(NO_STREAK), 0, False
    for count, ok in enumerate(outcomes, 1):
        failures += not ok
        (breaker.succeeded if ok else breaker.failed)(1000.0)
        # Only a failure can be the last straw: a success never opens.
        is_open = is_open or (not ok and count >= 20 and failures >= count / 2)

    assert (breaker.circuit(1000.0) is Circuit.OPEN) == is_open


def test_failures_spread_over_more_than_the_window_do_not_open() -> None:
    breaker = _breaker(NO_STREAK)
    for second in range(100):
        breaker.failed(1000.0 + second)

    assert breaker.circuit(1100.0) is Circuit.CLOSED


@given(st.integers(1, 20), st.integers(0, 2**32))
def test_it_stays_open_thirty_seconds_times_the_ejections_at_most_three_hundred(times: int, seed: int) -> None:
    breaker, now = _breaker(seed=seed), 1000.0
    for _ in range(RULES.failures):
        breaker.failed(now)
    for ejection in range(1, times + 1):
        waits = breaker.retry_after(now)
        full = min(30.0 * ejection, 300.0)
        assert breaker.ejections == ejection
        assert 0.9 * full <= waits <= full + 1e-9
        assert not breaker.try_acquire(now + waits - 0.01)
        now += waits + 1e-9
        assert breaker.circuit(now) is Circuit.HALF_OPEN
        assert breaker.try_acquire(now)
        breaker.failed(now)


def test_replicas_do_not_come_back_together() -> None:
    waits = set()
    for seed in range(20):
        breaker = _breaker(seed=seed)
        for _ in range(5):
            breaker.failed(1000.0)
        waits.add(breaker.retry_after(1000.0))

    assert len(waits) == 20


def test_half_open_lets_one_probe_through_at_a_time_and_two_successes_close() -> None:
    breaker, now = _ejected()
    now += 30.0

    assert [breaker.try_acquire(now) for _ in range(3)] == [True, False, False]
    breaker.succeeded(now)
    assert breaker.circuit(now) is Circuit.HALF_OPEN
    assert [breaker.try_acquire(now) for _ in range(3)] == [True, False, False]
    breaker.succeeded(now)

    assert breaker.circuit(now) is Circuit.CLOSED
    assert all(breaker.try_acquire(now) for _ in range(10))


def test_a_released_probe_gives_its_slot_back_and_proves_nothing() -> None:
    breaker, now = _ejected()
    now += 30.0
    for _ in range(10):
        assert breaker.try_acquire(now)
        breaker.released(now)

    assert breaker.circuit(now) is Circuit.HALF_OPEN
    assert breaker.ejections == 1


def test_a_lost_probe_gives_up_its_slot_after_a_while() -> None:
    breaker, now = _ejected()
    now += 30.0
    assert breaker.try_acquire(now)

    assert not breaker.try_acquire(now + 29.9)
    assert breaker.retry_after(now + 1) > 0
    assert breaker.try_acquire(now + 30.0)
    assert not breaker.try_acquire(now + 30.0)


def test_rejected_and_cancelled_calls_never_open() -> None:
    breaker = _breaker()
    for _ in range(100):
        assert breaker.try_acquire(1000.0)
        breaker.released(1000.0)

    assert breaker.circuit(1000.0) is Circuit.CLOSED


def test_calls_from_before_the_ejection_are_not_taken_for_the_probe() -> None:
    breaker, ejected = _ejected()
    now = ejected + 30.0
    assert breaker.try_acquire(now)

    breaker.failed(now, started=ejected - 1)
    breaker.succeeded(now, started=ejected - 1)
    breaker.released(now, started=ejected - 1)

    assert breaker.circuit(now) is Circuit.HALF_OPEN
    assert not breaker.try_acquire(now)
    breaker.failed(now, started=now)
    assert breaker.circuit(now) is Circuit.OPEN
    assert breaker.ejections == 2


def test_late_failures_do_not_lengthen_an_ejection() -> None:
    breaker, now = _ejected()
    waits = breaker.retry_after(now)
    for _ in range(50):
        breaker.failed(now)

    assert breaker.retry_after(now) == waits
    assert breaker.ejections == 1


def test_a_free_probe_half_opens_at_once() -> None:
    breaker, now = _ejected(times=5)
    breaker.probed(now + 1)

    assert breaker.circuit(now + 1) is Circuit.HALF_OPEN
    assert [breaker.try_acquire(now + 1) for _ in range(2)] == [True, False]


def test_a_free_probe_of_a_closed_circuit_changes_nothing() -> None:
    breaker = _breaker()
    for _ in range(4):
        breaker.failed(1000.0)
    breaker.probed(1000.0)
    breaker.failed(1000.0)

    assert breaker.circuit(1000.0) is Circuit.OPEN


def test_the_last_resort_is_one_call_in_five_seconds() -> None:
    breaker, now = _ejected()
    granted = 0
    for tick in range(250):
        moment = now + tick / 10
        if breaker.try_last_resort(moment):
            assert breaker.try_acquire(moment)
            assert not breaker.try_acquire(moment)
            breaker.failed(moment)
            granted += 1

    assert granted == 4


def test_a_failed_last_resort_leaves_the_ejection_as_it_was() -> None:
    breaker, now = _ejected(times=3)
    waits = breaker.retry_after(now)
    assert not breaker.try_last_resort(now + 4)
    assert breaker.try_last_resort(now + 5)
    assert breaker.try_acquire(now + 5)
    breaker.failed(now + 5)

    assert breaker.ejections == 3
    assert breaker.retry_after(now + 5) == pytest.approx(waits - 5)


def test_a_last_resort_that_succeeds_starts_the_recovery() -> None:
    breaker, now = _ejected(times=3)
    now += 5
    assert breaker.try_last_resort(now)
    for _ in range(2):
        assert breaker.try_acquire(now)
        breaker.succeeded(now)

    assert breaker.circuit(now) is Circuit.CLOSED


def test_an_outage_long_past_does_not_lengthen_the_next() -> None:
    breaker, now = _ejected(times=4)
    now += 300.0
    for _ in range(2):
        assert breaker.try_acquire(now)
        breaker.succeeded(now)
    now += 301.0
    for _ in range(5):
        breaker.failed(now)

    assert breaker.ejections == 1
    assert breaker.retry_after(now) <= 30.0


def test_a_flapping_target_stays_away_longer_each_time() -> None:
    breaker, now = _ejected()
    now += 30.0
    for _ in range(2):
        assert breaker.try_acquire(now)
        breaker.succeeded(now)
    for _ in range(5):
        breaker.failed(now + 10)

    assert breaker.ejections == 2


def test_a_reset_closes_and_forgets() -> None:
    breaker, now = _ejected(times=4)
    breaker.reset(now)

    assert breaker.circuit(now) is Circuit.CLOSED
    assert breaker.ejections == 0
    assert breaker.retry_after(now) == 0.0


_MOVES: dict[str, Callable[[Breaker, float], object]] = {
    "acquire": Breaker.try_acquire,
    "succeed": Breaker.succeeded,
    "fail": Breaker.failed,
    "release": Breaker.released,
    "probe": Breaker.probed,
    "last resort": Breaker.try_last_resort,
}


@given(st.lists(st.tuples(st.sampled_from(sorted(_MOVES)), st.floats(0.0, 50.0)), max_size=120), st.integers(0, 99))
def test_whatever_happens_it_lets_somebody_through_again(moves: list[tuple[str, float]], seed: int) -> None:
    breaker, now = _breaker(seed=seed), 0.0
    for move, gap in moves:
        now += gap
        _MOVES[move](breaker, now)
        assert breaker.retry_after(now) <= 300.0
        if breaker.circuit(now) is Circuit.OPEN:
            assert not breaker.try_acquire(now)

    now += 300.0
    for _ in range(RULES.successes):
        assert breaker.try_acquire(now)
        breaker.succeeded(now)
    assert breaker.circuit(now) is Circuit.CLOSED


@given(st.lists(st.tuples(st.sampled_from(["acquire", "settle", "release"]), st.floats(0.0, 0.1)), max_size=60))
def test_there_is_never_more_than_one_probe_out(moves: list[tuple[str, float]]) -> None:
    breaker, now = _ejected()
    now += 30.0
    out = 0
    for move, gap in moves:
        now += gap
        if breaker.circuit(now) is not Circuit.HALF_OPEN:
            break
        if move == "acquire":
            granted = breaker.try_acquire(now)
            assert granted == (out == 0)
            out += granted
        elif out:
            (breaker.succeeded if move == "settle" else breaker.released)(now)
            out -= 1


def test_an_ejection_elsewhere_opens_as_long_as_it_lasts_there_and_counts_as_none_here() -> None:
    breaker = _breaker()

    breaker.ejected_elsewhere(1020.0, 1000.0)

    assert (breaker.circuit(1019.0), breaker.open_until(1019.0), breaker.ejections) == (Circuit.OPEN, 1020.0, 0)
    assert not breaker.try_last_resort(1001.0)
    assert breaker.circuit(1020.0) is Circuit.HALF_OPEN


def test_an_ejection_elsewhere_shortens_none_and_disturbs_no_trial() -> None:
    breaker, now = _ejected()
    until = breaker.open_until(now)

    breaker.ejected_elsewhere(now + 1, now)
    assert breaker.open_until(now) == until
    breaker.probed(now)
    assert breaker.try_acquire(now)
    breaker.ejected_elsewhere(now + 60, now)
    breaker.ejected_elsewhere(now - 1, now)

    assert breaker.circuit(now) is Circuit.HALF_OPEN


@given(st.lists(st.sampled_from(["succeed", "fail", "release", "lose"]), max_size=40))
def test_half_open_always_ends(ends: list[str]) -> None:
    breaker, now = _ejected()
    now += breaker.retry_after(now)
    in_a_row = 0
    for end in ends:
        granted_at = now
        assert breaker.try_acquire(now)
        now += RULES.open_seconds if end == "lose" else 0.1
        if end != "lose":
            _MOVES[end](breaker, now)
        in_a_row += end == "succeed"
        if end == "fail":
            assert breaker.circuit(now) is Circuit.OPEN
            in_a_row, now = 0, now + breaker.retry_after(now)
        elif in_a_row == RULES.successes:
            assert breaker.circuit(now) is Circuit.CLOSED
            return
        assert now - granted_at <= RULES.max_open_seconds + 0.2
        assert breaker.circuit(now) is Circuit.HALF_OPEN
