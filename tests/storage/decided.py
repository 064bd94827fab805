"""Decisions as the record gets them, for the tests of what is kept beside them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.decision import Action, Consensus, Decision, DecisionStatus, SettledReason

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def filing(number: int, symbol: str = "BTC/USDT", **fields: Any) -> Decision:
    """A decision to BUY, made so many seconds after noon."""
    consensus = Consensus("majority", 1.0, 1.0, 1, SettledReason.ALL_VOTED, 0.3)
    made = NOON + timedelta(seconds=number)
    return Decision(f"dec-{number}", symbol, DecisionStatus.DECIDED, Action.BUY, True, consensus, (), made, **fields)


def answered(decision: Decision, *votes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Its answer, as far as anybody looks."""
    return {
        "id": decision.id,
        "action": "BUY",
        "intent": None,
        "consensus": {"method": "majority"},
        "votes": list(votes),
        "replayed": False,
        **fields,
    }


def vote(action: str | None, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """A vote in an answer; without an action an abstention."""
    return {
        "provider": "alpha",
        "model": "alpha-1",
        "status": "timeout" if action is None else "ok",
        "reason": reason,
        "action": action,
        "confidence": None if action is None else 0.7,
        "weight": 1.0,
        "family": "alpha",
        "role": "member",
        "latency_ms": 250.0,
        "cost_usd": "0.000123",
        **fields,
    }


def asked(price: float | None = 100.0, **market: Any) -> dict[str, Any]:
    """Its request: at a price of 100 with an ATR of 2, as of noon."""
    if price is None:
        return {"market": None, "metadata": {}}
    metadata = market.pop("metadata", {})
    facts = {"as_of": NOON.isoformat(), "price": {"last": price}, "indicators": {"atr": {"value": 2.0}}}
    return {"market": facts | market, "metadata": metadata}
