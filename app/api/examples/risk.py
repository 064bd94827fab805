"""Risk assessments as the document shows them."""

from __future__ import annotations

from typing import Any, Final

from app.api.document import Operation
from app.api.risk_wire import RiskAnswer, RiskBody

RISK_ANSWER: Final[dict[str, Any]] = {
    "risk_score": 1.0,
    "verdict": "reduce",
    "max_fraction": 0.1667,
    "max_leverage": 41.73,
    "reasons": [
        "concentration: a fraction of 0.5, at most 0.1667; exposure to one market at most 0.5 of equity",
        "risk_at_stop: a fraction of 0.5, at most 0.3477; at most 2.00% of equity may be lost at the stop",
    ],
    "scenarios": [
        {"name": "1_atr", "price": 64153.1, "move": 0.00122, "loss": 457.72, "loss_fraction": 0.00183},
        {"name": "at_stop", "price": 63000.0, "move": 0.01917, "loss": 7189.81, "loss_fraction": 0.02876},
    ],
    "currency": "USDT",
    "sources": ["rule"],
    "warnings": [],
    "template": None,
    "cost_usd": "0",
}
RISK: Final = Operation(
    path="/risk-assessments",
    summary="What a proposed decision may lose, and how large it may be",
    tag="decisions",
    request=RiskBody,
    request_example={
        "decision": {
            "symbol": "BTC/USDT",
            "action": "BUY",
            "entry": {"type": "limit", "price": 64231.5},
            "stop_loss": 63000.0,
            "take_profit": [67000.0],
            "size": {"unit": "fraction_of_equity", "value": 0.5},
            "leverage": 3.0,
        },
        "market": {
            "as_of": "2026-11-20T14:15:00Z",
            "price": {"last": 64231.5},
            "indicators": {"atr": {"period": 14, "value": 78.4}},
        },
        "account": {"equity": 250000.0, "open_risk_usd": 500.0},
    },
    answer=RiskAnswer,
    answer_example=RISK_ANSWER,
    stream=None,
)
