"""When two spellings of a symbol mean the same market: BTC, BTCUSDT, BTC-USDT, BTC/USDT."""

from __future__ import annotations

import re
from typing import Final

SYMBOL_PATTERN: Final = r"^[A-Z0-9][A-Z0-9._:/^=\-]{0,31}$"

_SYMBOL: Final = re.compile(SYMBOL_PATTERN)
_DOLLARS: Final = frozenset({"USD", "USDT", "USDC", "BUSD", "FDUSD", "TUSD", "DAI"})
_QUOTES: Final = (
    *sorted(_DOLLARS, key=len, reverse=True),
    *("EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "CNY", "KRW", "TRY", "BRL", "BTC", "ETH", "BNB"),
)
_CONTRACTS: Final = frozenset({"PERP", "SWAP", "SPOT", "P"})
_SEPARATOR: Final = re.compile(r"[/:_\-\s]+")
_DECORATION: Final = re.compile(r"[^A-Z0-9=^]")


def is_symbol(text: str) -> bool:
    """Whether this could be a symbol, after capitals."""
    return _SYMBOL.match(text.strip().upper()) is not None


def same_symbol(one: str, other: str) -> bool:
    """Whether both name the same market; a spelling without a quote currency matches any, and all dollars are one."""
    if one == other or squeezed(one) == squeezed(other):
        return True
    base, quote = market_of(one)
    other_base, other_quote = market_of(other)
    return base == other_base and (not quote or not other_quote or quote == other_quote)


def squeezed(symbol: str) -> str:
    """Without separators and in capitals: what BTC/USDT and BTCUSDT have in common."""
    return _DECORATION.sub("", symbol.upper())


def market_of(symbol: str) -> tuple[str, str]:
    """Base and quote, the quote `""` when there is none; dollar coins are USD.

    Two spellings are the same market when they have a base in common, and a quote where both name one.
    """
    text = symbol.strip().upper().lstrip("$")
    parts = [part for part in _SEPARATOR.split(text) if part and part not in _CONTRACTS]
    if len(parts) > 1 and parts[1] in _QUOTES:
        return parts[0], _coin(parts[1])
    if len(parts) != 1:
        return squeezed(symbol), ""
    whole = parts[0].removesuffix(".P")
    for quote in _QUOTES:
        # A base has at least two letters, or a share called SUSD would become S.
        if whole.endswith(quote) and len(whole) - len(quote) >= 2:
            return whole.removesuffix(quote), _coin(quote)
    return whole, ""


def _coin(quote: str) -> str:
    return "USD" if quote in _DOLLARS else quote
