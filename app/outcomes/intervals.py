"""How sure a share, a mean, or the difference of two of them is: intervals by their published formulas."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

Z95: Final = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""
LEAST: Final = 5
"""Values from which on a mean has an interval: with fewer the quantile below is not exact, and nothing is known."""

Interval = tuple[float, float]


@dataclass(slots=True)
class Mean:
    """The mean of values and how they scatter, one pass over them (B. P. Welford, Technometrics 4, 1962)."""

    n: int = 0
    mean: float = 0.0
    _squares: float = 0.0

    def add(self, value: float) -> None:
        """One more value."""
        self.n += 1
        off = value - self.mean
        self.mean += off / self.n
        self._squares += off * (value - self.mean)

    @property
    def squared_error(self) -> float:
        """The mean's standard error, squared: s² / n."""
        return self._squares / (self.n - 1) / self.n if self.n > 1 else math.inf

    def interval(self, level: float = 0.95) -> Interval | None:
        """Student's: mean ± t s / sqrt(n), t with n - 1 degrees of freedom; None below 5 values."""
        if self.n < LEAST:
            return None
        reach = student(self.n - 1, level) * math.sqrt(self.squared_error)
        return self.mean - reach, self.mean + reach


def wilson(hits: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Both ends of the interval for `hits` of `n`, 95 % unless told; (0, 1) where nothing was counted.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927):
    (p + z²/2n ± z sqrt(p (1 - p) / n + z²/4n²)) / (1 + z²/n).
    """
    if n == 0:
        return 0.0, 1.0
    share, squared = hits / n, z * z
    middle = share + squared / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + squared / (4 * n * n))
    scale = 1 + squared / n
    # None and all: the formula's end is exact there, and floating point is not.
    low = 0.0 if hits == 0 else max((middle - reach) / scale, 0.0)
    high = 1.0 if hits == n else min((middle + reach) / scale, 1.0)
    return low, high


def normal(level: float) -> float:
    """The z that the standard normal distribution stays within, on both sides, with this probability."""
    return NormalDist().inv_cdf((1 + level) / 2)


def student(degrees: float, level: float = 0.95) -> float:
    """The t that Student's distribution stays within, on both sides, with this probability.

    M. Abramowitz and I. Stegun, Handbook of Mathematical Functions, 26.7.5: an expansion in 1 / degrees, right to
    0.2 % from 4 degrees of freedom at 95 %.
    """
    z = normal(level)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / degrees**power for power, term in enumerate(terms, start=1))


def shares_apart(one: tuple[float, float], other: tuple[float, float], level: float = 0.95) -> Interval:
    """The interval of share `other` less share `one`, each given as hits and n.

    R. G. Newcombe, "Interval estimation for the difference between independent proportions", Statistics in Medicine 17
    (1998), method 10: from the Wilson interval (l, u) of each, d - sqrt((p2 - l2)² + (u1 - p1)²) to
    d + sqrt((u2 - p2)² + (p1 - l1)²).
    """
    z = normal(level)
    (low1, high1), (low2, high2) = wilson(*one, z), wilson(*other, z)
    share1, share2 = one[0] / one[1], other[0] / other[1]
    apart = share2 - share1
    return apart - math.hypot(share2 - low2, high1 - share1), apart + math.hypot(high2 - share2, share1 - low1)


def means_apart(one: Mean, other: Mean, level: float = 0.95) -> Interval | None:
    """The interval of mean `other` less mean `one`, their variances not taken for equal; None below 5 values of each.

    B. L. Welch, "The generalization of Student's problem when several different population variances are involved",
    Biometrika 34 (1947): d ± t sqrt(e1 + e2), e = s² / n, t with (e1 + e2)² / (e1² / (n1 - 1) + e2² / (n2 - 1)) degrees
    of freedom.
    """
    if min(one.n, other.n) < LEAST:
        return None
    apart, error = other.mean - one.mean, one.squared_error + other.squared_error
    if error == 0:
        return apart, apart
    degrees = error**2 / (one.squared_error**2 / (one.n - 1) + other.squared_error**2 / (other.n - 1))
    reach = student(degrees, level) * math.sqrt(error)
    return apart - reach, apart + reach
