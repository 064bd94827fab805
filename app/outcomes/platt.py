"""Platt scaling: a sigmoid over the log odds of what was claimed, fitted to what came true."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_ROUNDS: Final = 100
_CLOSE: Final = 1e-10
_LEAST_STEP: Final = 1e-10
_RIDGE: Final = 1e-12
# A claim of exactly 0 or 1 has no log odds.
_CERTAIN: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Bin:
    """Votes that claimed the same: `hits` of `n` were right."""

    claimed: float
    n: int
    hits: int


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """The chance of being right is 1 / (1 + exp(-(slope x log odds of the claim + intercept)))."""

    slope: float
    intercept: float

    def __call__(self, claimed: float) -> float:
        return _logistic(self.slope * log_odds(claimed) + self.intercept)


def log_odds(claimed: float) -> float:
    """ln(c / (1 - c)), the claim kept a thousandth away from both ends."""
    kept = min(max(claimed, _CERTAIN), 1 - _CERTAIN)
    return math.log(kept / (1 - kept))


def platt(bins: Sequence[Bin]) -> Sigmoid:
    """The sigmoid of the greatest likelihood; its slope is never below 0.

    J. Platt, "Probabilistic outputs for support vector machines" (1999), with his targets (hits + 1) / (hits + 2) and
    1 / (misses + 2), which keep a perfect record from becoming a certainty; Newton's method with backtracking as in
    Lin, Lin and Weng, "A note on Platt's probabilistic outputs", Machine Learning 68 (2007).
    """
    hits = sum(each.hits for each in bins)
    misses = sum(each.n - each.hits for each in bins)
    right, wrong = (hits + 1) / (hits + 2), 1 / (misses + 2)
    points = [
        (log_odds(each.claimed), each.n, (each.hits * right + (each.n - each.hits) * wrong) / each.n)
        for each in bins
        if each.n
    ]
    total = sum(n for _, n, _ in points)
    if not total:
        return Sigmoid(0.0, 0.0)
    mean = sum(n * target for _, n, target in points) / total
    flat = Sigmoid(0.0, math.log(mean / (1 - mean)))
    if len({x for x, _, _ in points}) == 1:
        # One claim for everything says nothing about others.
        return flat
    found = _newton(points, flat)
    # Who is right less often the surer he is has no claim worth following: his base rate stays.
    return found if found.slope > 0 else flat


def _newton(points: Sequence[tuple[float, int, float]], start: Sigmoid) -> Sigmoid:
    at, loss = start, _loss(points, start)
    for _ in range(_ROUNDS):
        down_slope = down_intercept = cross = 0.0
        curve_slope = curve_intercept = _RIDGE
        for x, n, target in points:
            p = _logistic(at.slope * x + at.intercept)
            off, spread = n * (target - p), n * p * (1 - p)
            down_slope += off * x
            down_intercept += off
            curve_slope += spread * x * x
            curve_intercept += spread
            cross += spread * x
        if abs(down_slope) < _CLOSE and abs(down_intercept) < _CLOSE:
            break
        determinant = curve_slope * curve_intercept - cross * cross
        if determinant <= 0:
            break
        slope = (curve_intercept * down_slope - cross * down_intercept) / determinant
        intercept = (curve_slope * down_intercept - cross * down_slope) / determinant
        step = 1.0
        while step >= _LEAST_STEP:
            tried = Sigmoid(at.slope + step * slope, at.intercept + step * intercept)
            if (its := _loss(points, tried)) < loss:
                at, loss = tried, its
                break
            step /= 2
        else:
            break
    return at


def _loss(points: Sequence[tuple[float, int, float]], sigmoid: Sigmoid) -> float:
    """Minus the log likelihood."""
    total = 0.0
    for x, n, target in points:
        z = sigmoid.slope * x + sigmoid.intercept
        # ln(1 + exp(z)) - target x z, without an overflow.
        total += n * (max(z, 0.0) + math.log1p(math.exp(-abs(z))) - target * z)
    return total


def _logistic(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z))
