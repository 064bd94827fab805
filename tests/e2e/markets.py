"""Market contexts for the end-to-end tests."""

from __future__ import annotations

import json
from typing import Any


def market(**changes: Any) -> dict[str, Any]:
    """A market in a steady rise: trend followers buy it, a limit stop and targets are easy to place."""
    return {
        "symbol": "BTC/USDT",
        "as_of": "2026-11-20T14:15:00Z",
        "timeframe": "intraday",
        "bar": "15m",
        "price": {"last": 64231.5, "bid": 64231.0, "ask": 64232.0},
        "indicators": {
            "rsi": {"period": 14, "value": 61.2},
            "macd": {"macd": 42.1, "signal": 35.0, "hist": 7.1},
            "ema": [{"period": 20, "value": 64118.0}, {"period": 50, "value": 63982.5}],
            "atr": {"period": 14, "value": 78.4},
            "bollinger": {"upper": 64350.0, "middle": 64110.0, "lower": 63870.0},
        },
        "series": [
            {
                "name": "close",
                "bar": "15m",
                "order": "oldest_first",
                "values": [64092, 64131, 64102, 64177, 64215, 64208, 64231],
            }
        ],
        **changes,
    }


def vote(action: str, **fields: Any) -> str:
    """What a model that keeps to the contract answers."""
    said = {"symbol": "BTC/USDT", "reasoning": f"the tape says {action}", "confidence": 0.7, "action": action}
    prices = {
        "BUY": {"entry_price": 64231.5, "stop_loss": 64000.0, "take_profit": 64800.0},
        "SELL": {"entry_price": 64231.5, "stop_loss": 64500.0, "take_profit": 63600.0},
    }.get(action, {})
    return json.dumps({**said, **prices, **fields})
