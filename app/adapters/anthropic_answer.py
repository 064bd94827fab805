"""Anthropic's whole answers as chat completions."""

from __future__ import annotations

from app.adapters.anthropic_stream import finish_of, refusal_of, text_of, unknown_finish, usage_of, written
from app.adapters.wire_usage import wire_usage
from app.domain.chat import JSON, ChatResponse


def response_of(message: JSON, created: int) -> ChatResponse:
    """The completion of a finished message; blocks of unknown types say nothing that OpenAI's wire could.

    Raises ProviderError for one that could not be written again.
    """
    written(message)
    blocks = [block for block in message["content"] if isinstance(block, dict)]
    calls = [_call(block) for block in blocks if block.get("type") == "tool_use"]
    text = "".join(text_of(block, "text") for block in blocks if block.get("type") == "text")
    thoughts = [block for block in blocks if block.get("type") in ("thinking", "redacted_thinking")]
    thought = "".join(text_of(block, "thinking") for block in thoughts)
    answer: JSON = {"role": "assistant", "content": text if text or not calls else None, "refusal": refusal_of(message)}
    if calls:
        answer["tool_calls"] = calls
    if thought:
        answer["reasoning_content"] = thought
    if thoughts:
        answer["reasoning_details"] = thoughts
    native = message["stop_reason"]
    finish = finish_of(native, has_calls=bool(calls))
    usage = usage_of(message.get("usage"))
    completion: JSON = {
        "id": text_of(message, "id"),
        "object": "chat.completion",
        "created": created,
        "model": text_of(message, "model"),
        "choices": [
            {
                "index": 0,
                "message": answer,
                "logprobs": None,
                "finish_reason": finish,
                "native_finish_reason": native,
            }
        ],
    }
    if usage is not None:
        completion["usage"] = wire_usage(usage)
    return ChatResponse(completion, finish, usage, warnings=unknown_finish(native))


def _call(block: JSON) -> JSON:
    arguments = written(block.get("input") or {})
    return {
        "id": text_of(block, "id"),
        "type": "function",
        "function": {"name": text_of(block, "name"), "arguments": arguments},
    }
