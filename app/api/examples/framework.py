"""Answers of the routes that the framework serves, by method and path."""

from __future__ import annotations

from typing import Any, Final

from app.api.examples.dossier import DOSSIER, ERASURE
from app.api.examples.experiments import COMPARED, EXPERIMENT
from app.api.examples.native import DECISION_ANSWER

_MODEL: Final = {
    "id": "openai_primary/gpt-4o-mini",
    "object": "model",
    "created": 1721260800,
    "owned_by": "openai_primary",
    "outcry": {
        "kind": "model",
        "providers": [{"provider": "openai_primary", "model": "gpt-4o-mini"}],
        "mode": "chat",
        "context_window": 128000,
        "max_output_tokens": 16384,
        "capabilities": ["json_schema", "tools", "vision"],
        "knowledge_cutoff": "2023-09-30",
        "deprecation_date": None,
        "prices": {
            "input_per_1m_tokens": "0.15",
            "output_per_1m_tokens": "0.6",
            "cached_input_per_1m_tokens": "0.075",
            "cache_write_per_1m_tokens": None,
            "tiers": [],
            "source": "genai-prices 0.2.3",
            "dated": "2026-11-09",
            "since": None,
        },
    },
}
_PUBLIC_KEY: Final = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
_CHECKPOINT: Final = {
    "number": 61,
    "at": "2026-11-20T15:15:00.000000Z",
    "body": '{"at":"2026-11-20T15:15:00.000000Z","heads":[],"number":61,"prev":"5f"}',
    "hash": "5f" * 32,
    "key_id": "56475aa7",
    "public_key": _PUBLIC_KEY,
    "signature": "5f" * 64,
}
_TOOL: Final = {
    "name": "get_price",
    "description": "The last price of a symbol",
    "parameters": {"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]},
    "url": "https://prices.example/v1/last",
    "timeout_ms": 2000,
    "header_names": ["authorization"],
    "enabled": True,
    "created_at": "2026-11-20T14:15:00Z",
    "updated_at": "2026-11-20T14:15:00Z",
}
_CALL: Final = {
    "id": "5f0c9d2e5f0c9d2e5f0c9d2e5f0c9d2e",
    "request_id": "req_5f0c9d2e",
    "round": 1,
    "name": "get_price",
    "call_id": "call_1",
    "status": "failed",
    "http_status": 500,
    "latency_ms": 12.5,
    "code": "tool_error",
    "message": "the tool answered 500: no such symbol",
    "started_at": "2026-11-20T14:15:01Z",
    "bytes_out": 20,
    "bytes_in": 14,
    "agent_id": 7,
    "key_id": "local",
}
_BUDGET: Final = {
    "scope": "agent:7",
    "window": "day",
    "cost_usd": "25",
    "tokens": None,
    "used": {"cost_usd": "3.0125", "tokens": 412000},
    "reserved": {"cost_usd": "0.0105", "tokens": 2400},
    "left": {"cost_usd": "21.977", "tokens": None},
    "alert_at": 0.8,
    "on_exceeded": "refuse",
    "begins_at": "2026-11-20T00:00:00Z",
    "ends_at": "2026-11-21T00:00:00Z",
}
_AGENT: Final = {
    "id": 7,
    "name": "btc-5m",
    "description": None,
    "metadata": {},
    "enabled": True,
    "created_at": "2026-11-20T14:15:00Z",
    "updated_at": "2026-11-20T14:15:00Z",
}
_CONFIG: Final = {
    "id": 3,
    "agent_id": 7,
    "provider": "openai_primary",
    "model_name": "gpt-4o-mini",
    "temperature": 0.7,
    "max_tokens": 500,
    "top_p": None,
    "has_api_key": True,
    "api_key_hint": "sk-…4f2a",
    "fallback_provider": None,
    "fallback_model": None,
    "priority": 0,
    "cost_per_1k_input_tokens": "0.00015",
    "cost_per_1k_output_tokens": "0.0006",
    "enabled": True,
    "metadata": {},
    "created_at": "2026-11-20T14:15:00Z",
    "updated_at": "2026-11-20T14:15:00Z",
}
_SUMMARY: Final = {
    "bucket": "2026-11-20T00:00:00Z",
    "model": "gpt-4o-mini",
    "requests": 12,
    "attempts": 13,
    "input_tokens": 252,
    "output_tokens": 108,
    "cost_usd": "0.0001026",
    "unpriced_requests": 0,
}
_PROJECTED: Final = {
    period: {
        "requests": 96.0 * days,
        "attempts": 104.0 * days,
        "input_tokens": 2016.0 * days,
        "output_tokens": 864.0 * days,
        "unpriced_requests": 0.0,
        "cost_usd": cost,
    }
    for period, days, cost in (("per_day", 1, "0.0008208"), ("per_month", 30, "0.024624"))
} | {"seen": {name: value for name, value in _SUMMARY.items() if name not in ("bucket", "model")}}
_PROJECTION: Final = {
    "since": "2026-11-19T18:00:00Z",
    "until": "2026-11-20T18:00:00Z",
    "covered_seconds": 10800.0,
    "rows": [{"provider": "openai_primary", "model": "gpt-4o-mini", **_PROJECTED}],
    "total": _PROJECTED,
    "warnings": [],
}
_HEALTH: Final = {
    "overall_status": "healthy",
    "panic": False,
    "providers": {"openai_primary": {"status": "healthy", "is_healthy": True, "circuit": "closed", "in_flight": 0}},
    "ranking": ["openai_primary"],
}

_STRATEGY: Final = {"strategy": "priority", "source": "configuration", "since": None, "scope": "all", "workers": 1}
_ATTEMPTS: Final = {
    "attempts": 12, "ok": 11, "error": 1, "cancelled": 0, "skipped": 0, "retries": 0, "fallbacks": 1,
    "hedges": 0,
}  # fmt: skip
_FIGURES: Final = {
    "samples": 1,
    "requests": 12,
    "failures": 0,
    "success_rate": 1.0,
    "error_rate": 0.0,
    "uptime_percentage": 100.0,
    "response_time_ms": 411.9,
    "p95_ms": 655.1,
}
_SAMPLE: Final = {
    "at": "2026-11-20T14:15:00Z",
    "provider": "openai_primary",
    "status": "healthy",
    "circuit": "closed",
    **_FIGURES,
    "in_flight": 0,
    "last_error": None,
    "process": "5f0c9d2e",
}
_WINDOW: Final = {"since": "2026-11-19T14:15:30Z", "until": "2026-11-20T14:15:30Z"}

_STOP: Final = {
    "scope": "agent:7",
    "reason": "drawdown of 8 %",
    "since": "2026-11-20T14:18:00.125000Z",
    "by": "1a2b3c4d",
}
_ROW: Final = {
    "provider": "openai_primary",
    "model": "gpt-4o-mini",
    "rank": 1,
    "note": None,
    "decisions": 412,
    "resolved": 380,
    "correct": 214,
    "hit_rate": 0.563158,
    "hit_rate_interval": [0.512899, 0.612159],
    "abstentions": {"provider_timeout": 9, "outcome_fixed": 4},
    "abstention_rate": 0.022059,
    "invalid": {},
    "invalid_rate": 0.0,
    "errors": 9,
    "mean_forward_return": 0.000412,
    "paper_return": 0.15656,
    "max_drawdown": 0.0421,
    "win_rate": 0.571014,
    "profit_factor": 1.31,
    "brier": 0.243,
    "ece": 0.061,
    "value_added": 0.018421,
    "value_added_over": 380,
    "average_latency_ms": 1480.2,
    "p50_ms": 1310.0,
    "p95_ms": 3120.5,
    "cost_usd": "0.183",
    "cost_per_decision": "0.000444175",
    "cost_per_correct_decision": "0.000791121",
    "unpriced": 0,
}
_SCORED: Final = {"since": "2026-08-22T14:15:00Z", "until": "2026-11-20T14:15:00Z", "agent": None, "symbol": None}
_CURVE: Final = {
    "provider": "openai_primary",
    "model": "gpt-4o-mini",
    "method": "isotonic",
    "n": 380,
    "base_rate": 0.56,
    "note": None,
    "points": [[0.5, 0.48], [0.7, 0.55], [0.9, 0.61]],
}
EXAMPLES: Final[dict[str, Any]] = {
    "GET /v1/models": {"object": "list", "data": [_MODEL]},
    "GET /v1/models/{model_id}": _MODEL,
    "GET /decisions": {"items": [DECISION_ANSWER], "next": None},
    "GET /decisions/{decision_id}": DECISION_ANSWER,
    "GET /decisions/{decision_id}/dossier": DOSSIER,
    "DELETE /decisions/{decision_id}/payload": ERASURE,
    "POST /prompts/render": {
        "messages": [
            {"role": "system", "content": "You are one member of a panel that decides about one market. ..."},
            {"role": "user", "content": "<<<market_context 3f2a9c0d5e6b7a81>>>\n..."},
        ],
        "template": {
            "id": "decision",
            "version": "2.0",
            "hash": "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9",
            "blocks": [
                {
                    "id": "regime_bull",
                    "version": "1",
                    "hash": "6dcd4ce23d88e2ee9568ba546c007c63d9131c1b7b3d3f4a2a1f5a1c5f3f5a10",
                }
            ],
            "regime": {
                "label": "bull",
                "source": "detected",
                "confidence": None,
                "reason": "EMA20 is 1.73 ATR above EMA50, the price is on the same side of EMA20",
                "features": {"atr_share": 0.001221, "atr_share_threshold": 0.01, "ema_gap_atr": 1.728},
            },
            "prompt_hash": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        },
        "injection_suspected": False,
        "estimates": [
            {"provider": "openai_primary", "model": "gpt-4o-mini", "input_tokens": 1240, "cost_usd": "0.000186"}
        ],
        "warnings": [],
    },
    "GET /providers": {
        "providers": [
            {
                "name": "openai_primary",
                "type": "openai",
                "enabled": True,
                "priority": 1,
                "weight": 1.0,
                "models": ["gpt-4o-mini"],
                "default_model": "gpt-4o-mini",
                "rate_limit": {"requests_per_minute": 5000, "strategy": "sliding_window"},
                "max_concurrent": 50,
                "state": {"status": "healthy", "circuit": "closed", "in_flight": 0},
            }
        ],
        "failover_strategy": "priority",
        "source": "outcry.yaml",
        "warnings": [],
    },
    "GET /providers/health": _HEALTH,
    "GET /providers/health/export": {"window": _WINDOW, "items": [_SAMPLE]},
    "GET /providers/{name}/health/history": {
        "provider": "openai_primary",
        "window": {**_WINDOW, "step": None},
        "summary": _FIGURES,
        "items": [_SAMPLE],
        "next": None,
    },
    "GET /api/llm-providers": {
        "current_provider": "groq",
        "providers": {
            "groq": {
                "status": "available",
                "priority": 1,
                "requests_today": 150,
                "requests_this_minute": 5,
                "rate_limit_per_minute": 30,
                "rate_limit_per_day": None,
                "tokens_today": 61200,
                "token_limit_per_minute": None,
                "token_limit_per_day": 100000,
                "is_current": True,
            }
        },
    },
    "POST /providers/{name}/test": {
        "provider": "openai_primary",
        "type": "openai",
        "model": "gpt-4o-mini",
        "status": "passed",
        "success_rate": 1.0,
        "summary": {"passed": 1, "failed": 0, "skipped": 0},
        "started_at": "2026-11-21T09:00:00.000Z",
        "duration_ms": 655.2,
        "cost_usd": "0.00000465",
        "checks": [
            {
                "name": "chat",
                "status": "passed",
                "latency_ms": 655.1,
                "detail": "said '4'",
                "cost_usd": "0.00000465",
                "input_tokens": 19,
                "output_tokens": 3,
                "figures": {},
            }
        ],
    },
    "POST /providers/{name}/circuit/reset": {"provider": "openai_primary", "targets": ["gpt-4o-mini"]},
    "POST /routing/explain": {
        "target": "openai_primary/gpt-4o-mini",
        "plan": ["openai_primary/gpt-4o-mini"],
        "routing": {
            "policy": "cost_aware",
            "reason": "lowest expected cost of this request first",
            "candidates": [
                {"target": "openai_primary/gpt-4o-mini", "score": 0.00030315, "why_not": None},
                {"target": "claude/claude-sonnet-4-5", "score": None, "why_not": "circuit open for another 21.4 s"},
            ],
        },
        "error": None,
        "warnings": [],
    },
    "GET /routing/strategy": _STRATEGY,
    "PUT /routing/strategy": {**_STRATEGY, "strategy": "cost_aware", "source": "run_time"},
    "GET /routing/stats": {
        "since": "2026-11-21T09:00:00.000Z",
        **_ATTEMPTS,
        "failures_by_code": {"provider_overloaded": 1},
        "fallbacks_by_code": {"provider_overloaded": 1},
        "panic": {"requests": 0, "admitted": 0, "last_at": None},
        "hedges_by_outcome": {"won": 0, "lost": 0, "failed": 0, "denied": 0},
        "targets": [{"target": "openai_primary/gpt-4o-mini", **_ATTEMPTS}],
    },
    "POST /tools": _TOOL,
    "GET /tools": {"items": [_TOOL], "next": None},
    "GET /tools/{name}": _TOOL,
    "POST /experiments": EXPERIMENT,
    "GET /experiments": {"items": [EXPERIMENT], "next": None},
    "GET /experiments/{experiment_id}": COMPARED,
    "POST /experiments/{experiment_id}/stop": EXPERIMENT
    | {"status": "stopped", "stopped_at": "2026-11-21T14:15:00Z", "stopped_by": "5f0c9d2e"},
    "GET /tools/{name}/calls": {"items": [_CALL], "next": None},
    "POST /agents": _AGENT,
    "GET /agents": {"items": [_AGENT], "next": None},
    "GET /agents/{agent_id}": _AGENT,
    "PATCH /agents/{agent_id}": _AGENT,
    "GET /agents/{agent_id}/llm-config": {"agent_id": 7, "primary": _CONFIG, "configs": [_CONFIG]},
    "PUT /agents/{agent_id}/llm-config": _CONFIG,
    "POST /agents/{agent_id}/llm-config": _CONFIG,
    "PATCH /agents/{agent_id}/llm-config/{config_id}": _CONFIG,
    "POST /agents/{agent_id}/llm-config/validate": {
        "reachable": True,
        "authorised": True,
        "model_known": True,
        "price_known": True,
        "latency_ms": 212.4,
        "code": None,
        "message": None,
    },
    "GET /leaderboard": {"by": "model", "rows": [_ROW], "window": _SCORED},
    "GET /calibration": {"models": [_CURVE], "methods": []},
    "GET /usage": {"items": [], "next": None},
    "GET /usage/summary": {"rows": [_SUMMARY], "total": {k: v for k, v in _SUMMARY.items() if k != "bucket"}},
    "GET /usage/projection": {"month_days": 30, "last_24h": _PROJECTION, "last_7d": _PROJECTION},
    "GET /metrics": "outcry_requests_total 1.0",
    "GET /health/live": {"status": "alive"},
    "GET /health/ready": {"status": "ready", "reasons": []},
    "POST /decisions/{decision_id}/outcome": {
        "outcome_id": "fill-5f0c9d2e",
        "decision_id": "dec_5f0c9d2e",
        "version": 1,
        "kind": "realized",
        "observed_at": "2026-11-20T18:15:00Z",
        "horizon_s": None,
        "entry_price": 64231.5,
        "exit_price": 64688.0,
        "realized_pnl": None,
        "fees": 1.2,
        "currency": "USDT",
        "quantity": 0.01,
        "exit_reason": "take_profit",
        "source": None,
        "forward_return": 0.0071,
        "threshold": 0.0019,
        "grades": [{"provider": "sandbox", "model": "trend", "action": "BUY", "correct": True}],
    },
    "POST /prices": {"added": 1, "corrected": 0, "unchanged": 0, "graded": 1, "complete": True},
    "GET /budgets": {"items": [_BUDGET]},
    "PUT /budgets/{scope}": _BUDGET,
    "GET /budgets/{scope}": {**_BUDGET, "windows": [_BUDGET]},
    "POST /admin/kill": {"stopped": [_STOP]},
    "POST /admin/resume": {"stopped": []},
    "GET /admin/kill": {
        "stopped": [_STOP],
        "history": [
            {
                "action": "kill",
                "scope": "agent:7",
                "reason": "drawdown of 8 %",
                "at": "2026-11-20T14:18:00.125000Z",
                "by": "1a2b3c4d",
            }
        ],
    },
    "GET /audit/verify": {
        "ok": False,
        "rows": 41873,
        "first_bad": {
            "chain": "20261120T141500-5f0c9d2e5f0c",
            "seq": 1042,
            "id": "decision:dec_5f0c9d2e",
            "reason": "its payload was changed",
        },
        "chains": 3,
        "checkpoints": 61,
        "signed": 61,
        "unsealed": 12,
        "public_key": _PUBLIC_KEY,
    },
    "GET /audit/checkpoints": {"items": [_CHECKPOINT], "next": None},
    "GET /audit/changes": {
        "items": [
            {
                "at": "2026-11-20T14:15:00.125000Z",
                "kind": "change",
                "subject": "agent:7",
                "what": "llm_config_changed",
                "by": "1a2b3c4d",
                "request_id": "req_5f0c9d2e",
                "before": {"llm_config": 12, "temperature": 0.7, "api_key": {"hint": "sk-…4f2a"}},
                "after": {"llm_config": 12, "temperature": 0.2, "api_key": {"did": "replaced", "hint": "sk-…9b1c"}},
                "reason": None,
                "chain": "20261120T141500-5f0c9d2e5f0c",
                "seq": 42,
                "hash": "5f" * 32,
            }
        ],
        "next": None,
    },
    "GET /audit/{decision_id}/bundle": {
        "format": "outcry-bundle-1",
        "decision_id": "dec_5f0c9d2e",
        "is_sealed": True,
        "segments": [
            {
                "chain": "20261120T141500-5f0c9d2e5f0c",
                "prev": "0" * 64,
                "checkpoint": 61,
                "links": [{"seq": 1, "own": "5f" * 32}],
            }
        ],
        "checkpoints": [_CHECKPOINT],
    },
    "POST /admin/reload": {"source": "outcry.yaml", "providers": ["openai_primary"], "revision": 2},
}
"""Answers by `METHOD path`."""
