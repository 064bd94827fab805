"""What the OpenAPI document shows of each operation."""

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
    "warnings": [],
}

COMPLETIONS: Final = Operation(
    path="/v1/chat/completions",
    summary="OpenAI's chat completions, over every configured provider",
    tag="openai",
    request={
        "type": "object",
        "required": ["messages"],
        "additionalProperties": True,
        "properties": {
            "model": {
                "type": "string",
                "description": "provider/model, a bare id, an alias, auto, auto:<policy>, task:<type>, agent:<id>",
            },
            "models": {"type": "array", "items": {"type": "string"}, "description": "Tried in this order"},
            "messages": {"type": "array", "minItems": 1, "maxItems": 1024, "items": {"type": "object"}},
            "stream": {"type": ["boolean", "null"]},
            "stream_options": {"type": ["object", "null"]},
            "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
            "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "max_tokens": {"type": ["integer", "null"], "minimum": 1},
            "max_completion_tokens": {"type": ["integer", "null"], "minimum": 1},
            "n": {"type": ["integer", "null"], "minimum": 1},
            "stop": {"type": ["string", "array", "null"]},
            "tools": {"type": ["array", "null"], "maxItems": 128, "items": {"type": "object"}},
            "tool_choice": {"type": ["string", "object", "null"]},
            "response_format": {"type": ["object", "null"]},
            "provider": {"type": ["object", "null"], "properties": {"allow_fallbacks": {"type": "boolean"}}},
        },
    },
    request_example={"model": "auto", "messages": [{"role": "user", "content": "BTC/USDT: up or down?"}]},
    answer={
        "type": "object",
        "required": ["id", "object", "created", "model", "choices"],
        "properties": {
            "id": {"type": "string"},
            "object": {"const": "chat.completion"},
            "created": {"type": "integer"},
            "model": {"type": "string"},
            "choices": {"type": "array", "items": {"type": "object"}},
            "usage": {"type": "object"},
        },
    },
    answer_example={
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1795874400,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Up, barely."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30},
    },
    stream='data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795874400,"model":"gpt-4o-mini",'
    '"choices":[{"index":0,"delta":{"content":"Up"},"finish_reason":null}]}\n\ndata: [DONE]\n\n',
)

RESPONSES: Final = Operation(
    path="/v1/responses",
    summary="OpenAI's responses, over every configured provider; nothing is kept between requests",
    tag="openai",
    request={
        "type": "object",
        "required": ["input"],
        "additionalProperties": True,
        "properties": {
            "model": {
                "type": "string",
                "description": "provider/model, a bare id, an alias, auto, auto:<policy>, task:<type>, agent:<id>",
            },
            "models": {"type": "array", "items": {"type": "string"}, "description": "Tried in this order"},
            "input": {
                "description": "Text, or all items of the conversation so far",
                "oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "object"}}],
            },
            "instructions": {"type": ["string", "null"]},
            "stream": {"type": ["boolean", "null"]},
            "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
            "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "max_output_tokens": {"type": ["integer", "null"], "minimum": 1},
            "tools": {"type": ["array", "null"], "maxItems": 128, "items": {"type": "object"}},
            "tool_choice": {"type": ["string", "object", "null"]},
            "parallel_tool_calls": {"type": ["boolean", "null"]},
            "reasoning": {"type": ["object", "null"]},
            "text": {"type": ["object", "null"], "description": "format: text, json_object or json_schema; verbosity"},
            "include": {"type": ["array", "null"], "items": {"type": "string"}},
            "store": {"type": ["boolean", "null"], "description": "Taken, and false in the answer"},
            "provider": {"type": ["object", "null"], "properties": {"allow_fallbacks": {"type": "boolean"}}},
        },
    },
    request_example={"model": "auto", "instructions": "Be brief.", "input": "BTC/USDT: up or down?"},
    answer={
        "type": "object",
        "required": ["id", "object", "created_at", "status", "model", "output", "usage"],
        "properties": {
            "id": {"type": "string"},
            "object": {"const": "response"},
            "created_at": {"type": "integer"},
            "status": {"type": "string", "enum": ["completed", "incomplete"]},
            "incomplete_details": {"type": ["object", "null"]},
            "model": {"type": "string"},
            "output": {"type": "array", "items": {"type": "object"}},
            "usage": {"type": "object"},
        },
    },
    answer_example={
        "id": "resp_1",
        "object": "response",
        "created_at": 1795874400,
        "status": "completed",
        "incomplete_details": None,
        "model": "gpt-4o-mini",
        "output": [
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Up, barely.", "annotations": [], "logprobs": []}],
            }
        ],
        "store": False,
        "usage": {
            "input_tokens": 21,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 9,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 30,
        },
    },
    stream='event: response.output_text.delta\ndata: {"type":"response.output_text.delta","sequence_number":4,'
    '"item_id":"msg_1","output_index":0,"content_index":0,"delta":"Up","logprobs":[]}\n\n'
    'event: response.completed\ndata: {"type":"response.completed","sequence_number":8,"response":{"id":"resp_1"}}\n\n',
)

