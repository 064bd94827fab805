"""Three rule-based traders that read a market context: trend, reversion, breakout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from app.domain.frozen import frozen

Market = Mapping[str, Any]


@frozen
class Lean:
    """Where a rule leans: above 0 up, below 0 down, 0 neither; `None` strength means that it saw nothing to judge."""

    score: int
    signals: int
    reasons: tuple[str, ...]


def opine(model: str, market: Market) -> dict[str, Any] | None:
    """The trader's answer with the keys of the decision schema, or None when the context has nothing for its rule."""
    price = number(market, "price", "last")
    if price is None or price <= 0:
        return None
    rule, needed = TRADERS[model]
    lean = rule(market, price)
    if lean.signals == 0:
        return None
    side = _side(lean, needed)
    if side != "HOLD" and not _is_allowed(market, side):
        lean = Lean(lean.score, lean.signals, (*lean.reasons, f"{side} is not an allowed action"))
        side = "HOLD"
    return _answer(model, market, price, side, lean)


def number(market: Market, *path: str) -> float | None:
    """The number at this path of the context; None when there is none."""
    value: Any = market
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _trend(market: Market, price: float) -> Lean:
    """EMA20 against EMA50, MACD against its signal, price against EMA20."""
    fast, slow = _ema(market, 20), _ema(market, 50)
    histogram = number(market, "indicators", "macd", "hist")
    macd, signal = number(market, "indicators", "macd", "macd"), number(market, "indicators", "macd", "signal")
    if histogram is None and macd is not None and signal is not None:
        histogram = macd - signal
    return _sum(
        _compared("EMA20", fast, "EMA50", slow),
        _compared("MACD histogram", histogram, "zero", 0.0),
        _compared("price", price, "EMA20", fast),
    )


def _reversion(market: Market, price: float) -> Lean:
    """RSI beyond 30 or 70, price outside the Bollinger bands: both call for a way back."""
    rsi = number(market, "indicators", "rsi", "value")
    upper, lower = (
        number(market, "indicators", "bollinger", "upper"),
        number(market, "indicators", "bollinger", "lower"),
    )
    found: list[tuple[int, str] | None] = []
    if rsi is not None:
        score = 1 if rsi <= 30 else -1 if rsi >= 70 else 0
        found.append((score, f"RSI {rsi:g} is {('neutral', 'oversold', 'overbought')[score]}"))
    if upper is not None and lower is not None:
        score = 1 if price <= lower else -1 if price >= upper else 0
        found.append(
            (score, f"price {price:g} is {('inside', 'at or below', 'at or above')[score]} the Bollinger bands")
        )
    return _sum(*found)


def _breakout(market: Market, price: float) -> Lean:
    """Price beyond the bands or the last level, believed only when volume or an ATR of room confirms it."""
    ceiling = _nearest(market, "resistance", max, number(market, "indicators", "bollinger", "upper"))
    floor = _nearest(market, "support", min, number(market, "indicators", "bollinger", "lower"))
    if ceiling is None and floor is None:
        return Lean(0, 0, ())
    if ceiling is not None and price > ceiling:
        direction, reason, room = 1, f"price {price:g} broke above {ceiling:g}", price - ceiling
    elif floor is not None and price < floor:
        direction, reason, room = -1, f"price {price:g} broke below {floor:g}", floor - price
    else:
        return Lean(0, 1, (f"price {price:g} is inside its range",))
    is_confirmed, why = _confirmation(market, room)
    return Lean(direction if is_confirmed else 0, 1, (reason, why))


TRADERS: Final[Mapping[str, tuple[Callable[[Market, float], Lean], int]]] = {
    "trend": (_trend, 2),
    "reversion": (_reversion, 1),
    "breakout": (_breakout, 1),
}
"""The rule of each model, and how far it must lean before it acts."""


def _confirmation(market: Market, room: float) -> tuple[bool, str]:
    last, usual = number(market, "indicators", "volume", "last"), number(market, "indicators", "volume", "avg20")
    if last is not None and usual is not None:
        return last >= usual, f"volume {last:g} against an average of {usual:g}"
    atr = number(market, "indicators", "atr", "value")
    if atr is not None:
        return room >= atr / 4, f"{room:g} beyond the level with an ATR of {atr:g}"
    return False, "neither volume nor ATR to confirm it"


def _nearest(market: Market, side: str, outermost: Callable[[list[float]], float], band: float | None) -> float | None:
    levels = market.get("levels")
    listed = levels.get(side) if isinstance(levels, Mapping) else None
    known = [float(v) for v in listed if isinstance(v, int | float)] if isinstance(listed, list) else []
    if band is not None:
        known.append(band)
    return outermost(known) if known else None


def _ema(market: Market, period: int) -> float | None:
    indicators = market.get("indicators")
    averages = indicators.get("ema") if isinstance(indicators, Mapping) else None
    for average in averages if isinstance(averages, list) else []:
        if isinstance(average, Mapping) and average.get("period") == period:
            return number(average, "value")
    return None


def _compared(name: str, left: float | None, other: str, right: float | None) -> tuple[int, str] | None:
    if left is None or right is None:
        return None
    score = (left > right) - (left < right)
    return score, f"{name} {left:g} is {('at', 'above', 'below')[score]} {other} {right:g}"


def _sum(*signals: tuple[int, str] | None) -> Lean:
    known = [signal for signal in signals if signal is not None]
    return Lean(sum(score for score, _ in known), len(known), tuple(reason for _, reason in known))


def _side(lean: Lean, needed: int) -> str:
    if abs(lean.score) < needed:
        return "HOLD"
    return "BUY" if lean.score > 0 else "SELL"


def _is_allowed(market: Market, side: str) -> bool:
    constraints = market.get("constraints")
    allowed = constraints.get("allowed_actions") if isinstance(constraints, Mapping) else None
    if not isinstance(allowed, list) or not allowed:
        return True
    return any(isinstance(item, Mapping) and item.get("action") == side for item in allowed)


def _answer(model: str, market: Market, price: float, side: str, lean: Lean) -> dict[str, Any]:
    sign = {"BUY": 1, "SELL": -1, "HOLD": 0}[side]
    stop = _stop_distance(market, price)
    least = number(market, "constraints", "min_risk_reward") or 1.0
    reward = stop * max(2.0, least * 1.1)
    fraction = number(market, "constraints", "max_fraction")
    return {
        "symbol": market.get("symbol"),
        "reasoning": f"sandbox rule '{model}', not a model: " + "; ".join(lean.reasons) + f". {side}.",
        "action": side,
        "confidence": round(min(0.5 + 0.12 * abs(lean.score), 0.9), 2) if sign else 0.5,
        "entry_price": _rounded(price) if sign else None,
        "stop_loss": _rounded(price - sign * stop) if sign else None,
        "take_profit": _rounded(max(price + sign * reward, price * 0.01)) if sign else None,
        "size_fraction": min(0.02, fraction) if sign and fraction is not None else (0.02 if sign else None),
        "leverage": 1 if sign else None,
        "time_horizon": market.get("timeframe"),
        "invalidation": f"a close beyond {_rounded(price - sign * stop):g}" if sign else None,
    }


def _stop_distance(market: Market, price: float) -> float:
    """One and a half ATR (without one: 1 % of the price), kept between 0.1 % and 40 % of the price."""
    atr = number(market, "indicators", "atr", "value")
    wanted = 1.5 * atr if atr is not None and atr > 0 else 0.01 * price
    return min(max(wanted, 0.001 * price), 0.4 * price)


def _rounded(price: float) -> float:
    return float(f"{price:.8g}")
