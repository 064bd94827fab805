"""What a decision would cost: losses at one, two and three ATR and at the stop."""

from __future__ import annotations

import math
from collections.abc import Iterator

from app.decisions.assessment import Scenario
from app.decisions.exposure import fraction_of, leverage_of, notional_of
from app.decisions.risk_limits import Case
from app.domain.decision import Action


def scenarios(case: Case) -> Iterator[Scenario]:
    """Losses at one, two and three ATR and at the stop, nearest first as they are named."""
    reference = case.reference
    if reference is None:
        return
    if case.atr is not None:
        for many in (1, 2, 3):
            yield _scenario(case, f"{many}_atr", many * case.atr, reference)
    stop = case.opinion.stop_loss
    if stop is not None and math.isfinite(stop):
        yield _scenario(case, "at_stop", abs(reference - stop), reference)


def _scenario(case: Case, name: str, way: float, reference: float) -> Scenario:
    sign = 1 if case.opinion.action is Action.BUY else -1
    move = way / reference
    fraction = fraction_of(case.opinion, case.market, case.account)
    share = None if fraction is None else fraction * leverage_of(case.opinion) * move
    equity = case.equity
    if share is not None and equity is not None:
        loss: float | None = share * equity
    else:
        notional = None if case.account.currency else notional_of(case.opinion, case.market, case.account)
        loss = None if notional is None else notional * move
    return Scenario(name, max(reference - sign * way, 0.0), move, _finite(loss), _finite(share))


def _finite(number: float | None) -> float | None:
    """A loss beyond all numbers is not known either; such a proposal is refused for its figures."""
    return number if number is not None and math.isfinite(number) else None
