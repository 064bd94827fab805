"""Isotonic regression: the closest sequence that never falls, by pooling adjacent violators."""

from __future__ import annotations

from collections.abc import Sequence


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The non-decreasing sequence with the least weighted squared distance to `values`; weights are above 0.

    Pool adjacent violators (Ayer et al., Annals of Mathematical Statistics 26, 1955), in linear time.
    """
    means: list[float] = []
    masses: list[float] = []
    counts: list[int] = []
    for value, weight in zip(values, weights, strict=True):
        mean, mass, count = value, weight, 1
        while means and means[-1] >= mean:
            before, its = means.pop(), masses.pop()
            mean = (before * its + mean * mass) / (its + mass)
            mass += its
            count += counts.pop()
        means.append(mean)
        masses.append(mass)
        counts.append(count)
    return [mean for mean, count in zip(means, counts, strict=True) for _ in range(count)]
