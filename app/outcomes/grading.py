"""What an outcome measures: r, the market's move as a fraction of the entry price, and tau, the move that is none.

r is of the market, not of the trade: above 0 when the price rose, whichever way the decision went. It is the stated
`forward_return`; else (exit - entry) / entry; else realized_pnl / (entry x quantity), before fees, with the sign turned
for a SELL, whose trade wins when the price falls.

tau = max(fees / (entry x quantity), 0.25 x ATR / entry), of those that are known and never below 0;
0.0005 when neither is known.
The entry price is the outcome's, else the last price of the market that the decision was made from.

Both are worked out from the decimals that were written and rounded once, at the end: a move of just tau, such as from
64 to 64.64 where tau is 0.01, is none, whatever binary fractions make of these prices.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from app.domain.decision import Action
from app.domain.errors import Code, RequestRejected, Violation
from app.domain.outcome import Basis, Measured, Outcome

ATR_SHARE: Final = 0.25
UNKNOWN_THRESHOLD: Final = 0.0005
"""tau where neither fees nor the ATR are known: five hundredths of a percent."""

_CLOSING: Final = frozenset({"close_long", "close_short", "reduce"})


def measured(basis: Basis, outcome: Outcome) -> Measured | None:
    """Both, or None for an order that came to nothing. Raises RequestRejected for what cannot be measured."""
    wrong = list(_violations(basis, outcome))
    if wrong:
        raise _rejected(wrong)
    if not outcome.may_grade:
        return None
    found = Measured(_forward_return(basis, outcome), _threshold(basis, outcome))
    if not math.isfinite(found.forward_return) or not math.isfinite(found.threshold):
        raise _rejected([Violation("entry_price", "is too far from the other numbers to measure a return")])
    return found


def _violations(basis: Basis, outcome: Outcome) -> Iterator[Violation]:
    if outcome.observed_at < basis.decided_at:
        yield Violation("observed_at", f"is before the decision, which is of {basis.decided_at.isoformat()}")
    if not outcome.may_grade or outcome.forward_return is not None:
        return
    if _entry(basis, outcome) is None:
        yield Violation("entry_price", "is needed: the decision was made without a market")
    if outcome.exit_price is not None:
        return
    if outcome.realized_pnl is None:
        yield Violation("exit_price", "one of forward_return, exit_price and realized_pnl is needed")
        return
    if outcome.quantity is None:
        yield Violation("quantity", "is needed to make a return of realized_pnl")
    if basis.action is Action.HOLD or basis.intent in _CLOSING:
        yield Violation("realized_pnl", "does not tell which way the price went: this decision opened no trade")


def moved(entry: float, end: float) -> float:
    """What the market did from one price to another, as a fraction of the first; infinite beyond what floats hold."""
    return _rounded((_written(end) - _written(entry)) / _written(entry))


def _forward_return(basis: Basis, outcome: Outcome) -> float:
    if outcome.forward_return is not None:
        return outcome.forward_return
    entry = _entry(basis, outcome)
    if entry is not None and outcome.exit_price is not None:
        return moved(entry, outcome.exit_price)
    made = _share(outcome.realized_pnl, entry, outcome.quantity)
    return math.nan if made is None else made * (-1 if basis.action is Action.SELL else 1)


def _threshold(basis: Basis, outcome: Outcome) -> float:
    entry = _entry(basis, outcome)
    fees = _share(outcome.fees, entry, outcome.quantity)
    noise = (
        None
        if basis.atr is None or entry is None
        else _rounded(_written(ATR_SHARE) * _written(basis.atr) / _written(entry))
    )
    known = [part for part in (fees, noise) if part is not None]
    return max(0.0, *known) if known else UNKNOWN_THRESHOLD


def _share(amount: float | None, entry: float | None, quantity: float | None) -> float | None:
    """An amount of money as a fraction of what was traded; infinite beyond what floats hold."""
    if amount is None or entry is None or quantity is None:
        return None
    return _rounded(_written(amount) / (_written(entry) * _written(quantity)))


def _written(number: float) -> Fraction:
    """The decimal that somebody wrote, of which the float is the nearest."""
    return Fraction(repr(number))


def _rounded(share: Fraction) -> float:
    try:
        return float(share)
    except OverflowError:
        return math.inf if share > 0 else -math.inf


def _entry(basis: Basis, outcome: Outcome) -> float | None:
    return basis.entry_price if outcome.entry_price is None else outcome.entry_price


def _rejected(wrong: list[Violation]) -> RequestRejected:
    message = "; ".join(f"{violation.field} {violation.message}" for violation in wrong)
    return RequestRejected(Code.INVALID_FIELD, message, param=wrong[0].field, violations=wrong)
