"""A whole answer told as a stream, for what a provider cannot stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

from app.domain.chat import JSON, ChatChunk, ChatResponse

_NOT_IN_DELTAS: Final = ("role", "tool_calls")


async def told(response: ChatResponse) -> AsyncGenerator[ChatChunk, None]:
    """One chunk with everything that each choice says, one with the reasons for the end, and the usage."""
    completion = response.completion
    head = {name: value for name, value in completion.items() if name not in ("choices", "usage", "object")}
    head["object"] = "chat.completion.chunk"
    choices = completion["choices"]
    said = {**head, "choices": [_choice(each, _delta(each["message"]), None) for each in choices]}
    yield ChatChunk(said, carries=True, warnings=response.warnings, allowance=response.allowance)
    ends = {**head, "choices": [_choice(each, {}, each["finish_reason"]) for each in choices]}
    yield ChatChunk(ends, finish_reason=response.finish_reason)
    if response.usage is not None:
        yield ChatChunk({**head, "choices": [], "usage": completion["usage"]}, usage=response.usage)


def _choice(choice: JSON, delta: JSON, finish: Any) -> JSON:  # noqa: ANN401 - a wire value
    logprobs = choice.get("logprobs") if finish is None else None
    return {"index": choice["index"], "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _delta(message: JSON) -> JSON:
    delta = {"role": "assistant"}
    delta.update((name, value) for name, value in message.items() if name not in _NOT_IN_DELTAS and value is not None)
    calls = message.get("tool_calls")
    return {**delta, "tool_calls": [{**call, "index": index} for index, call in enumerate(calls)]} if calls else delta
