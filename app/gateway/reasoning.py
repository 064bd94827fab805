"""What a model thought before it called a tool, kept for clients that do not send it back.

Some providers refuse a tool's result, or answer worse, when the thinking before the call does not come back with it;
OpenAI's clients have no place for it and lose it. So it is kept here for a while, by the call's id.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from app.domain.chat import JSON, ChatChunk, ChatRequest

MOST_TURNS: Final = 2_000
MOST_BYTES: Final = 64 * 1024
MOST_BYTES_TOGETHER: Final = 16 * 1024 * 1024
"""Of all turns; they are kept as JSON, so that this is what they take."""

LIFETIME: Final = 1_800.0
"""Seconds that a turn is remembered."""

Key = tuple[str, str, str]
"""Who asked, which provider answered, and the id of the first call of the turn."""


@dataclass(frozen=True, slots=True)
class _Turn:
    until: float
    fields: bytes


class ReasoningMemory:
    """Reasoning of assistant turns with tool calls; bounded in number, size and time, and never shared by callers."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._turns: OrderedDict[Key, _Turn] = OrderedDict()
        self._bytes = 0

    def keep(self, caller: str, provider: str, message: Mapping[str, Any]) -> None:
        """Remember what an assistant message thought, if it calls tools; what is too large is not kept."""
        ids = _call_ids(message)
        fields = {
            name: message[name] for name in ("reasoning_content", "reasoning_details") if message.get(name) is not None
        }
        if not ids or not fields:
            return
        written = orjson.dumps(fields)
        if len(written) > MOST_BYTES:
            return
        key = (caller, provider, ids[0])
        self._forget(key)
        self._turns[key] = _Turn(self._now() + LIFETIME, written)
        self._bytes += len(written)
        while len(self._turns) > MOST_TURNS or self._bytes > MOST_BYTES_TOGETHER:
            self._forget(next(iter(self._turns)))

    def _forget(self, key: Key) -> None:
        turn = self._turns.pop(key, None)
        if turn is not None:
            self._bytes -= len(turn.fields)

    def restored(self, caller: str, provider: str, request: ChatRequest) -> ChatRequest:
        """The request with what is remembered of its turns, where the caller did not send it; else the very same."""
        if not self._turns or request.native is not None:
            return request
        messages = [self._restored(caller, provider, message) for message in request.messages]
        if all(one is other for one, other in zip(messages, request.messages, strict=True)):
            return request
        return replace(request, messages=messages)

    def _restored(self, caller: str, provider: str, message: JSON) -> JSON:
        if message.get("role") != "assistant" or message.get("reasoning_details") is not None:
            return message
        ids = _call_ids(message)
        turn = self._turns.get((caller, provider, ids[0])) if ids else None
        if turn is None or turn.until < self._now():
            return message
        fields: JSON = orjson.loads(turn.fields)
        stated = {name: value for name, value in message.items() if value is not None or name == "content"}
        return {**fields, **stated}


class StreamedTurn:
    """Gathers what ReasoningMemory wants to know from the chunks of one stream: the first choice's."""

    def __init__(self) -> None:
        self._ids: list[JSON] = []
        self._thought: list[str] = []
        self._details: list[Any] = []
        self._size = 0

    def see(self, chunk: ChatChunk) -> None:
        """One chunk that went by."""
        for choice in chunk.chunk.get("choices") or ():
            if choice.get("index", 0) == 0:
                self._take(choice.get("delta") or {})

    @property
    def message(self) -> JSON:
        """The turn so far, as a message; without reasoning where there was too much."""
        if self._size > MOST_BYTES:
            return {}
        return {
            "tool_calls": self._ids,
            "reasoning_content": "".join(self._thought) or None,
            "reasoning_details": self._details or None,
        }

    def _take(self, delta: JSON) -> None:
        self._ids += ({"id": call["id"]} for call in delta.get("tool_calls") or () if call.get("id") and not self._ids)
        thought, details = delta.get("reasoning_content"), delta.get("reasoning_details")
        if isinstance(thought, str):
            self._size += len(thought)
        if isinstance(details, list):
            self._size += len(orjson.dumps(details))
        if self._size > MOST_BYTES:
            self._thought, self._details = [], []
            return
        if isinstance(thought, str):
            self._thought.append(thought)
        if isinstance(details, list):
            self._details += details


def _call_ids(message: Mapping[str, Any]) -> Sequence[str]:
    calls: Iterable[Any] = message.get("tool_calls") or ()
    return [call["id"] for call in calls if isinstance(call, dict) and isinstance(call.get("id"), str)]
