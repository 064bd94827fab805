"""What the risk rule allows: loss at the stop, open risk, the day's loss, concentration, cash and leverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.decisions.context import Account, Constraints, MarketContext, RegimeLabel
from app.decisions.exposure import equity_in_quote, held_notional
from app.decisions.limits import MAX_LEVERAGE
from app.decisions.regime import regime_of
from app.domain.decision import Action, Opinion

AT_STOP: Final = 0.02
"""Share of equity that one decision may lose at its stop, unless the caller states `max_risk`."""
OPEN_RISK: Final = 0.06
"""Share of equity at risk in everything open, this decision included (`max_open_risk`)."""
DAILY_LOSS: Final = 0.03
"""Share of equity that a day may lose (`max_daily_loss`)."""
CONCENTRATION: Final = 0.5
"""Exposure to one market, leverage included, in units of equity."""
CAUTION: Final = 0.5
"""What is left of the loss allowed at the stop in high volatility, and again against the regime."""
UNSTOPPED_ATR: Final = 3.0
"""How far a decision without a stop is taken to lose, in ATR."""
LIQUIDATION: Final = 0.8
"""Share of its margin that a position may lose at its stop: beyond it the venue may close first."""

_AGAINST: Final = {(Action.BUY, RegimeLabel.BEAR), (Action.SELL, RegimeLabel.BULL)}


@dataclass(frozen=True, slots=True)
class Case:
    """A proposal and all that is known around it; `distance` is the share of the price that may be lost."""

    opinion: Opinion
    market: MarketContext | None
    constraints: Constraints
    account: Account
    reference: float | None
    distance: float | None

    @property
    def equity(self) -> float | None:
        """The account's, in its own currency."""
        return self.account.equity

    @property
    def atr(self) -> float | None:
        """Average true range, in price units."""
        atr = self.market.indicators.atr if self.market is not None else None
        return None if atr is None else atr.value


@dataclass(frozen=True, slots=True)
class Limit:
    """The largest fraction of equity by one rule, and the facts it follows from."""

    code: str
    most: float
    facts: str


def limits_of(case: Case, leverage: float) -> Iterator[Limit]:
    """The largest fraction of equity by every rule whose facts are known, at this leverage."""
    constraints, account, equity = case.constraints, case.account, case.equity
    stated = constraints.max_fraction
    yield Limit("max_fraction", 1.0 if stated is None else stated, "the most that the caller's constraints allow")
    if equity is not None and equity > 0:
        held = _held_share(case)
        facts = f"exposure to one market at most {CONCENTRATION:g} of equity, {held:.4g} held"
        yield Limit("concentration", (CONCENTRATION - held) / leverage, facts)
        yield from _quantity_limit(case, leverage)
        if account.cash is not None:
            yield Limit("cash", account.cash / equity, f"{account.cash:g} of {equity:g} is free")
        if account.buying_power is not None:
            yield Limit("buying_power", account.buying_power / equity / leverage, f"{account.buying_power:g} left")
    if case.distance:
        yield from _loss_limits(case, leverage * case.distance)


def _quantity_limit(case: Case, leverage: float) -> Iterator[Limit]:
    permitted = [a.max_quantity for a in case.constraints.allowed_actions if a.action is case.opinion.action]
    most = min((quantity for quantity in permitted if quantity is not None), default=None)
    equity = equity_in_quote(case.opinion, case.market, case.account)
    if most is not None and equity is not None and case.reference is not None:
        yield Limit("max_quantity", most * case.reference / equity / leverage, f"at most a quantity of {most:g}")


def _loss_limits(case: Case, loss: float) -> Iterator[Limit]:
    """Limits by what may be lost; `loss` is the share of its margin that a position loses at its stop."""
    constraints, account, equity = case.constraints, case.account, case.equity
    budget = _stated(constraints.max_risk, AT_STOP) * _caution(case)
    yield Limit("risk_at_stop", budget / loss, f"at most {budget:.2%} of equity may be lost at the stop")
    if equity is None or equity <= 0:
        return
    if account.open_risk_usd is not None:
        most = _stated(constraints.max_open_risk, OPEN_RISK)
        left = most - account.open_risk_usd / equity
        yield Limit("open_risk", left / loss, f"{account.open_risk_usd:g} at risk already, at most {most:.2%}")
    if account.daily_pnl is not None:
        most = _stated(constraints.max_daily_loss, DAILY_LOSS)
        left = most + min(account.daily_pnl, 0.0) / equity
        yield Limit("daily_loss", left / loss, f"{account.daily_pnl:g} today, at most {most:.2%} may be lost")


def leverage_limit_of(case: Case) -> float:
    """The most leverage: the caller's, and so little that the stop is reached before the margin is gone."""
    stated = min(case.constraints.max_leverage or MAX_LEVERAGE, MAX_LEVERAGE)
    return stated if not case.distance else min(stated, max(LIQUIDATION / case.distance, 1.0))


def _caution(case: Case) -> float:
    return (CAUTION if is_volatile(case) else 1.0) * (CAUTION if is_against(case) else 1.0)


def is_volatile(case: Case) -> bool:
    """Whether the regime says so, the caller's or the one that is found."""
    market = case.market
    if market is None:
        return False
    return regime_of(market).label is RegimeLabel.HIGH_VOLATILITY


def is_against(case: Case) -> bool:
    """Whether this buys in a bear market or sells in a bull one; a regime doubted by who states it does not count."""
    regime = None if case.market is None else regime_of(case.market)
    if regime is None or (regime.confidence is not None and regime.confidence < 0.5):
        return False
    return (case.opinion.action, regime.label) in _AGAINST


def _held_share(case: Case) -> float:
    """What is held on the same side, in units of equity; 0 where that cannot be told."""
    position = case.market.position if case.market is not None else None
    side = position.side if position is not None else "flat"
    equity = equity_in_quote(case.opinion, case.market, case.account)
    if equity is None or (case.opinion.action, side) not in ((Action.BUY, "long"), (Action.SELL, "short")):
        return 0.0
    return (held_notional(case.market) or 0.0) / equity


def _stated(given: float | None, default: float) -> float:
    return default if given is None else given
