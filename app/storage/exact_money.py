"""Money as whole numbers that a database sums fast, and a rest for what they cannot hold; nothing is rounded.

amount = dollars + picos * 10^-12 + rest
"""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_FLOOR, Context, Decimal
from typing import Final

_PICOS: Final = 10**12
# Beyond this a million cells of it would not fit the sum of a BIGINT column.
_MOST: Final = 10**12
# As wide as decimals get: the default context rounds to 28 digits.
EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def split(amount: Decimal) -> tuple[int, int, Decimal | None]:
    """Whole dollars, picodollars below one dollar (never negative), and the rest, None for nothing."""
    if abs(amount) >= _MOST:
        return 0, 0, amount
    scaled = EXACT.scaleb(amount, 12)
    picos = int(scaled.to_integral_value(ROUND_FLOOR, EXACT))
    rest = EXACT.scaleb(EXACT.subtract(scaled, Decimal(picos)), -12)
    return *divmod(picos, _PICOS), rest or None


def joined(dollars: int, picos: int, rest: Decimal | None) -> Decimal:
    """The amount again; the parts may be sums of many."""
    whole = EXACT.scaleb(Decimal(dollars * _PICOS + picos), -12)
    return whole if rest is None else EXACT.add(whole, rest)
