"""Anthropic's event streams as chat completion chunks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from time import time
from typing import Any, Final
from uuid import uuid4

import orjson

from app.adapters.codec import bad_answer, json_object
from app.adapters.failures import failure
from app.adapters.reports import report_of
from app.adapters.sse import SSEEvent
from app.adapters.wire_usage import wire_usage
from app.domain.chat import JSON, ChatChunk
from app.domain.usage import Usage

MAX_THOUGHT: Final = 1024 * 1024
_MAX_BLOCKS: Final = 1024
FINISH: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def finish_of(native: Any, *, has_calls: bool) -> str:  # noqa: ANN401 - a wire body
    """The canonical finish reason; that there are calls counts for more than the provider's word."""
    canonical = FINISH.get(native, "stop") if isinstance(native, str) else "stop"
    if canonical in ("stop", "tool_calls"):
        return "tool_calls" if has_calls else "stop"
    return canonical


def unknown_finish(native: Any) -> tuple[str, ...]:  # noqa: ANN401 - a wire body
    """The warning about a stop reason that nobody has heard of."""
    is_known = isinstance(native, str) and native in FINISH
    return () if is_known else (f"unknown stop reason {str(native)[:40]!r} is taken as stop",)


def refusal_of(message: JSON) -> str | None:
    """Why the model refused, where it says so."""
    details = message.get("stop_details")
    explanation = details.get("explanation") if isinstance(details, dict) else None
    refused = message.get("stop_reason") == "refusal" and isinstance(explanation, str)
    return explanation if refused and explanation else None


def usage_of(usage: Any) -> Usage | None:  # noqa: ANN401 - a wire body
    """Tokens; Anthropic's `input_tokens` leaves out what was read from or written to its cache, ours does not."""
    if not isinstance(usage, dict):
        return None
    fresh, read, written, output = (
        _count(usage, name)
        for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    )
    details = usage.get("output_tokens_details")
    thinking = _count(details, "thinking_tokens") if isinstance(details, dict) else 0
    return Usage(fresh + read + written, output, read, written, thinking)


def text_of(value: JSON, name: str) -> str:
    """A text field of a wire object; "" for anything else."""
    text = value.get(name)
    return text if isinstance(text, str) else ""


def written(value: Any) -> str:  # noqa: ANN401 - any JSON of an answer
    """The value as JSON; raises ProviderError where it is nested deeper than can be written again."""
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise bad_answer(f"the answer cannot be written again: {error}") from None


def _count(usage: JSON, name: str) -> int:
    count = usage.get(name)
    return max(count, 0) if isinstance(count, int) else 0


