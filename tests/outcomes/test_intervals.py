"""The Wilson interval, against published figures and as what it promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outcomes.intervals import wilson

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
