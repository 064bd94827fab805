"""Anthropic's wire as the document shows it: messages, and the count of their tokens."""

from __future__ import annotations

from typing import Final

from app.api.document import Operation

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