class AnthropicStreamDecoder:
    """One stream. Blocks are numbered over all kinds by Anthropic and tool calls alone by us.

    Thinking is held until its block ends, because only a whole block can be sent back; one longer than
    `MAX_THOUGHT` characters is streamed and then forgotten.
    """

    def __init__(self) -> None:
        self._head: JSON = {
            "id": f"chatcmpl-{uuid4().hex}",
            "object": "chat.completion.chunk",
            "created": int(time()),
            "model": "",
        }
        self._blocks: dict[int, JSON] = {}
        self._thoughts: dict[int, list[str]] = {}
        self._thought_lengths: dict[int, int] = {}
        self._calls = 0
        self._usage: JSON = {}
        self.complete = False
        self.ended = False

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """Chunks of one event; raises ProviderError for an error in the stream."""
        payload = json_object(event.data)
        match payload.get("type", event.event):
            case "content_block_delta":
                return self._delta(payload)
            case "content_block_start":
                return self._block_start(payload)
            case "content_block_stop":
                return self._block_stop(payload)
            case "message_start":
                return self._start(_object(payload, "message"))
            case "message_delta":
                return self._message_delta(payload)
            case "message_stop":
                self.ended = True
                return []
            case "error":
                raise failure(None, {}, report_of(payload), wall=time())
            case _:
                return []  # `ping`, and whatever will be added: the documentation promises additions

    def empty(self) -> JSON:
        """A chunk that says nothing."""
        return {**self._head, "choices": []}

    def close(self) -> list[ChatChunk]:
        """The usage chunk."""
        usage = usage_of(self._usage) if self._usage else None
        if usage is None:
            return []
        return [ChatChunk({**self.empty(), "usage": wire_usage(usage)}, usage=usage)]

    def _start(self, message: JSON) -> list[ChatChunk]:
        self._head["id"] = text_of(message, "id") or self._head["id"]
        self._head["model"] = text_of(message, "model")
        self._keep_usage(message.get("usage"))
        return [self._chunk({"role": "assistant", "content": ""}, usage=usage_of(self._usage))]

    def _block_start(self, payload: JSON) -> list[ChatChunk]:
        block = dict(_object(payload, "content_block"))
        index = _index(payload)
        if len(self._blocks) >= _MAX_BLOCKS:
            raise bad_answer(f"{_MAX_BLOCKS} blocks at once")
        self._blocks[index] = block
        match block.get("type"):
            case "text":
                text = text_of(block, "text")
                return [self._chunk({"content": text}, carries=True)] if text else []
            case "thinking":
                return self._thought(index, block.pop("thinking", ""))
            case "tool_use":
                return self._tool(block)
        return []

    def _tool(self, block: JSON) -> list[ChatChunk]:
        block["number"], block["written"] = self._calls, False
        self._calls += 1
        call = {
            "index": block["number"],
            "id": text_of(block, "id") or f"call_{uuid4().hex[:24]}",
            "type": "function",
            "function": {"name": text_of(block, "name"), "arguments": ""},
        }
        return [self._chunk({"tool_calls": [call]}, carries=True)]

    def _delta(self, payload: JSON) -> list[ChatChunk]:
        delta = _object(payload, "delta")
        block = self._blocks.get(_index(payload))
        if block is None:
            raise bad_answer("a delta for a block that was never started")
        match delta.get("type"):
            case "text_delta":
                text = text_of(delta, "text")
                return [self._chunk({"content": text}, carries=True)] if text else []
            case "input_json_delta":
                return self._arguments(block, text_of(delta, "partial_json"))
            case "thinking_delta":
                return self._thought(_index(payload), delta.get("thinking"))
            case "signature_delta":
                block["signature"] = text_of(block, "signature") + text_of(delta, "signature")
        return []

    def _thought(self, index: int, thought: Any) -> list[ChatChunk]:  # noqa: ANN401 - a wire body
        if not isinstance(thought, str) or not thought:
            return []
        length = self._thought_lengths[index] = self._thought_lengths.get(index, 0) + len(thought)
        if length <= MAX_THOUGHT:
            self._thoughts.setdefault(index, []).append(thought)
        return [self._chunk({"reasoning_content": thought}, carries=True)]

    def _arguments(self, block: JSON, piece: str) -> list[ChatChunk]:
        if not piece or "number" not in block:
            return []
        block["written"] = True
        return [self._chunk({"tool_calls": [_arguments_delta(block["number"], piece)]}, carries=True)]

    def _block_stop(self, payload: JSON) -> list[ChatChunk]:
        index = _index(payload)
        block = self._blocks.pop(index, {})
        thought = "".join(self._thoughts.pop(index, ()))
        length = self._thought_lengths.pop(index, 0)
        match block.get("type"):
            case "tool_use" if not block["written"]:
                # Without deltas the call has no arguments, or has them in its start (a server that streams nothing).
                return [
                    self._chunk(
                        {"tool_calls": [_arguments_delta(block["number"], written(block.get("input") or {}))]},
                        carries=True,
                    )
                ]
            case "thinking" if length <= MAX_THOUGHT:
                return self._replayable({"type": "thinking", "thinking": thought, **block})
            case "redacted_thinking":
                return self._replayable(block)
        return []

    def _replayable(self, block: JSON) -> list[ChatChunk]:
        written(block)
        return [self._chunk({"reasoning_details": [block]})]

    def _message_delta(self, payload: JSON) -> list[ChatChunk]:
        self._keep_usage(payload.get("usage"))
        delta = _object(payload, "delta")
        native = delta.get("stop_reason")
        usage = usage_of(self._usage)
        if native is None:
            return [self._chunk({}, usage=usage)]
        self.complete = True
        finish = finish_of(native, has_calls=self._calls > 0)
        refusal = refusal_of(delta)
        chunk = self._chunk({"refusal": refusal} if refusal else {}, finish=finish, usage=usage)
        chunk.chunk["choices"][0]["native_finish_reason"] = native
        return [replace(chunk, warnings=unknown_finish(native))]

    def _keep_usage(self, usage: Any) -> None:  # noqa: ANN401 - a wire body
        """Counts are cumulative, and the last event states only some of them."""
        if isinstance(usage, dict):
            self._usage.update({name: value for name, value in usage.items() if value is not None})

    def _chunk(
        self, delta: JSON, *, carries: bool = False, finish: str | None = None, usage: Usage | None = None
    ) -> ChatChunk:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return ChatChunk({**self._head, "choices": [choice]}, carries, finish, usage)


def _arguments_delta(number: int, piece: str) -> JSON:
    return {"index": number, "function": {"arguments": piece}}


def _object(payload: JSON, name: str) -> JSON:
    value = payload.get(name)
    if not isinstance(value, dict):
        raise bad_answer(f"a {payload.get('type')} event without {name}")
    return value


def _index(payload: JSON) -> int:
    index = payload.get("index")
    return index if isinstance(index, int) else 0
