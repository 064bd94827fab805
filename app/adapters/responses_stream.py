"""Event streams of the Responses API as chat completion chunks."""

from __future__ import annotations

from time import time
from typing import Any
from uuid import uuid4

from app.adapters.codec import bad_answer, json_object
from app.adapters.responses_answer import (
    CALLS,
    THOUGHT_BREAK,
    call_of,
    detail_of,
    finish_of,
    head_of,
    in_band,
    raise_error_in,
    said_in,
    text_of,
    thoughts_of,
    usage_of,
)
from app.adapters.sse import SSEEvent
from app.adapters.wire_usage import wire_usage
from app.domain.chat import JSON, ChatChunk
from app.domain.usage import Usage


class ResponsesStreamDecoder:
    """One stream. Items are numbered over all kinds there, tool calls alone by us.

    What is whole in an item's last event and came in no delta is told then: nothing is lost where a server streams
    nothing.
    """

    def __init__(self) -> None:
        self._head: JSON = {"id": f"resp_{uuid4().hex}", "created": int(time()), "model": ""}
        self._has_begun = False
        self._calls: dict[int, _Call] = {}
        self._thoughts: list[JSON] = []
        self._thinking: tuple[Any, ...] | None = None
        self._told: set[int] = set()
        self._refused = False
        self._usage: Usage | None = None
        self.complete = False
        self.ended = False

    def feed(self, event: SSEEvent) -> list[ChatChunk]:
        """Chunks of one event; raises ProviderError for an error in the stream."""
        payload = json_object(event.data)
        match payload.get("type", event.event):
            case "response.output_text.delta":
                return self._say(payload, "content")
            case "response.refusal.delta":
                self._refused = True
                return self._say(payload, "refusal")
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                return self._write(_index(payload), text_of(payload, "delta"))
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                return self._think(payload)
            case "response.output_item.added":
                return self._added(_index(payload), _object(payload, "item"))
            case "response.output_item.done":
                return self._done(_index(payload), _object(payload, "item"))
            case "response.created":
                return self._begin(_object(payload, "response"))
            case "response.completed" | "response.incomplete" | "response.failed":
                return self._end(_object(payload, "response"))
            case "error":
                raise in_band(payload)
            case _:
                return []  # progress, and whatever will be added

    def close(self) -> list[ChatChunk]:
        """The usage chunk."""
        if self._usage is None:
            return []
        return [ChatChunk({**self._framed([]), "usage": wire_usage(self._usage)}, usage=self._usage)]

    def silent(self, *, carries: bool) -> ChatChunk:
        """A chunk without choices, for an event that has no words in Chat Completions."""
        return ChatChunk(self._framed([]), carries)

    def _begin(self, response: JSON) -> list[ChatChunk]:
        raise_error_in(response)
        self._head = head_of(response)
        if self._has_begun:
            return []
        self._has_begun = True
        return [self._chunk({"role": "assistant", "content": ""})]

    def _say(self, payload: JSON, name: str) -> list[ChatChunk]:
        self._told.add(_index(payload))
        piece = text_of(payload, "delta")
        return [self._chunk({name: piece}, carries=True)] if piece else []

    def _think(self, payload: JSON) -> list[ChatChunk]:
        piece = text_of(payload, "delta")
        if not piece:
            return []
        index = _index(payload)
        self._told.add(index)
        place = (index, payload.get("type"), payload.get("summary_index"), payload.get("content_index"))
        is_next = self._thinking is not None and self._thinking != place
        self._thinking = place
        return [self._chunk({"reasoning_content": THOUGHT_BREAK + piece if is_next else piece}, carries=True)]

    def _added(self, index: int, item: JSON) -> list[ChatChunk]:
        if item.get("type") not in CALLS:
            return [] if item.get("type") == "reasoning" else self._details(None)
        if index in self._calls:
            return []
        whole = call_of(item)
        call = self._calls[index] = _Call(len(self._calls), whole["type"])
        inner = whole[call.kind]
        inner[call.field] = text_of(item, call.field)
        call.has_text = bool(inner[call.field])
        return [
            *self._details(whole["id"]),
            self._chunk({"tool_calls": [{"index": call.number, **whole}]}, carries=True),
        ]

    def _write(self, index: int, piece: str) -> list[ChatChunk]:
        call = self._calls.get(index)
        if call is None:
            raise bad_answer("arguments for a call that was never begun")
        if not piece:
            return []
        call.has_text = True
        return [self._chunk({"tool_calls": [{"index": call.number, call.kind: {call.field: piece}}]}, carries=True)]

    def _done(self, index: int, item: JSON) -> list[ChatChunk]:
        match item.get("type"):
            case "function_call" | "custom_tool_call":
                begun = self._added(index, item)
                call = self._calls[index]
                if call.has_text:
                    return begun
                return begun + self._write(index, text_of(item, call.field) or call.nothing)
            case "reasoning":
                self._thoughts.append(item)
                return [] if index in self._told else self._unsaid_thoughts(index, item)
            case "message" if index not in self._told:
                text, refusal = said_in(item)
                self._refused = self._refused or bool(refusal)
                said = {name: value for name, value in (("content", text), ("refusal", refusal)) if value}
                return [*self._details(None), *([self._chunk(said, carries=True)] if said else [])]
            case _:
                return []

    def _unsaid_thoughts(self, index: int, item: JSON) -> list[ChatChunk]:
        return [
            chunk
            for number, text in enumerate(thoughts_of(item))
            for chunk in self._think({"output_index": index, "content_index": number, "delta": text})
        ]

    def _details(self, call_id: str | None) -> list[ChatChunk]:
        """What has to come back with the turn, once it is known which call the thoughts led to."""
        details = [detail for detail in (detail_of(each, call_id) for each in self._thoughts) if detail is not None]
        self._thoughts = []
        return [self._chunk({"reasoning_details": details})] if details else []

    def _end(self, response: JSON) -> list[ChatChunk]:
        raise_error_in(response)
        if response.get("status") not in ("completed", "incomplete"):
            raise bad_answer("the stream ended with a response that is not finished")
        self._usage = usage_of(response.get("usage"))
        self.complete = self.ended = True
        warnings: list[str] = []
        finish, native = finish_of(response, has_calls=bool(self._calls), has_refusal=self._refused, warnings=warnings)
        choice = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": finish, "native_finish_reason": native}
        last = ChatChunk(self._framed([choice]), finish_reason=finish, usage=self._usage, warnings=tuple(warnings))
        return [*self._details(None), last]

    def _chunk(self, delta: JSON, *, carries: bool = False) -> ChatChunk:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
        return ChatChunk(self._framed([choice]), carries)

    def _framed(self, choices: list[JSON]) -> JSON:
        return {**self._head, "object": "chat.completion.chunk", "choices": choices}


class _Call:
    """One tool call: `kind` is the field of its name, `field` the one in it that comes in pieces."""

    def __init__(self, number: int, kind: str) -> None:
        self.number = number
        self.kind = kind
        self.field = "input" if kind == "custom" else "arguments"
        self.nothing = "" if kind == "custom" else "{}"
        self.has_text = False


def _object(payload: JSON, name: str) -> JSON:
    value = payload.get(name)
    if not isinstance(value, dict):
        raise bad_answer(f"a {str(payload.get('type'))[:60]} event without {name}")
    return value


def _index(payload: JSON) -> int:
    index = payload.get("output_index")
    return index if isinstance(index, int) else 0
