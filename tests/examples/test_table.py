"""The example's table shows what models wrote, whatever it is."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from examples.first_decision import show

CONTEXT: dict[str, Any] = {
    "as_of": "2018-12-24T21:00:00Z",
    "price": {"last": 2351.1001},
    "indicators": {
        "rsi": {"value": 19.21},
        "macd": {"macd": -77.5, "signal": -49.39},
        "ema": [{"value": 2581.72}, {"value": 2672.13}],
        "atr": {"value": 59.24},
        "bollinger": {"lower": 2393.11, "upper": 2849.6},
    },
}


def printed(reason: str) -> str:
    vote = {
        "provider": "local",
        "model": "m",
        "status": "invalid",
        "reason": reason,
        "action": None,
        "confidence": None,
        "latency_ms": 3.0,
        "reasoning": None,
    }
    consensus = {"settled_reason": "all_voted", "settled_at_ms": 3.0, "method": "majority", "agreement": 0, "quorum": 1}
    decision = {
        "id": "dec_1",
        "votes": [vote],
        "consensus": consensus,
        "action": "HOLD",
        "status": "no_quorum",
        "actionable": False,
        "confidence": None,
        "entry": {"type": "limit", "price": 2351.1},
        "stop_loss": None,
        "take_profit": [2173.38],
        "size": {"unit": "fraction_of_equity", "value": 0.02},
        "warnings": [],
    }
    out = io.StringIO()
    show(CONTEXT, decision, Console(file=out, width=100))
    return out.getvalue()


def test_what_a_model_wrote_is_text_and_no_markup_or_control_sequence() -> None:
    text = printed("other_symbol: [/bold]\x1b[2J[red]{\n{")

    assert "other_symbol: [/bold] [2J[red]{ {" in text
    assert "\x1b" not in text


def test_terms_are_shown_as_a_person_reads_them_within_100_columns() -> None:
    text = printed("")

    assert "limit 2351.1" in text
    assert "fraction of equity 0.02" in text
    assert max(map(len, text.splitlines())) <= 100
