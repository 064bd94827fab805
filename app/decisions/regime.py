"""What kind of market it is, when the caller does not say: by the indicators given, in an order that can be explained.

ATR / price at or above the timeframe's threshold                          high_volatility
EMA20 above EMA50 by half an ATR, price above EMA20, ADX > 20 or unknown   bull
EMA20 below EMA50 by half an ATR, price below EMA20, ADX > 20 or unknown   bear
anything else, also where something of that is missing                     sideways
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.decisions.context import MarketContext, RegimeLabel, Timeframe
from app.domain.frozen import frozen

WILD_FROM: Final[Mapping[Timeframe, float]] = {
    Timeframe.SCALPING: 0.004,
    Timeframe.INTRADAY: 0.01,
    Timeframe.SWING: 0.04,
    Timeframe.POSITION: 0.08,
}
"""The share of the price that an average bar spans, from which on a market is called highly volatile."""

TREND: Final = 0.5
"""ATRs between EMA20 and EMA50 that make a trend."""
DIRECTED: Final = 20.0
"""ADX above which a market is going somewhere."""

DETECTED: Final = "detected"

_MOST: Final = 1e6


@frozen
class RegimeFound:
    """A regime, who says so, and why; `features` are the figures that the finding rests on, rounded for people."""

    label: RegimeLabel
    source: str
    reason: str
    confidence: float | None = None
    features: Mapping[str, float] | None = None

    def plain(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {
            "label": self.label.value,
            "source": self.source,
            "confidence": self.confidence,
            "reason": self.reason,
            "features": dict(self.features or {}),
        }


def regime_of(market: MarketContext) -> RegimeFound:
    """The caller's regime, else what the indicators say. Its confidence is the caller's: a rule has none to state."""
    given = market.regime
    if given is not None:
        return RegimeFound(given.label, given.source or "caller", "the caller says so", given.confidence)
    wild = _wild(market)
    return wild if wild is not None else _trend(market)


def _wild(market: MarketContext) -> RegimeFound | None:
    atr = market.indicators.atr
    if atr is None:
        return None
    share, threshold = _ratio(atr.value, market.price.last), _threshold(market)
    if share < threshold:
        return None
    reason = f"ATR is {share:.2%} of the price, at or above {threshold:.2%}"
    return RegimeFound(RegimeLabel.HIGH_VOLATILITY, DETECTED, reason, None, _volatility(market))


def _trend(market: MarketContext) -> RegimeFound:
    atr = market.indicators.atr
    fast, slow = market.indicators.average(20), market.indicators.average(50)
    if atr is None or fast is None or slow is None:
        known = {"atr": atr, "EMA20": fast, "EMA50": slow}
        missing = ", ".join(name for name, value in known.items() if value is None)
        return _sideways(f"no trend to be seen without {missing}", _volatility(market))
    strength, lead = _ratio(fast - slow, atr.value), _ratio(market.price.last - fast, atr.value)
    features = {**_volatility(market), "ema_gap_atr": _rounded(strength), "price_lead_atr": _rounded(lead)}
    adx = market.indicators.adx
    if adx is not None:
        features["adx"] = adx.value
    gap = f"EMA20 is {abs(strength):.2f} ATR {'above' if strength >= 0 else 'below'} EMA50"
    if abs(strength) < TREND:
        return _sideways(f"{gap}, less than {TREND:g}", features)
    # On the other side of its own fast average the price has already begun to contradict the trend.
    if lead == 0 or (lead > 0) != (strength > 0):
        return _sideways(f"{gap}, but the price is not on that side of EMA20", features)
    if adx is not None and adx.value <= DIRECTED:
        return _sideways(f"{gap}, but ADX is {adx.value:g}, not above {DIRECTED:g}", features)
    label = RegimeLabel.BULL if strength > 0 else RegimeLabel.BEAR
    said = "" if adx is None else f", ADX is {adx.value:g}"
    reason = f"{gap}, the price is on the same side of EMA20{said}"
    return RegimeFound(label, DETECTED, reason, None, features)


def _sideways(reason: str, features: Mapping[str, float]) -> RegimeFound:
    return RegimeFound(RegimeLabel.SIDEWAYS, DETECTED, reason, None, features)


def _volatility(market: MarketContext) -> dict[str, float]:
    atr = market.indicators.atr
    if atr is None:
        return {}
    share = _ratio(atr.value, market.price.last)
    return {"atr_share": float(f"{share:.4g}"), "atr_share_threshold": _threshold(market)}


def _threshold(market: MarketContext) -> float:
    return WILD_FROM[market.timeframe or Timeframe.INTRADAY]


def _ratio(part: float, whole: float) -> float:
    # The smallest numbers there are divide anything to infinity, which no JSON can say.
    return min(max(part / whole, -_MOST), _MOST)


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")
