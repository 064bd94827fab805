"""How sure a share of right votes is: the Wilson score interval."""

from __future__ import annotations

import math
from typing import Final

Z95: Final = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


def wilson(hits: int, n: int, z: float = Z95) -> tuple[float, float]:
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
