"""OpenAI's wires as the document shows them: chat completions, responses, embeddings."""

from __future__ import annotations

from typing import Final

from app.api.document import Operation

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
