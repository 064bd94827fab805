"""How numbers are written in a prompt: prices as finely as they are quoted, never in powers of ten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Final

from app.decisions.context import MarketContext
from app.domain.frozen import frozen
from app.text.context_block import without_angles
from app.text.invisible import without_invisible

PLAIN_DIGITS: Final = 9
"""Significant digits of what is no price: volumes, money, whatever a caller adds."""
PRICE_DIGITS: Final = (6, 10)
"""Without a tick size: least and most significant digits of prices."""
LEAST_DIGITS: Final = 4
"""Significant digits that even the smallest number keeps."""
FINER: Final = 2
"""More decimals for differences between prices, which are small beside them."""

_WORDS: Final = {None: "null", True: "true", False: "false"}

_PRICES: Final = frozenset(
    {("price", name) for name in ("last", "bid", "ask")}
    | {("bollinger", name) for name in ("upper", "middle", "lower")}
    | {("position", name) for name in ("entry_price", "stop_loss", "take_profit")}
    | {("levels", "support"), ("levels", "resistance"), ("ema", "value")}
    | {("indicators", "vwap"), ("higher_timeframe", "vwap")}
)
_PRICE: Final = ("price", "last")
_PRICE_PART: Final = ("", "price")
_DIFFERENCES: Final = frozenset({("atr", "value"), ("macd", "macd"), ("macd", "signal"), ("macd", "hist")})
_PRICE_SERIES: Final = frozenset(("open", "high", "low", "close", "last", "bid", "ask", "mid", "price", "vwap"))


@frozen
class Figures:
    """Writes JSON values; `decimals` are those of a price."""

    decimals: int

    @classmethod
    def of(cls, market: MarketContext) -> Figures:
        """By the tick size, else by how finely the quote is written."""
        if market.tick_size is not None:
            return cls(_decimals(market.tick_size))
        quoted = max(_decimals(price) for price in (market.price.last, market.price.bid, market.price.ask) if price)
        magnitude = Decimal(repr(market.price.last)).adjusted()
        least, most = (digits - 1 - magnitude for digits in PRICE_DIGITS)
        return cls(max(min(max(quoted, least), most), 0))

    def written(self, name: str, value: object) -> str:
        """JSON of a context's part: sorted keys, one spelling per value, no angle brackets, nothing invisible."""
        return self._written(value, ("", name))

    def _written(self, value: object, place: tuple[str, str]) -> str:
        # Plain types first: asking an abstract one takes ten times as long, and a market has hundreds of values.
        match value:
            case float():
                return _number(value, self._decimals_at(place))
            case str():
                return _text(value)
            case None | bool():
                return _WORDS[value]
            case int():
                return int.__repr__(value)
            case dict() | Mapping():
                return self._object(value, place)
            case list() | tuple() | Sequence():
                return self._list(value, place)
        raise TypeError(f"{type(value).__name__} is no JSON value")

    def _object(self, value: Mapping[str, Any], place: tuple[str, str]) -> str:
        if place[1] == "series" and value.get("name", "").lower() in _PRICE_SERIES:
            place = _PRICE_PART
        name = place[1]
        # The values of a series of prices are prices themselves.
        values = _PRICE if place == _PRICE_PART else (name, "values")
        members = [
            f"{_text(key)}:{self._written(value[key], values if key == 'values' else (name, key))}"
            for key in sorted(value)
        ]
        return f"{{{','.join(members)}}}"

    def _list(self, value: Sequence[Any], place: tuple[str, str]) -> str:
        decimals = self._decimals_at(place)
        # The numbers of a series are many, and all stand in one place.
        items = [_number(item, decimals) if type(item) is float else self._written(item, place) for item in value]
        return f"[{','.join(items)}]"

    def _decimals_at(self, place: tuple[str, str]) -> int | None:
        """Those of the numbers in this place; None for what is no price."""
        if place in _PRICES:
            return self.decimals
        return self.decimals + FINER if place in _DIFFERENCES else None


def _number(value: float, decimals: int | None) -> str:
    """To so many decimals, or to as many as leave a small number its first digits."""
    if value.is_integer() and (decimals is not None or abs(value) < 10**PLAIN_DIGITS):
        return str(int(value))
    if decimals is None:
        text = f"{value:.{PLAIN_DIGITS}g}"
        text = format(Decimal(text), "f") if "e" in text else text
    else:
        # With a digit to spare, so that only what may be small enough is looked at as it is written.
        if value and abs(value) < 10.0 ** (LEAST_DIGITS - decimals):
            decimals = max(decimals, LEAST_DIGITS - 1 - Decimal(repr(value)).adjusted())
        text = f"{value:.{decimals}f}"
    if text[-1] == "0" and "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _text(value: str) -> str:
    # A name, as nearly all are, stands for itself.
    if value.isascii() and value.isidentifier():
        return f'"{value}"'
    return without_angles(encode_basestring(without_invisible(value)))


def _decimals(value: float) -> int:
    fraction = repr(value).partition(".")[2]
    if fraction.isdigit():
        return len(fraction.rstrip("0"))
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
