"""Three rule-based traders that read a market context: trend, reversion, breakout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from app.domain.frozen import frozen

Market = Mapping[str, Any]
_NOTHING: Final[Market] = MappingProxyType({})


@frozen
class Lean:
    """Where a rule leans: above 0 up, below 0 down, 0 neither; `None` strength means that it saw nothing to judge."""

    score: int
    signals: int
    reasons: tuple[str, ...]


def opine(model: str, market: Market) -> dict[str, Any] | None:
    """The trader's answer with the keys of the decision schema, or None when the context has nothing for its rule."""
    price = number(part(market, "price"), "last")
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


def part(whole: Market, name: str) -> Market:
    """The part of a context that has this name; empty when there is none."""
    found = whole.get(name)
    # It was read from JSON, where objects are dicts: to ask an abstract class takes ten times as long.
    return found if isinstance(found, dict) else _NOTHING


def number(of: Market, name: str) -> float | None:
    """The number of this name; None when there is none."""
    value: Any = of.get(name)
    kind = type(value)
    return float(value) if kind is float or kind is int else None


def _trend(market: Market, price: float) -> Lean:
    """EMA20 against EMA50, MACD against its signal, price against EMA20."""
    indicators = part(market, "indicators")
    averages, macd = indicators.get("ema"), part(indicators, "macd")
    fast, slow = _ema(averages, 20), _ema(averages, 50)
    return _sum(
        _compared("EMA20", fast, "EMA50", slow),
        _compared("MACD histogram", _histogram(macd), "zero", 0.0),
        _compared("price", price, "EMA20", fast),
    )


def _reversion(market: Market, price: float) -> Lean:
    """RSI beyond 30 or 70, price outside the Bollinger bands: both call for a way back."""
    indicators = part(market, "indicators")
    rsi, bands = number(part(indicators, "rsi"), "value"), part(indicators, "bollinger")
    upper, lower = number(bands, "upper"), number(bands, "lower")
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
    levels, indicators = part(market, "levels"), part(market, "indicators")
    bands = part(indicators, "bollinger")
    ceiling = _nearest(levels.get("resistance"), max, number(bands, "upper"))
    floor = _nearest(levels.get("support"), min, number(bands, "lower"))
    if ceiling is None and floor is None:
        return Lean(0, 0, ())
    if ceiling is not None and price > ceiling:
        direction, reason, room = 1, f"price {price:g} broke above {ceiling:g}", price - ceiling
    elif floor is not None and price < floor:
        direction, reason, room = -1, f"price {price:g} broke below {floor:g}", floor - price
    else:
        return Lean(0, 1, (f"price {price:g} is inside its range",))
    is_confirmed, why = _confirmation(indicators, room)
    return Lean(direction if is_confirmed else 0, 1, (reason, why))


TRADERS: Final[Mapping[str, tuple[Callable[[Market, float], Lean], int]]] = {
    "trend": (_trend, 2),
    "reversion": (_reversion, 1),
    "breakout": (_breakout, 1),
}
"""The rule of each model, and how far it must lean before it acts."""


def _confirmation(indicators: Market, room: float) -> tuple[bool, str]:
    volume = part(indicators, "volume")
    last, usual = number(volume, "last"), number(volume, "avg20")
    if last is not None and usual is not None:
        return last >= usual, f"volume {last:g} against an average of {usual:g}"
    atr = number(part(indicators, "atr"), "value")
    if atr is not None:
        return room >= atr / 4, f"{room:g} beyond the level with an ATR of {atr:g}"
    return False, "neither volume nor ATR to confirm it"


def _nearest(listed: object, outermost: Callable[[list[float]], float], band: float | None) -> float | None:
    known = [float(v) for v in listed if isinstance(v, int | float)] if isinstance(listed, list) else []
    if band is not None:
        known.append(band)
    return outermost(known) if known else None


def _ema(averages: object, period: int) -> float | None:
    for average in averages if isinstance(averages, list) else []:
        if isinstance(average, dict) and average.get("period") == period:
            return number(average, "value")
    return None


def _histogram(macd: Market) -> float | None:
    stated = number(macd, "hist")
    if stated is not None:
        return stated
    line, signal = number(macd, "macd"), number(macd, "signal")
    return None if line is None or signal is None else line - signal


def _compared(name: str, left: float | None, other: str, right: float | None) -> tuple[int, str] | None:
    if left is None or right is None:
        return None
    score = (left > right) - (left < right)
    return score, f"{name} {left:g} is {('at', 'above', 'below')[score]} {other} {right:g}"


def _sum(*signals: tuple[int, str] | None) -> Lean:
    known = [signal for signal in signals if signal is not None]
    return Lean(sum([score for score, _ in known]), len(known), tuple([reason for _, reason in known]))


def _side(lean: Lean, needed: int) -> str:
    if abs(lean.score) < needed:
        return "HOLD"
    return "BUY" if lean.score > 0 else "SELL"


def _is_allowed(market: Market, side: str) -> bool:
    allowed = part(market, "constraints").get("allowed_actions")
    if not isinstance(allowed, list) or not allowed:
        return True
    return side in [item.get("action") for item in allowed if isinstance(item, dict)]


def _answer(model: str, market: Market, price: float, side: str, lean: Lean) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "symbol": market.get("symbol"),
        "reasoning": f"sandbox rule '{model}', not a model: {'; '.join(lean.reasons)}. {side}.",
        "action": side,
        "confidence": 0.5,
        "entry_price": None,
        "stop_loss": None,
        "take_profit": None,
        "size_fraction": None,
        "leverage": None,
        "time_horizon": market.get("timeframe"),
        "invalidation": None,
    }
    if side != "HOLD":
        answer |= _trade(market, price, 1 if side == "BUY" else -1, abs(lean.score))
    return answer


def _trade(market: Market, price: float, sign: int, strength: int) -> dict[str, Any]:
    constraints, distance = part(market, "constraints"), _stop_distance(market, price)
    least = number(constraints, "min_risk_reward") or 1.0
    reward = distance * max(2.0, least * 1.1)
    fraction, stop = number(constraints, "max_fraction"), _rounded(price - sign * distance)
    return {
        "confidence": round(min(0.5 + 0.12 * strength, 0.9), 2),
        "entry_price": _rounded(price),
        "stop_loss": stop,
        "take_profit": _rounded(max(price + sign * reward, price * 0.01)),
        "size_fraction": 0.02 if fraction is None else min(0.02, fraction),
        "leverage": 1,
        "invalidation": f"a close beyond {stop:g}",
    }


def _stop_distance(market: Market, price: float) -> float:
    """One and a half ATR (without one: 1 % of the price), kept between 0.1 % and 40 % of the price."""
    atr = number(part(part(market, "indicators"), "atr"), "value")
    wanted = 1.5 * atr if atr is not None and atr > 0 else 0.01 * price
    return min(max(wanted, 0.001 * price), 0.4 * price)


def _rounded(price: float) -> float:
    return float(f"{price:.8g}")
