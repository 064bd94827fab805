"""An answer as the Responses wire puts it: the response object, and the items of its output."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.api.responses_reasoning import reasoning_items
from app.domain.attempt import Completion
from app.domain.chat import JSON
from app.domain.usage import Usage

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_TOOL_DEFAULTS: Final = {"description": None, "parameters": None, "strict": None}


def _new_key() -> str:
    return os.urandom(16).hex()


def _unix() -> int:
    return int(time.time())


@dataclass(slots=True)
class Frame:
    """What stands around an output. `request` is the checked body; `key` is in every id of one answer.

    `created_at` is seconds since the epoch.
    """

    request: Mapping[str, Any]
    key: str = field(default_factory=_new_key)
    created_at: int = field(default_factory=_unix)
    _ids: int = 0

    def new_id(self, prefix: str) -> str:
        """An id for one item."""
        self._ids += 1
        return f"{prefix}_{self.key}{self._ids:02x}"

    def response(
        self,
        model: str,
        *,
        status: str = "in_progress",
        reason: str | None = None,
        output: list[JSON] | None = None,
        usage: Usage | None = None,
        service_tier: str | None = None,
    ) -> JSON:
        """The response object; what the request said comes back in it, and what nobody said is null."""
        said = self.request
        reasoning, text = said.get("reasoning") or {}, said.get("text") or {}
        return {
            "id": f"resp_{self.key}",
            "object": "response",
            "created_at": self.created_at,
            "completed_at": _unix() if status == "completed" else None,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None if reason is None else {"reason": reason},
            "instructions": said.get("instructions"),
            "max_output_tokens": said.get("max_output_tokens"),
            "max_tool_calls": said.get("max_tool_calls"),
            "metadata": said.get("metadata") or {},
            "model": model,
            "output": output or [],
            "parallel_tool_calls": said.get("parallel_tool_calls") is not False,
            "previous_response_id": None,
            "prompt_cache_key": said.get("prompt_cache_key"),
            "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
            "safety_identifier": said.get("safety_identifier"),
            "service_tier": service_tier,
            "store": False,
            "temperature": said.get("temperature"),
            "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity")},
            "tool_choice": "auto" if said.get("tool_choice") is None else said["tool_choice"],
            "tools": [_TOOL_DEFAULTS | t if t["type"] == "function" else t for t in said.get("tools") or ()],
            "top_logprobs": said.get("top_logprobs") or 0,
            "top_p": said.get("top_p"),
            "truncation": said.get("truncation") or "disabled",
            "usage": None if usage is None else usage_form(usage),
            "user": said.get("user"),
        }


def rendered(completion: Completion, frame: Frame) -> JSON:
    """The answer of `POST /v1/responses`: the provider's own where it spoke this wire."""
    answer = completion.response
    if answer.native is not None:
        return answer.native
    body = answer.completion
    status, reason = ending(answer.finish_reason, refused=bool(answer.message.get("refusal")))
    return frame.response(
        str(body.get("model") or completion.target.model),
        status=status,
        reason=reason,
        output=output_of(body["choices"][0], frame, status),
        usage=completion.usage,
        service_tier=body.get("service_tier"),
    )


def ending(finish_reason: str | None, *, refused: bool) -> tuple[str, str | None]:
    """Status, and why an answer is incomplete. A refusal that was said is a whole answer."""
    reason = _INCOMPLETE.get(finish_reason or "")
    if reason is None or (refused and finish_reason == "content_filter"):
        return "completed", None
    return "incomplete", reason


def output_of(choice: Mapping[str, Any], frame: Frame, status: str) -> list[JSON]:
    """The items of one choice: reasoning, message, calls. The last one has the status of the whole."""
    message = choice["message"]
    items = [{**item, "status": "completed"} for item in reasoning_items(message, lambda: frame.new_id("rs"))]
    parts = _parts(message, logprobs_of(choice))
    calls = [call for call in message.get("tool_calls") or () if isinstance(call, dict)]
    if parts or not (items or calls):
        items.append(message_item(frame.new_id("msg"), parts or [text_part("")]))
    items += [call_item(frame, call) for call in calls]
    items[-1]["status"] = status
    return items


def message_item(item_id: str, parts: list[JSON], status: str = "completed") -> JSON:
    """A message of the assistant."""
    return {"id": item_id, "type": "message", "role": "assistant", "status": status, "content": parts}


def text_part(text: str, logprobs: list[JSON] | None = None, annotations: list[JSON] | None = None) -> JSON:
    """A part that was said."""
    return {"type": "output_text", "text": text, "annotations": annotations or [], "logprobs": logprobs or []}


def refusal_part(refusal: str) -> JSON:
    """A part that was not said."""
    return {"type": "refusal", "refusal": refusal}


def call_item(frame: Frame, call: Mapping[str, Any], status: str = "completed") -> JSON:
    """A call of one of the caller's tools."""
    call_id = str(call.get("id") or frame.new_id("call"))
    if call.get("type") == "custom":
        custom = call.get("custom") or {}
        head = {"id": frame.new_id("ctc"), "type": "custom_tool_call", "status": status, "call_id": call_id}
        return {**head, "name": custom.get("name") or "", "input": custom.get("input") or ""}
    function = call.get("function") or {}
    head = {"id": frame.new_id("fc"), "type": "function_call", "status": status, "call_id": call_id}
    return {**head, "name": function.get("name") or "", "arguments": function.get("arguments") or ""}


def usage_form(usage: Usage) -> JSON:
    """Usage in this wire's words."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def logprobs_of(choice: Mapping[str, Any]) -> list[JSON]:
    """The log probabilities of a choice's text, or of a delta's."""
    stated = choice.get("logprobs")
    listed = stated.get("content") if isinstance(stated, dict) else None
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def annotation_of(stated: Mapping[str, Any]) -> JSON:
    """An annotation without the nesting that Chat Completions give it."""
    form = stated.get("type")
    inner = stated.get(form) if isinstance(form, str) else None
    return {"type": form, **inner} if isinstance(inner, dict) else dict(stated)


def _parts(message: Mapping[str, Any], logprobs: list[JSON]) -> list[JSON]:
    parts: list[JSON] = []
    text, refusal = message.get("content"), message.get("refusal")
    if isinstance(text, str) and text:
        noted = message.get("annotations")
        notes = [annotation_of(each) for each in noted if isinstance(each, dict)] if isinstance(noted, list) else []
        parts.append(text_part(text, logprobs, notes))
    if isinstance(refusal, str) and refusal:
        parts.append(refusal_part(refusal))
    return parts
