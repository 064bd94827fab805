"""A completion as a message of Anthropic's wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from app.api.responses_reasoning import sealed
from app.domain.attempt import Completion
from app.domain.chat import JSON
from app.domain.usage import Usage

_STOPS: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
_THOUGHTS: Final = ("thinking", "redacted_thinking")


def rendered(completion: Completion) -> JSON:
    """The message: the provider's own where it spoke this wire, else written from the canonical form."""
    response = completion.response
    if response.native is not None:
        return response.native
    body, message = response.completion, response.message
    reason = stop_reason(response.finish_reason)
    return {
        **opening(message_id(body.get("id")), str(body.get("model") or completion.target.model), completion.usage),
        "content": content_of(message),
        "stop_reason": reason,
        "stop_details": stop_details(reason, message.get("refusal")),
    }


def opening(identity: str, model: str, usage: Usage | None) -> JSON:
    """A message of which nothing has been said yet."""
    return {
        "id": identity,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "usage": wire_usage(usage or Usage()),
    }


def message_id(given: object) -> str:
    """The completion's id as this wire's clients know ids."""
    text = given if isinstance(given, str) and given else "unknown"
    return text if text.startswith("msg_") else f"msg_{text.removeprefix('chatcmpl-')}"


def stop_reason(finish: str | None) -> str:
    """Why it ended, in Anthropic's words."""
    return _STOPS.get(finish or "stop", "end_turn")


def stop_details(reason: str, refusal: object) -> JSON | None:
    """What a refusal says of itself."""
    if reason != "refusal":
        return None
    explanation = refusal if isinstance(refusal, str) and refusal else None
    return {"type": "refusal", "category": None, "explanation": explanation}


def wire_usage(usage: Usage) -> JSON:
    """Tokens; here `input_tokens` leaves out what was read from or written to a cache."""
    fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
    return {
        "input_tokens": max(fresh, 0),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def is_own(detail: Mapping[str, Any]) -> bool:
    """Whether a replay detail is a block of this wire as it stands."""
    return detail.get("type") in _THOUGHTS


def sealed_block(details: list[JSON]) -> JSON:
    """Replay details of other providers, in a block that clients send back untouched."""
    return {"type": "redacted_thinking", "data": sealed(details)}


def content_of(message: Mapping[str, Any]) -> list[JSON]:
    """The blocks of a canonical message of the assistant."""
    blocks = _reasoning(message)
    text, refusal = message.get("content"), message.get("refusal")
    said = text if isinstance(text, str) and text else refusal
    if isinstance(said, str) and said:
        blocks.append({"type": "text", "text": said, "citations": None})
    return blocks + [_tool_use(call) for call in objects(message, "tool_calls")]


def _reasoning(message: Mapping[str, Any]) -> list[JSON]:
    details = objects(message, "reasoning_details")
    blocks = [each for each in details if is_own(each)]
    foreign = [each for each in details if not is_own(each)]
    text = message.get("reasoning_content")
    if isinstance(text, str) and text and not any(block["type"] == "thinking" for block in blocks):
        blocks.insert(0, {"type": "thinking", "thinking": text, "signature": ""})
    if foreign:
        blocks.append(sealed_block(foreign))
    return blocks


def objects(source: Mapping[str, Any], name: str) -> list[JSON]:
    """The objects of a list; what else a provider put there says nothing."""
    stated = source.get(name)
    return [each for each in stated if isinstance(each, dict)] if isinstance(stated, list) else []


def function_of(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """The called function's name and arguments."""
    function = call.get("function")
    return function if isinstance(function, dict) else {}


def _tool_use(call: Mapping[str, Any]) -> JSON:
    function = function_of(call)
    return {
        "type": "tool_use",
        "id": call.get("id") or "",
        "name": function.get("name") or "",
        "input": _input(function.get("arguments")),
    }


def _input(arguments: object) -> JSON:
    """The arguments as an object; whatever a model wrote instead of one is not lost."""
    if not arguments:
        return {}
    try:
        value = orjson.loads(arguments) if isinstance(arguments, str) else arguments
        orjson.dumps(value)  # what can be read may be nested too deeply to be written
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        value = None
    return value if isinstance(value, dict) else {"arguments": arguments}
