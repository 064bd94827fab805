"""What grades need of a request stays when its words do not."""

from __future__ import annotations

from datetime import UTC, datetime

from app.domain.casting import basis_of, grounds_of
from app.domain.horizons import Horizons

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
REQUEST = {
    "market": {
        "symbol": "BTC/USDT",
        "as_of": "2026-11-20T11:00:00Z",
        "timeframe": "swing",
        "venue": "binance",
        "price": {"last": 100.0, "bid": 99.0},
        "indicators": {"atr": {"period": 14, "value": 4.0}, "rsi": {"value": 50}},
        "news": [{"title": "a secret"}],
    },
    "metadata": {"horizon_s": 600, "note": "a secret"},
    "prompt": "a secret",
}
ANSWER = {"action": "BUY", "intent": None, "replayed": False}


def test_grades_start_from_the_same_without_the_words() -> None:
    grounds = grounds_of(REQUEST)

    assert basis_of("d", NOON, ANSWER, grounds) == (basis := basis_of("d", NOON, ANSWER, REQUEST))
    assert (basis.entry_price, basis.atr) == (100.0, 4.0)
    assert Horizons().of(basis, NOON, grounds) == Horizons().of(basis, NOON, REQUEST)
    assert "secret" not in str(grounds)


def test_without_a_market_there_is_nothing_to_keep() -> None:
    assert grounds_of({"prompt": "a secret", "metadata": {"note": "x"}}) == {}
