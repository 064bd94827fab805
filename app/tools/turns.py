"""What a model says in one round: whose calls are in it, and what of a stream the caller sees."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from app.domain.chat import JSON, ChatChunk

MAX_TURN: Final = 1024 * 1024
"""Characters of a streamed turn that are kept, to be said to the model again after its calls."""

_SAID_AGAIN: Final = ("role", "content", "tool_calls", "reasoning_content", "reasoning_details")


def names_of(tools: object) -> frozenset[str]:
    """The functions among the tools of a request."""
    functions = [tool.get("function") or {} for tool in tools or () if isinstance(tool, dict)]  # type: ignore[attr-defined]
    return frozenset(name for one in functions if isinstance(name := one.get("name"), str))


def calls_of(message: Mapping[str, Any]) -> Sequence[JSON]:
    """The calls in a whole message."""
    return message.get("tool_calls") or ()


def is_for_caller(calls: Sequence[JSON], own: Collection[str]) -> bool:
    """Whether any call is of a tool that the caller runs; `own` are the names of those."""
    return any(_is_own(call, own) for call in calls)


def said_again(message: Mapping[str, Any]) -> JSON:
    """A message as it goes back to the model, before the results of its calls."""
    return {name: message[name] for name in _SAID_AGAIN if message.get(name) is not None or name == "content"}


class StreamedTurn:
    """Gathers one round's turn from its chunks; calls of the server's tools are kept from the caller."""

    def __init__(self, own: Collection[str]) -> None:
        self._own = own
        self._content: list[str] = []
        self._calls: dict[int, JSON] = {}
        self._held: dict[int, list[JSON]] = {}
        self._size = 0

    @property
    def calls(self) -> list[JSON]:
        """The calls so far, in their order."""
        return [self._calls[place] for place in sorted(self._calls)]

    @property
    def is_too_long(self) -> bool:
        """Whether there was more than is kept: then the turn cannot be said again."""
        return self._size > MAX_TURN

    @property
    def message(self) -> JSON:
        """The turn as a message; what was thought in it, the gateway remembers by the call's id."""
        return {"role": "assistant", "content": "".join(self._content) or None, "tool_calls": self.calls}

    def seen(self, chunk: ChatChunk) -> ChatChunk | None:
        """What of a chunk the caller sees; None for nothing."""
        choice = next((one for one in chunk.chunk.get("choices") or () if one.get("index", 0) == 0), None)
        if choice is None:
            return chunk
        delta = choice.get("delta") or {}
        self._size += chunk.length
        if self.is_too_long:
            self._content.clear()
        elif isinstance(delta.get("content"), str):
            self._content.append(delta["content"])
        if not delta.get("tool_calls"):
            return chunk
        shown = [each for call in delta["tool_calls"] for each in self._sorted(call)]
        rest = {name: value for name, value in delta.items() if name != "tool_calls"}
        if not shown and not rest and chunk.finish_reason is None:
            return None
        return _with_delta(chunk, choice, {**rest, "tool_calls": shown} if shown else rest)

    def held(self) -> ChatChunk | None:
        """The calls that were kept back, for a caller who is given the whole turn after all; None without any."""
        deltas = [each for place in sorted(self._held) for each in self._held[place]]
        self._held.clear()
        choice = {"index": 0, "delta": {"tool_calls": deltas}, "finish_reason": None}
        return ChatChunk({"choices": [choice]}, carries=True) if deltas else None

    def _sorted(self, delta: JSON) -> list[JSON]:
        """The deltas that may be shown now: of a call whose name is not known yet, none."""
        place = delta["index"] if isinstance(delta.get("index"), int) else len(self._calls)
        call = self._calls.setdefault(
            place, {"id": f"call_{place}", "type": "function", "function": {"name": "", "arguments": ""}}
        )
        _merge(call, delta, keeps=not self.is_too_long)
        held = self._held.setdefault(place, [])
        if not self.is_too_long:
            held.append(delta)
        return self._held.pop(place) if _is_own(call, self._own) else []


def _is_own(call: JSON, own: Collection[str]) -> bool:
    return call.get("type", "function") != "function" or call["function"].get("name") in own


def _merge(call: JSON, delta: JSON, *, keeps: bool) -> None:
    function = delta.get("function") or {}
    call["id"] = delta.get("id") or call["id"]
    call["type"] = delta.get("type") or call["type"]
    call["function"]["name"] = call["function"]["name"] or function.get("name") or ""
    if keeps:
        call["function"]["arguments"] += function.get("arguments") or ""


def _with_delta(chunk: ChatChunk, choice: JSON, delta: JSON) -> ChatChunk:
    return replace(chunk, chunk={**chunk.chunk, "choices": [{**choice, "delta": delta}]})