EMBEDDINGS: Final = Operation(
    path="/v1/embeddings",
    summary="OpenAI's embeddings, at every provider that embeds",
    tag="openai",
    request={
        "type": "object",
        "required": ["input"],
        "additionalProperties": True,
        "properties": {
            "model": {"type": "string", "description": "provider/model, a bare id or an alias"},
            "models": {"type": "array", "items": {"type": "string"}, "description": "Tried in this order"},
            "input": {
                "description": "A text, up to 2048 texts, or token ids",
                "oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "maxItems": 2048}],
            },
            "dimensions": {"type": ["integer", "null"], "minimum": 1},
            "encoding_format": {"enum": ["float", "base64", None]},
            "user": {"type": ["string", "null"]},
        },
    },
    request_example={"model": "text-embedding-3-small", "input": ["BTC/USDT broke its range", "BTC/USDT is flat"]},
    answer={
        "type": "object",
        "required": ["object", "data", "model", "usage"],
        "properties": {
            "object": {"const": "list"},
            "data": {"type": "array", "items": {"type": "object"}},
            "model": {"type": "string"},
            "usage": {"type": "object"},
        },
    },
    answer_example={
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.0023, -0.0093, -0.0029]}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    },
    stream=None,
)

_ANTHROPIC_FIELDS: Final = {
    "model": {
        "type": "string",
        "description": "provider/model, a bare id, an alias, auto, auto:<policy>, task:<type>, agent:<id>",
    },
    "models": {"type": "array", "items": {"type": "string"}, "description": "Tried in this order"},
    "messages": {"type": "array", "minItems": 1, "maxItems": 1024, "items": {"type": "object"}},
    "system": {"type": ["string", "array", "null"]},
    "tools": {"type": ["array", "null"], "maxItems": 128, "items": {"type": "object"}},
    "tool_choice": {"type": ["object", "null"]},
    "thinking": {"type": ["object", "null"]},
    "output_config": {"type": ["object", "null"], "description": "format: json_schema; effort"},
    "provider": {"type": ["object", "null"], "properties": {"allow_fallbacks": {"type": "boolean"}}},
}

MESSAGES: Final = Operation(
    path="/v1/messages",
    summary="Anthropic's messages, over every configured provider",
    tag="anthropic",
    request={
        "type": "object",
        "required": ["max_tokens", "messages"],
        "additionalProperties": True,
        "properties": {
            **_ANTHROPIC_FIELDS,
            "max_tokens": {"type": "integer", "minimum": 0},
            "stream": {"type": ["boolean", "null"]},
            "stop_sequences": {"type": ["array", "null"], "maxItems": 64, "items": {"type": "string"}},
            "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "top_p": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "top_k": {"type": ["integer", "null"], "minimum": 0},
            "metadata": {"type": ["object", "null"]},
            "service_tier": {"type": ["string", "null"]},
        },
    },
    request_example={
        "model": "auto",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "BTC/USDT: up or down?"}],
    },
    answer={
        "type": "object",
        "required": ["id", "type", "role", "model", "content", "stop_reason", "usage"],
        "properties": {
            "id": {"type": "string"},
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": {"type": "string"},
            "content": {"type": "array", "items": {"type": "object"}},
            "stop_reason": {"type": "string"},
            "usage": {"type": "object"},
        },
    },
    answer_example={
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Up, barely."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 21, "output_tokens": 9},
    },
    stream='event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    '"delta":{"type":"text_delta","text":"Up"}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n',
)

TOKENS: Final = Operation(
    path="/v1/messages/count_tokens",
    summary="Tokens of a prompt at the target that would be asked first; x-outcry-token-source says who counted",
    tag="anthropic",
    request={
        "type": "object",
        "required": ["messages"],
        "additionalProperties": True,
        "properties": _ANTHROPIC_FIELDS,
    },
    request_example={"model": "auto", "messages": [{"role": "user", "content": "BTC/USDT: up or down?"}]},
    answer={
        "type": "object",
        "required": ["input_tokens"],
        "properties": {"input_tokens": {"type": "integer", "minimum": 0}},
    },
    answer_example={"input_tokens": 21},
    stream=None,
)

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
    answer_example={"id": "chatcmpl-1", "content": "Up, barely.", "reasoning": None, "tool_calls": [], **_ROUTE},
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
    "reasoning": "price above both averages, which are rising",
    "violations": [],
    "latency_ms": 12.5,
    "cost_usd": "0",
    "usage": _USAGE,
    "parse": {"method": "json", "warnings": []},
}
_DECISION: Final[dict[str, Any]] = {
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
    "status": "decided",
    "consensus": {
        "method": "majority",
        "agreement": 1.0,
        "effective_votes": 1.0,
        "quorum": 1,
        "settled_reason": "all_voted",
        "settled_at_ms": 13.1,
        "dissent": [],
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
    answer_example=_DECISION,
    stream='event: vote\ndata: {"provider":"sandbox","model":"trend","status":"ok","action":"BUY"}\n\n'
    'event: decision\ndata: {"id":"dec_5f0c9d2e","action":"BUY"}\n\n',
)

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
_HEALTH: Final = {
    "overall_status": "healthy",
    "providers": {"openai_primary": {"status": "healthy", "is_healthy": True, "circuit": "closed", "in_flight": 0}},
    "ranking": ["openai_primary"],
}
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

EXAMPLES: Final[dict[str, Any]] = {
    "GET /v1/models": {"object": "list", "data": [_MODEL]},
    "GET /v1/models/{model_id}": _MODEL,
    "GET /decisions": {"items": [_DECISION], "next": None},
    "GET /decisions/{decision_id}": _DECISION,
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
    "GET /usage": {"items": [], "next": None},
    "GET /usage/summary": {"rows": [_SUMMARY], "total": {k: v for k, v in _SUMMARY.items() if k != "bucket"}},
    "GET /metrics": "outcry_requests_total 1.0",
    "GET /health/live": {"status": "alive"},
    "GET /health/ready": {"status": "ready", "reasons": []},
    "POST /admin/reload": {"source": "outcry.yaml", "providers": ["openai_primary"], "revision": 2},
}
"""Answers by `METHOD path`."""
