"""What a body that is no answer says was counted all the same: providers bill those too."""

from __future__ import annotations

from typing import Any

import orjson

from app.adapters import anthropic_stream, gemini_usage, ollama_answer, openai_usage, responses_answer
from app.domain.chat import JSON
from app.domain.usage import Usage


def billed(body: bytes) -> Usage | None:
    """The usage that a refused or failed answer states, in whichever dialect; None where it states none."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    # Google's streams without SSE are an array; its last element has the counts of all.
    answer = value[-1] if isinstance(value, list) and value else value
    return _usage_in(answer) if isinstance(answer, dict) else None


def _usage_in(answer: JSON) -> Usage | None:
    stated: Any = answer.get("usage")
    if "usageMetadata" in answer:
        return gemini_usage.usage_of(answer["usageMetadata"])
    if "prompt_eval_count" in answer or "eval_count" in answer:
        return ollama_answer.usage_of(answer)
    if not isinstance(stated, dict):
        return None
    if "input_tokens" not in stated:
        return openai_usage.usage_of(stated)
    is_anthropic = answer.get("type") == "message"
    return anthropic_stream.usage_of(stated) if is_anthropic else responses_answer.usage_of(stated)
