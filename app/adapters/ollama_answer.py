"""Ollama's answers, whole or a line at a time, in the words of Chat Completions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from time import time
from typing import Any, Final
from uuid import uuid4

import orjson

from app.adapters.codec import bad_answer
from app.adapters.failures import failure
from app.adapters.reports import Report, report_of
from app.domain.chat import JSON, ChatResponse
from app.domain.errors import FailureKind, ProviderError
from app.domain.usage import Usage

# A model, not the request, lacks something: another model may have it.
_LACKING: Final = (
    (re.compile(r"does not support tools"), "tools"),
    (re.compile(r"does not support thinking|think value .{0,40} is not supported"), "reasoning_effort"),
    (re.compile(r"does not support (?:vision|images?)|missing data required for image input"), "messages"),
    (re.compile(r"does not support (?:chat|completion|generate|embed\w*)"), "model"),
)
_BUSY: Final = "server busy"


def response_of(answer: JSON, *, created: int) -> ChatResponse:
    """A whole answer; raises ProviderError for an error and for what is no finished answer."""
    raise_error_in(answer)
    said = answer.get("message")
    if not isinstance(said, dict) or answer.get("done") is not True:
        raise bad_answer("the answer is no finished message")
    content, thought = text_of(said, "content"), text_of(said, "thinking")
    calls = calls_of(said)
    message: JSON = {"role": "assistant", "content": content if content or not calls else None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    if thought:
        message["reasoning_content"] = thought
    native = answer.get("done_reason")
    finish, warnings = finish_of(native, has_calls=bool(calls))
    usage = usage_of(answer)
    choice: JSON = {"index": 0, "message": message, "logprobs": logprobs_of(answer), "finish_reason": finish}
    if finish != native:
        choice["native_finish_reason"] = native
    completion: JSON = {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": created,
        "model": text_of(answer, "model"),
        "choices": [choice],
    }
    if usage is not None:
        completion["usage"] = wire_usage(usage)
    return ChatResponse(completion, finish, usage, warnings)


def raise_error_in(value: JSON) -> None:
    """Raise the error that an answer or a line is."""
    if value.get("error"):
        raise failure_of(None, {}, report_of(value), wall=time())


def failure_of(status: int | None, headers: Mapping[str, str], report: Report, *, wall: float) -> ProviderError:
    """The error of a status and a body; `status` None is one inside a 200."""
    error = failure(status, headers, report, wall=wall)
    text = report.text[:2000].lower()
    if status in (None, 400, 501):
        for pattern, param in _LACKING:
            if pattern.search(text):
                return ProviderError(FailureKind.UNSUPPORTED, error.message, upstream_status=status, param=param)
    if status is None and _BUSY in text:
        return ProviderError(FailureKind.OVERLOADED, error.message)
    return error


def finish_of(native: Any, *, has_calls: bool) -> tuple[str, tuple[str, ...]]:  # noqa: ANN401 - a wire body
    """The canonical finish reason and a warning; that there are calls counts for more than the server's word."""
    said = native if isinstance(native, str) else ""
    if said == "length":
        return "length", ()
    finish = "tool_calls" if has_calls else "stop"
    if said in ("load", "unload"):
        return finish, (f"the server did no more than {said} the model",)
    if said in ("", "stop"):
        return finish, ()
    return finish, (f"unknown finish reason {said[:40]!r} is taken as stop",)


def usage_of(line: JSON) -> Usage | None:
    """What was counted; None when nothing was. A prompt that was cached as a whole is not counted."""
    prompt, output = _count(line, "prompt_eval_count"), _count(line, "eval_count")
    return Usage(prompt, output) if prompt or output else None


def wire_usage(usage: Usage) -> JSON:
    """The same as OpenAI's wire has it."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def calls_of(message: JSON) -> list[JSON]:
    """Tool calls in OpenAI's shape: ids where the server gave none, arguments as JSON text."""
    calls = message.get("tool_calls")
    if not calls:
        return []
    if not isinstance(calls, list):
        raise bad_answer("tool_calls is no list")
    return [_call(call) for call in calls]


def logprobs_of(line: JSON) -> JSON | None:
    """Log probabilities of a line's tokens, None where there are none; tokens keep Ollama's form, which is OpenAI's."""
    tokens = line.get("logprobs")
    if not isinstance(tokens, list) or not tokens:
        return None
    content = [
        {"bytes": None, "top_logprobs": [], **token}
        for token in tokens
        if isinstance(token, dict) and isinstance(token.get("token"), str)
    ]
    return {"content": content, "refusal": None}


def text_of(value: JSON, name: str) -> str:
    """A text field of a wire object; "" for anything else."""
    text = value.get(name)
    return text if isinstance(text, str) else ""


def _call(call: Any) -> JSON:  # noqa: ANN401 - a wire body
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not text_of(function, "name"):
        raise bad_answer("a tool call without a function name")
    arguments = function.get("arguments")
    written = arguments if isinstance(arguments, str) else orjson.dumps(arguments or {}).decode()
    return {
        "id": text_of(call, "id") or f"call_{uuid4().hex[:24]}",
        "type": "function",
        "function": {"name": function["name"], "arguments": written or "{}"},
    }


def _count(line: JSON, name: str) -> int:
    count = line.get(name)
    return max(count, 0) if isinstance(count, int) and not isinstance(count, bool) else 0
