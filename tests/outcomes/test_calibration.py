"""Calibration: own numerics against known results, and what every curve promises."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.grades import Prior
from app.outcomes.calibration import CalibrationMethod, Curve, fitted
from app.outcomes.isotonic import isotonic
from app.outcomes.platt import Bin, Sigmoid, log_odds, platt
from app.outcomes.tally import Claims

PRIOR = Prior()
BINS = st.lists(
    st.tuples(st.integers(0, 100), st.integers(1, 60), st.floats(0, 1)),
    max_size=30,
    unique_by=lambda one: one[0],
).map(lambda found: [Bin(claimed / 100, n, round(n * share)) for claimed, n, share in found])
WEIGHTED = st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 50)), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("values", "weights", "expected"),
    [
        ([1, 3, 2, 4], [1, 1, 1, 1], [1, 2.5, 2.5, 4]),
        ([4, 3, 2, 1], [1, 1, 1, 1], [2.5, 2.5, 2.5, 2.5]),
        ([1, 2, 3], [1, 1, 1], [1, 2, 3]),
        ([2, 1], [3, 1], [1.75, 1.75]),
        ([1, 5, 4, 3, 9], [1, 1, 2, 1, 1], [1, 4, 4, 4, 9]),
        ([], [], []),
    ],
)
def test_adjacent_violators_are_pooled(values: list[float], weights: list[float], expected: list[float]) -> None:
    assert isotonic(values, weights) == pytest.approx(expected)


@given(WEIGHTED)
def test_an_isotonic_fit_never_falls_keeps_the_mean_and_is_its_own_fit(points: list[tuple[float, float]]) -> None:
    values, weights = [value for value, _ in points], [weight for _, weight in points]
    fit = isotonic(values, weights)

    assert fit == sorted(fit)
    assert sum(f * w for f, w in zip(fit, weights, strict=True)) == pytest.approx(
        sum(v * w for v, w in zip(values, weights, strict=True)), abs=1e-6
    )
    assert isotonic(fit, weights) == pytest.approx(fit)


@given(WEIGHTED, st.data())
def test_no_other_rising_sequence_is_closer(points: list[tuple[float, float]], data: st.DataObject) -> None:
    values, weights = [value for value, _ in points], [weight for _, weight in points]
    rising = st.lists(st.floats(-6, 6), min_size=len(points), max_size=len(points)).map(sorted)
    other = data.draw(rising)

    def distance(fit: list[float]) -> float:
        return sum(w * (f - v) ** 2 for f, v, w in zip(fit, values, weights, strict=True))

    assert distance(isotonic(values, weights)) <= distance(other) + 1e-9


def test_a_sigmoid_through_two_claims_meets_both_targets() -> None:
    # Two points, two parameters: the greatest likelihood goes through Platt's smoothed shares themselves.
    fit = platt([Bin(0.3, 40, 12), Bin(0.8, 60, 48)])
    right, wrong = 61 / 62, 1 / 42

    assert fit(0.3) == pytest.approx((12 * right + 28 * wrong) / 40, abs=1e-8)
    assert fit(0.8) == pytest.approx((48 * right + 12 * wrong) / 60, abs=1e-8)


def test_a_fit_is_where_the_likelihood_has_no_slope() -> None:
    bins = [Bin(0.2, 30, 9), Bin(0.5, 40, 19), Bin(0.7, 50, 30), Bin(0.95, 20, 15)]
    fit = platt(bins)
    hits, misses = 73, 67
    right, wrong = (hits + 1) / (hits + 2), 1 / (misses + 2)
    offs = [each.hits * right + (each.n - each.hits) * wrong - each.n * fit(each.claimed) for each in bins]

    assert sum(offs) == pytest.approx(0, abs=1e-7)
    assert sum(off * log_odds(each.claimed) for off, each in zip(offs, bins, strict=True)) == pytest.approx(0, abs=1e-7)


def test_it_finds_the_sigmoid_that_made_the_votes() -> None:
    truth = Sigmoid(0.5, -0.3)
    bins = [Bin(c / 100, 10_000, round(10_000 * truth(c / 100))) for c in range(5, 100, 5)]
    fit = platt(bins)

    assert (fit.slope, fit.intercept) == pytest.approx((0.5, -0.3), abs=0.01)


@pytest.mark.parametrize(
    "bins",
    [
        [Bin(0.8, 50, 30)],
        [Bin(0.4, 50, 40), Bin(0.9, 50, 10)],
    ],
    ids=["one claim for everything", "surer where he is wrong"],
)
def test_claims_that_say_nothing_are_worth_the_base_rate(bins: list[Bin]) -> None:
    fit = platt(bins)

    assert fit.slope == 0
    assert fit(0.1) == fit(0.9)


@given(BINS)
def test_every_curve_rises_within_0_and_1(bins: list[Bin]) -> None:
    curve = fitted(bins, PRIOR)
    worth = [curve(claimed / 1000) for claimed in range(0, 1001, 5)]

    assert all(0 <= value <= 1 for value in worth)
    assert all(b >= a - 1e-12 for a, b in pairwise(worth))
    assert not any(map(math.isnan, worth))


@pytest.mark.parametrize(
    ("n", "method", "note"),
    [
        (0, CalibrationMethod.SHRUNK, "uncalibrated"),
        (29, CalibrationMethod.SHRUNK, "uncalibrated"),
        (30, CalibrationMethod.PLATT, None),
        (199, CalibrationMethod.PLATT, None),
        (200, CalibrationMethod.ISOTONIC, None),
    ],
)
def test_the_method_goes_by_how_many_votes_are_graded(n: int, method: CalibrationMethod, note: str | None) -> None:
    curve = fitted([Bin(0.8, n, n // 2)], PRIOR)

    assert (curve.method, curve.n, curve.note) == (method, n, note)
    assert (curve.calibrated(0.8).value is None) == (note is not None)
    assert curve.calibrated(None).value is None


def test_a_few_votes_are_drawn_to_the_base_rate_and_a_perfect_record_is_no_certainty() -> None:
    few = fitted([Bin(0.9, 10, 5)], PRIOR)
    perfect = [fitted([Bin(0.9, n, n)], PRIOR)(0.9) for n in (29, 100, 1000)]

    assert few.base_rate == 0.5
    assert few(0.9) == pytest.approx(0.5 + 0.25 * 0.4)
    assert all(value < 1 for value in perfect)
    assert fitted([], PRIOR)(1.0) == 0.5


@pytest.mark.parametrize("n", [150, 2000])
@pytest.mark.parametrize("seed", range(3))
def test_the_boastful_are_brought_down_on_votes_that_made_no_curve(n: int, seed: int) -> None:
    rng = random.Random(seed)
    truth = Sigmoid(0.45, -0.4)

    def votes(count: int) -> list[tuple[float, bool]]:
        claims = [round(rng.uniform(0.55, 0.99), 2) for _ in range(count)]
        return [(claimed, rng.random() < truth(claimed)) for claimed in claims]

    curve, fresh = _curve_of(votes(n)), votes(4000)
    stated, calibrated = Claims(), Claims()
    for claimed, correct in fresh:
        stated.add(claimed, correct=correct)
        calibrated.add(curve(claimed), correct=correct)

    assert (calibrated.brier or 0) < (stated.brier or 0)
    assert (calibrated.ece or 0) < (stated.ece or 0) / 2


def _curve_of(votes: list[tuple[float, bool]]) -> Curve:
    seen: dict[float, tuple[int, int]] = {}
    for claimed, correct in votes:
        n, hits = seen.get(claimed, (0, 0))
        seen[claimed] = n + 1, hits + correct
    return fitted([Bin(claimed, n, hits) for claimed, (n, hits) in seen.items()], PRIOR)
