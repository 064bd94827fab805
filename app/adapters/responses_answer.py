"""Answers of the Responses API as chat completions, and what whole answers and streams of it have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from time import time
from typing import Any, Final
from uuid import uuid4

from app.adapters.codec import bad_answer
from app.adapters.failures import failure
from app.adapters.openai_answer import new_call_id
from app.adapters.reports import report_of
from app.adapters.responses_input import is_replayable
from app.adapters.scrub import scrubbed
from app.adapters.wire_usage import wire_usage
from app.domain.chat import JSON, ChatResponse
from app.domain.errors import FailureKind, ProviderError
from app.domain.usage import Usage

CALLS: Final = ("function_call", "custom_tool_call")
THOUGHT_BREAK: Final = "\n\n"
"""Between the parts of a summary, which are paragraphs."""

_INCOMPLETE: Final[Mapping[str, str]] = {"max_output_tokens": "length", "content_filter": "content_filter"}
_IMAGE_POLICY: Final = "image_content_policy_violation"


def response_of(response: JSON) -> ChatResponse:
    """A response as a `chat.completion`; raises ProviderError for one that failed or is not finished."""
    raise_error_in(response)
    items = response.get("output")
    if response.get("status") not in ("completed", "incomplete") or not isinstance(items, list):
        raise bad_answer(f"the answer is no finished response (status {str(response.get('status'))[:40]!r})")
    message = _message([item for item in items if isinstance(item, dict)])
    warnings: list[str] = []
    finish, native = finish_of(
        response, has_calls="tool_calls" in message, has_refusal=bool(message["refusal"]), warnings=warnings
    )
    usage = usage_of(response.get("usage"))
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish,
        "native_finish_reason": native,
    }
    completion: JSON = {**head_of(response), "object": "chat.completion", "choices": [choice]}
    if usage is not None:
        completion["usage"] = wire_usage(usage)
    if isinstance(response.get("service_tier"), str):
        completion["service_tier"] = response["service_tier"]
    return ChatResponse(completion, finish, usage, warnings=tuple(warnings))


def raise_error_in(response: JSON) -> None:
    """Raise the failure that came with a 200."""
    status = response.get("status")
    if response.get("error") or response.get("type") == "error":
        raise in_band(response)
    if status in ("failed", "cancelled"):
        raise ProviderError(FailureKind.SERVER_ERROR, f"the response was {status}")


def in_band(value: JSON) -> ProviderError:
    """The error inside a response or an event."""
    report = report_of(value)
    picture = next((word for word in report.words if "image" in word), None)
    if picture is None:
        return failure(None, {}, report, wall=time())
    # A dozen codes tell what is wrong with a picture of the caller's; one of them, what is seen in it.
    kind = FailureKind.CONTENT_POLICY if picture == _IMAGE_POLICY else FailureKind.BAD_REQUEST
    return ProviderError(kind, scrubbed(report.text) or picture[:60], param=report.param)


def finish_of(
    response: JSON, *, has_calls: bool, has_refusal: bool, warnings: list[str] | None = None
) -> tuple[str, str]:
    """The canonical finish reason and the native word for it."""
    if response.get("status") == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        native = reason if isinstance(reason, str) else "incomplete"
        if native not in _INCOMPLETE and warnings is not None:
            warnings.append(f"unknown finish reason {native[:40]!r} is taken as stop")
        return _INCOMPLETE.get(native, "stop"), native
    if has_refusal:
        return "content_filter", "refusal"
    return "tool_calls" if has_calls else "stop", "completed"


def usage_of(usage: Any) -> Usage | None:  # noqa: ANN401 - a wire body
    """What was counted; None when there is nothing or only zeros."""
    if not isinstance(usage, dict):
        return None
    prompt, output = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    if not (prompt or output):
        return None
    details = usage.get("input_tokens_details")
    cached = min(_count(details, "cached_tokens"), prompt)
    return Usage(
        input_tokens=prompt,
        output_tokens=output,
        cached_tokens=cached,
        cache_write_tokens=min(_count(details, "cache_write_tokens"), prompt - cached),
        reasoning_tokens=min(_count(usage.get("output_tokens_details"), "reasoning_tokens"), output),
    )


def head_of(response: JSON) -> JSON:
    """Id, time and model."""
    created = response.get("created_at")
    return {
        "id": text_of(response, "id") or f"resp_{uuid4().hex}",
        "created": int(created) if isinstance(created, int | float) and 0 < created < 2**53 else int(time()),
        "model": text_of(response, "model"),
    }


def call_of(item: JSON) -> JSON:
    """A call under the id that its output has to name."""
    call_id = text_of(item, "call_id") or new_call_id()
    if item.get("type") == "custom_tool_call":
        custom = {"name": text_of(item, "name"), "input": text_of(item, "input")}
        return {"id": call_id, "type": "custom", "custom": custom}
    function = {"name": text_of(item, "name"), "arguments": text_of(item, "arguments") or "{}"}
    return {"id": call_id, "type": "function", "function": function}


def detail_of(item: JSON, call_id: str | None) -> JSON | None:
    """A reasoning item as it has to come back, with the call that it led to; None where it cannot come back."""
    if not is_replayable(item):
        return None
    summary = item.get("summary")
    return {
        "type": "reasoning",
        "id": item["id"],
        "encrypted_content": item["encrypted_content"],
        "summary": summary if isinstance(summary, list) else [],
        "tool_call_id": call_id,
    }


def thoughts_of(item: JSON) -> Iterable[str]:
    """The readable paragraphs of a reasoning item."""
    for name in ("summary", "content"):
        parts = item.get(name)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict) and text_of(part, "text"):
                yield part["text"]


def text_of(value: JSON, name: str) -> str:
    """A text field of a wire object; "" for anything else."""
    text = value.get(name)
    return text if isinstance(text, str) else ""


def said_in(item: JSON) -> tuple[str, str]:
    """Text and refusal of a message item."""
    parts = item.get("content")
    parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    text = "".join(text_of(part, "text") for part in parts if part.get("type") == "output_text")
    return text, "".join(text_of(part, "refusal") for part in parts if part.get("type") == "refusal")


def _message(items: list[JSON]) -> JSON:
    spoken = [said_in(item) for item in items if item.get("type") == "message"]
    calls, details = [], []
    waiting: list[JSON] = []
    for item in items:
        if item.get("type") == "reasoning":
            waiting.append(item)
            continue
        call = call_of(item) if item.get("type") in CALLS else None
        calls += [call] if call else []
        details += [detail_of(each, call["id"] if call else None) for each in waiting]
        waiting = []
    details += [detail_of(each, None) for each in waiting]
    text = "".join(text for text, _ in spoken)
    refusal = "".join(refusal for _, refusal in spoken)
    message: JSON = {"role": "assistant", "content": text if text or not calls else None, "refusal": refusal or None}
    if calls:
        message["tool_calls"] = calls
    thoughts = [each for item in items if item.get("type") == "reasoning" for each in thoughts_of(item)]
    if thoughts:
        message["reasoning_content"] = THOUGHT_BREAK.join(thoughts)
    replayable = [each for each in details if each is not None]
    if replayable:
        message["reasoning_details"] = replayable
    return message


def _count(value: Any, name: str) -> int:  # noqa: ANN401 - a wire body
    count = value.get(name) if isinstance(value, dict) else None
    return max(int(count), 0) if isinstance(count, int | float) and not isinstance(count, bool) else 0
