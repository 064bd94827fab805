"""Answers of OpenAI's dialect, whole or streamed: what imitators leave out or spell differently is put right."""

from __future__ import annotations

from collections.abc import Mapping
from time import time
from typing import Any, Final
from uuid import uuid4

import orjson

from app.adapters.codec import bad_answer
from app.adapters.failures import failure
from app.adapters.openai_logprobs import put_logprobs_right
from app.adapters.openai_usage import put_usage_right, usage_of
from app.adapters.reports import report_of
from app.adapters.scrub import scrubbed
from app.domain.chat import JSON, ChatResponse
from app.domain.errors import FailureKind, ProviderError

_FINISH: Final[Mapping[str, str]] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "model_length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_FAILED: Final[Mapping[str, FailureKind]] = {
    "error": FailureKind.SERVER_ERROR,
    "insufficient_system_resource": FailureKind.OVERLOADED,
}


def response_of(completion: JSON) -> ChatResponse:
    """A `chat.completion` with every required field; raises ProviderError for an error or for no completion."""
    raise_error_in(completion)
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices:
        # Whatever it says instead is no answer: `detail`, `message`, or nothing.
        said = scrubbed(report_of(completion).text)
        raise bad_answer(f"the answer has no choices but says: {said}" if said else "the answer has no choices")
    warnings: list[str] = []
    id_ = completion.get("id")
    for index, choice in enumerate(choices):
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise bad_answer("a choice without a message")
        raise_error_in(choice)
        _put_right(choice, index, warnings, taken_id=id_)
    _fill(completion)
    usage = usage_of(completion.get("usage"))
    if usage is None:
        completion.pop("usage", None)  # null, or zeros of a server that counts nothing
    else:
        put_usage_right(completion["usage"], usage)
    return ChatResponse(completion, choices[0]["finish_reason"], usage, warnings=tuple(warnings))


def raise_error_in(value: JSON) -> None:
    """Raise the error that an object carries: at its top, in its type, or where Groq hides it."""
    if value.get("error"):
        raise in_band(value)
    if value.get("object") == "error" or value.get("type") == "error":
        raise in_band(value)
    hidden = value.get("x_groq")
    if isinstance(hidden, dict) and hidden.get("error"):
        raise in_band(hidden)


def in_band(value: Any) -> ProviderError:  # noqa: ANN401 - any JSON may be called an error
    """The error that came with a 200."""
    return failure(None, {}, report_of(value), wall=time())


def finish_of(native: str | None, *, has_calls: bool, warnings: list[str] | None = None) -> str:
    """The canonical finish reason; that there are calls counts for more than the provider's word."""
    if native is not None and native in _FAILED:
        raise ProviderError(_FAILED[native], f"the model stopped: {native}")
    canonical = _FINISH.get(native or "stop")
    if canonical is None:
        canonical = "stop"
        if warnings is not None:
            warnings.append(f"unknown finish reason {str(native)[:40]!r} is taken as stop")
    if canonical in ("stop", "tool_calls"):
        return "tool_calls" if has_calls else "stop"
    return canonical


def normalise_text(part: JSON) -> None:
    """Reasoning and content of a message or delta under their canonical names, as strings."""
    content = part.get("content")
    if isinstance(content, list):
        thought = "".join(_texts(content, thinking=True))
        part["content"] = "".join(_texts(content, thinking=False))
        if thought:
            part["reasoning_content"] = thought
    elif content is not None and not isinstance(content, str):
        part["content"] = None
    if "reasoning" in part:
        reasoning = part.pop("reasoning")
        if isinstance(reasoning, str) and not part.get("reasoning_content"):
            part["reasoning_content"] = reasoning
    if not isinstance(part.get("reasoning_content"), str):
        part.pop("reasoning_content", None)


def arguments_text(arguments: Any) -> str:  # noqa: ANN401 - a wire body
    """A call's arguments as the JSON text that OpenAI's wire wants."""
    if arguments is None:
        return ""
    return arguments if isinstance(arguments, str) else orjson.dumps(arguments).decode()


def new_call_id() -> str:
    """An id for a tool call that came without one."""
    return f"call_{uuid4().hex[:24]}"


def _put_right(choice: JSON, index: int, warnings: list[str], *, taken_id: Any) -> None:  # noqa: ANN401 - a wire value
    message = choice["message"]
    message["role"] = "assistant"
    normalise_text(message)
    content = message.get("content")
    message["content"] = content if isinstance(content, str) else None
    message.setdefault("refusal", None)
    calls = message.pop("tool_calls", None)
    if isinstance(calls, list) and calls:
        message["tool_calls"] = [_call(each, taken_id) for each in calls if isinstance(each, dict)]
    native = choice.get("finish_reason")
    finish = finish_of(
        native if isinstance(native, str) else None, has_calls="tool_calls" in message, warnings=warnings
    )
    if finish != native:
        choice.setdefault("native_finish_reason", native)
    choice.update(index=choice.get("index", index), finish_reason=finish)
    choice.setdefault("logprobs", None)
    put_logprobs_right(choice, message["content"])


def _call(call: JSON, taken_id: Any) -> JSON:  # noqa: ANN401 - a wire value
    """One whole call; an id that is also the answer's (LocalAI) tells no call from another and is replaced."""
    given = call.get("id")
    id_ = given if isinstance(given, str) and given not in ("", taken_id) else new_call_id()
    if isinstance(call.get("custom"), dict):
        return {**call, "id": id_, "type": "custom"}
    function = call.get("function")
    function = function if isinstance(function, dict) else {}
    rest = {name: value for name, value in call.items() if name not in ("index", "id", "type", "function")}
    return {
        "id": id_,
        "type": "function",
        "function": {
            "name": function.get("name") or "",
            "arguments": arguments_text(function.get("arguments")) or "{}",
        },
        **rest,
    }


def _fill(completion: JSON) -> None:
    completion["object"] = "chat.completion"
    completion["id"] = completion.get("id") or f"chatcmpl-{uuid4().hex}"
    completion["created"] = completion.get("created") or int(time())
    completion["model"] = completion.get("model") or ""


def _texts(parts: list[Any], *, thinking: bool) -> list[str]:
    texts: list[str] = []
    for part in parts:
        if isinstance(part, str):
            texts += [] if thinking else [part]
        elif isinstance(part, dict) and part.get("type") == "thinking":
            inner = part.get("thinking")
            if thinking:
                texts += _texts(inner, thinking=False) if isinstance(inner, list) else [str(inner or "")]
        elif isinstance(part, dict) and not thinking and isinstance(part.get("text"), str):
            texts.append(part["text"])
    return texts
