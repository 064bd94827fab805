"""How much of the equity a size is: a fraction of equity is margin, which leverage multiplies."""

from __future__ import annotations

import math
from typing import Final

from app.decisions.context import Account, MarketContext
from app.domain.decision import Opinion

# A dollar and the coins that stand for one: closer to each other than any risk figure is to the truth.
_DOLLARS: Final = frozenset(("USD", "USDT", "USDC"))


def reference_price(opinion: Opinion, market: MarketContext | None) -> float | None:
    """The entry's price, else the market's last; None when neither is a price."""
    stated = opinion.entry.price if opinion.entry is not None else None
    if stated is not None and math.isfinite(stated) and stated > 0:
        return stated
    return market.price.last if market is not None else None


def per_fraction(opinion: Opinion, market: MarketContext | None, account: Account | None = None) -> float | None:
    """How much of the size's own unit the whole equity would be, at the opinion's leverage (1 when not stated).

    None without a size, or when equity, price or position that the unit needs are not known.
    """
    unit = opinion.size.unit if opinion.size is not None else None
    if unit == "fraction_of_equity":
        return 1.0
    equity = equity_in_quote(opinion, market, account)
    reference = reference_price(opinion, market)
    if equity is None or unit is None:
        return None
    whole = equity * leverage_of(opinion)
    if unit == "notional":
        return whole
    if reference is None:
        return None
    if unit == "quantity":
        return whole / reference
    held = held_notional(market)
    return whole / held if held else None


def notional_of(opinion: Opinion, market: MarketContext | None, account: Account | None = None) -> float | None:
    """The exposure in the currency of the price; None when it cannot be told."""
    size, reference = opinion.size, reference_price(opinion, market)
    if size is None:
        return None
    match size.unit:
        case "notional":
            return size.value
        case "quantity":
            return None if reference is None else size.value * reference
        case "fraction_of_position":
            held = held_notional(market)
            return None if held is None else size.value * held
        case _:
            equity = equity_in_quote(opinion, market, account)
            return None if equity is None else size.value * equity * leverage_of(opinion)


def fraction_of(opinion: Opinion, market: MarketContext | None, account: Account | None = None) -> float | None:
    """The size as a fraction of equity; None when it cannot be told."""
    unit = per_fraction(opinion, market, account)
    if opinion.size is None or unit is None:
        return None
    fraction = opinion.size.value / unit
    return fraction if math.isfinite(fraction) else None


def leverage_of(opinion: Opinion) -> float:
    """The stated leverage; 1 when none is, or none that could be."""
    stated = opinion.leverage
    return stated if stated is not None and math.isfinite(stated) and stated >= 1 else 1.0


def held_notional(market: MarketContext | None) -> float | None:
    """What is held in this market at its last price, 0 when flat, None when nobody said."""
    position = market.position if market is not None else None
    if market is None or position is None:
        return None
    if position.side == "flat":
        return 0.0
    return None if position.quantity is None else position.quantity * market.price.last


def equity_in_quote(opinion: Opinion, market: MarketContext | None, account: Account | None = None) -> float | None:
    """The equity where it is positive and in the currency of the price, as far as both are told; else None."""
    account = account or (market.account if market is not None else None)
    if account is None or account.equity is None or account.equity <= 0:
        return None
    quote = quote_currency(opinion, market)
    if account.currency is None or quote is None:
        return account.equity
    mine, its = account.currency.upper(), quote.upper()
    return account.equity if mine == its or {mine, its} <= _DOLLARS else None


def quote_currency(opinion: Opinion, market: MarketContext | None) -> str | None:
    """The currency of the price: as told, else the second half of a symbol with a slash."""
    if market is not None and market.quote_currency is not None:
        return market.quote_currency
    return opinion.symbol.partition("/")[2].partition(":")[0] or None
