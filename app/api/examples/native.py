"""The native surface as the document shows it: chat and decisions."""

from __future__ import annotations

from typing import Any, Final

from app.api.decision_wire import DecisionAnswer, DecisionBody
from app.api.document import Operation
from app.api.native_chat import ChatAnswer, ChatBody

_USAGE: Final = {
    "input_tokens": 21,
    "output_tokens": 9,
    "cached_tokens": 0,
    "reasoning_tokens": 0,
    "source": "reported",
}
_ROUTE: Final = {
    "provider": "openai_primary",
    "model": "gpt-4o-mini",
    "finish_reason": "stop",
    "structured_output": None,
    "usage": _USAGE,
    "cost_usd": "0.00000855",
    "latency_ms": 412.8,
    "time_to_first_token_ms": None,
    "attempts": [
        {
            "provider": "openai_primary",
            "model": "gpt-4o-mini",
            "kind": "first",
            "outcome": "ok",
            "code": None,
            "status": 200,
            "latency_ms": 411.9,
            "cost_usd": "0.00000855",
        }
    ],
    "routing": {
        "policy": "priority",
        "reason": "lowest priority number first",
        "candidates": [{"target": "openai_primary/gpt-4o-mini", "score": 1.0, "why_not": None}],
    },
    "cache": None,
    "replayed": False,
    "warnings": [],
}

CHAT: Final = Operation(
    path="/chat",
    summary="A chat that says where it went, what it used and what it cost",
    tag="native",
    request=ChatBody,
    request_example={
        "messages": [{"role": "user", "content": "BTC/USDT: up or down?"}],
        "model": "auto",
        "policy": "latency",
        "max_tokens": 200,
        "fallbacks": ["anthropic/claude-sonnet-4-5"],
        "deadline_ms": 8000,
        "metadata": {"strategy": "btc-5m"},
    },
    answer=ChatAnswer,
    answer_example={
        "id": "chatcmpl-1",
        "content": "Up, barely.",
        "reasoning": None,
        "tool_calls": [],
        "tool_calls_made": [],
        **_ROUTE,
    },
    stream='event: start\ndata: {"provider":"openai_primary","model":"gpt-4o-mini"}\n\n'
    'event: delta\ndata: {"type":"content","text":"Up"}\n\n'
    'event: usage\ndata: {"input_tokens":21,"output_tokens":9}\n\n'
    'event: done\ndata: {"finish_reason":"stop"}\n\n',
)

_VOTE: Final[dict[str, Any]] = {
    "provider": "sandbox",
    "model": "trend",
    "status": "ok",
    "reason": None,
    "action": "BUY",
    "confidence": 0.72,
    "calibrated_confidence": None,
    "calibration": {"n": 12, "method": "shrunk", "note": "uncalibrated"},
    "weight": 1.0,
    "family": "sandbox",
    "role": "member",
    "shadow": False,
    "stage": 1,
    "samples": [],
    "flip_rate": None,
    "reasoning": "price above both averages, which are rising",
    "intent": None,
    "strength": None,
    "confidence_raw": "0.72",
    "entry": {"type": "market", "price": None},
    "stop_loss": 63900.0,
    "take_profit": [65100.0],
    "size": {"unit": "fraction_of_equity", "value": 0.02},
    "leverage": None,
    "risk_usd": None,
    "time_horizon": "intraday",
    "invalidation": None,
    "key_factors": [],
    "risks": [],
    "risk_reward": 2.6199,
    "violations": [],
    "latency_ms": 12.5,
    "cost_usd": "0",
    "usage": _USAGE,
    "news_driven": None,
    "parse": {"method": "json", "warnings": [], "rung": "native_schema"},
    "contamination": None,
}
DECISION_ANSWER: Final[dict[str, Any]] = {
    "id": "dec_5f0c9d2e",
    "symbol": "BTC/USDT",
    "action": "BUY",
    "actionable": True,
    "confidence": 0.72,
    "reasoning": "price above both averages, which are rising",
    "entry": {"type": "market", "price": None},
    "stop_loss": 63900.0,
    "take_profit": [65100.0],
    "size": {"unit": "fraction_of_equity", "value": 0.02},
    "intent": None,
    "leverage": None,
    "risk_reward": 2.6199,
    "status": "decided",
    "consensus": {
        "method": "majority",
        "agreement": 1.0,
        "effective_votes": 1.0,
        "quorum": 1,
        "settled_reason": "all_voted",
        "settled_at_ms": 13.1,
        "dissent": [],
        "calibration": {"n": 12, "method": "shrunk", "note": "uncalibrated"},
    },
    "votes": [_VOTE],
    "violations": [],
    "cost_usd": "0",
    "latency_ms": 14.2,
    "contamination": None,
    "risk": None,
    "template": {},
    "warnings": [],
    "created_at": "2026-11-20T14:15:01Z",
    "agent_id": None,
    "request_id": "req_5f0c9d2e",
    "algo_id": None,
    "decision_maker_id": None,
    "metadata": {},
    "replayed": False,
    "decision_hash": None,
    "variant": None,
}

DECISION: Final = Operation(
    path="/decisions",
    summary="A panel's decision about a market, stored before it is answered",
    tag="decisions",
    request=DecisionBody,
    request_example={
        "symbol": "BTC/USDT",
        "market": {
            "as_of": "2026-11-20T14:15:00Z",
            "timeframe": "intraday",
            "price": {"last": 64231.5},
            "indicators": {"rsi": {"period": 14, "value": 61.2}, "ema": [{"period": 20, "value": 64118.0}]},
        },
        "models": ["sandbox/trend", "sandbox/reversion", "sandbox/breakout"],
        "deadline_ms": 8000,
    },
    answer=DecisionAnswer,
    answer_example=DECISION_ANSWER,
    stream='event: vote\ndata: {"provider":"sandbox","model":"trend","status":"ok","action":"BUY"}\n\n'
    'event: decision\ndata: {"id":"dec_5f0c9d2e","action":"BUY"}\n\n',
)
