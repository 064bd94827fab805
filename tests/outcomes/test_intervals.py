"""Intervals of shares, means and differences, against published figures and as what they promise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outcomes.intervals import Mean, means_apart, shares_apart, student, wilson

COUNTS = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998),
        # table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_it_is_the_published_one(hits: int, n: int, low: float, high: float) -> None:
    assert wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@given(COUNTS)
def test_it_holds_the_share_and_stays_within_0_and_1(counted: tuple[int, int]) -> None:
    hits, n = counted
    low, high = wilson(hits, n)

    assert 0 <= low <= hits / n <= high <= 1


@given(COUNTS)
def test_more_of_the_same_narrows_it_and_one_more_hit_raises_it(counted: tuple[int, int]) -> None:
    hits, n = counted
    low, high = wilson(hits, n)
    twice_low, twice_high = wilson(2 * hits, 2 * n)

    assert twice_high - twice_low < high - low
    assert wilson(hits + 1, n + 1)[0] >= low - 1e-12


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998), table II, method 10.
    [
        ((48, 80), (56, 70), 0.0524, 0.3339),
        ((3, 10), (9, 10), 0.1705, 0.8090),
        ((2, 7), (6, 7), 0.0582, 0.8062),
        ((0, 29), (5, 56), -0.0381, 0.1926),
        ((0, 10), (10, 10), 0.6075, 1.0),
    ],
)
def test_the_difference_of_two_shares_is_the_published_one(
    one: tuple[float, float], other: tuple[float, float], low: float, high: float
) -> None:
    assert shares_apart(one, other) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("degrees", "level", "t"),
    [(4, 0.95, 2.776), (9, 0.95, 2.262), (19, 0.95, 2.093), (29, 0.99, 2.756), (100, 0.95, 1.984), (1e9, 0.95, 1.960)],
)
def test_students_t_is_that_of_the_tables(degrees: float, level: float, t: float) -> None:
    assert student(degrees, level) == pytest.approx(t, rel=2e-3)


def mean_of(*values: float) -> Mean:
    mean = Mean()
    for value in values:
        mean.add(value)
    return mean


def test_a_mean_has_students_interval_from_five_values_on() -> None:
    # Mean 3, s² = 2.5, t(4) = 2.776: 3 ± 2.776 sqrt(0.5).
    assert mean_of(1, 2, 3, 4, 5).interval() == pytest.approx((1.0371, 4.9629), abs=5e-3)
    assert mean_of(1, 2, 3, 4).interval() is None
    assert mean_of(2, 2, 2, 2, 2).interval() == (2, 2)


def test_the_difference_of_two_means_is_welchs() -> None:
    # B. L. Welch's degrees by hand: e1 = e2 = 0.5, so that 1 / (0.25 / 4 + 0.25 / 4) = 8, and t(8) = 2.306.
    found = means_apart(mean_of(1, 2, 3, 4, 5), mean_of(11, 12, 13, 14, 15))

    assert found == pytest.approx((10 - 2.306, 10 + 2.306), abs=2e-3)
    assert means_apart(mean_of(1, 2, 3, 4), mean_of(1, 2, 3, 4, 5)) is None
    assert means_apart(mean_of(1, 1, 1, 1, 1), mean_of(3, 3, 3, 3, 3)) == (2, 2)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=40))
def test_a_mean_is_that_of_its_values_and_inside_its_interval(values: list[float]) -> None:
    mean = mean_of(*values)
    interval = mean.interval()

    assert mean.mean == pytest.approx(sum(values) / len(values), rel=1e-9, abs=1e-6)
    assert interval is not None
    assert interval[0] <= mean.mean <= interval[1]
