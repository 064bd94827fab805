"""A server of Chat Completions as its documentation describes it: what it does not take is a complaint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

JSON = dict[str, Any]
Rule = Callable[[JSON], Iterator[str]]

_PARTS = {"text", "image_url"}
_CALL = {"id", "type", "function"}


def no_more(body: JSON) -> Iterator[str]:
    """For servers without rules of their own."""
    del body
    yield from ()


@dataclass(frozen=True)
class Likes:
    """What one server takes. `ids`: what ids of calls must look like; `rules`: its own complaints."""

    fields: frozenset[str]
    roles: frozenset[str] = frozenset({"system", "user", "assistant", "tool"})
    names: bool = False
    assistant: frozenset[str] = frozenset({"role", "content", "tool_calls"})
    parts: frozenset[str] = frozenset(_PARTS)
    ids: re.Pattern[str] = re.compile(r".+")
    choices: frozenset[str] = frozenset({"auto", "none", "required"})
    allows_tools: bool = False
    strict: bool = True
    stops: int = 4
    takes_one_stop: bool = True
    rules: tuple[Rule, ...] = field(default=(no_more,))

    def complaints(self, body: JSON) -> Iterator[str]:
        """Everything that this server would refuse or pass over in silence."""
        for name in sorted(body.keys() - self.fields):
            yield f"unknown field {name}"
        stop = body.get("stop", [])
        if (isinstance(stop, str) and not self.takes_one_stop) or (isinstance(stop, list) and len(stop) > self.stops):
            yield f"stop {stop}"
        yield from self._messages(body["messages"])
        yield from self._tools(body)
        for rule in self.rules:
            yield from rule(body)

    def _messages(self, messages: list[JSON]) -> Iterator[str]:
        open_calls: list[str] = []
        for index, message in enumerate(messages):
            role = message["role"]
            if role not in self.roles:
                yield f"messages[{index}]: role {role}"
            known = {
                "assistant": self.assistant,
                "tool": {"role", "content", "tool_call_id"} | ({"name"} if self.names is not True else set()),
            }.get(role, {"role", "content"} | ({"name"} if self.names else set()))
            for name in message.keys() - known:
                yield f"messages[{index}]: field {name}"
            if role == "tool":
                if message["tool_call_id"] not in open_calls:
                    yield f"messages[{index}] answers no open call"
                else:
                    open_calls.remove(message["tool_call_id"])
            elif open_calls:
                yield f"messages[{index}]: {role} before the results of {open_calls}"
            yield from self._content(message, index)
            for call in message.get("tool_calls") or ():
                open_calls.append(call["id"])
                if call.keys() - _CALL or not self.ids.fullmatch(call["id"]):
                    yield f"messages[{index}]: call {call}"
                if not isinstance(call["function"]["arguments"], str):
                    yield f"messages[{index}]: arguments are no text"

    def _content(self, message: JSON, index: int) -> Iterator[str]:
        content, role = message.get("content"), message["role"]
        if content is None and not message.get("tool_calls"):
            yield f"messages[{index}]: no content"
        for part in content if isinstance(content, list) else ():
            if part["type"] not in (self.parts if role == "user" else {"text"}):
                yield f"messages[{index}]: a {role} says {part['type']}"
            if part["type"] == "file" and "file_url" in part["file"]:
                yield f"messages[{index}]: there is no file_url"

    def _tools(self, body: JSON) -> Iterator[str]:
        for tool in body.get("tools", ()):
            if tool["type"] != "function" or (not self.strict and "strict" in tool["function"]):
                yield f"tool {tool}"
        choice = body.get("tool_choice", "auto")
        if "tool_choice" in body and not body.get("tools"):
            yield "tool_choice without tools"
        if isinstance(choice, str) and choice not in self.choices:
            yield f"tool_choice {choice}"
        if isinstance(choice, dict) and choice["type"] == "allowed_tools" and not self.allows_tools:
            yield "tool_choice allowed_tools"
        if body.get("parallel_tool_calls") is not None and not body.get("tools"):
            yield "parallel_tool_calls without tools"


def choice_of(body: JSON) -> Any:
    """Who may be called, in one word."""
    if not body.get("tools"):
        return "none"
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        return choice["allowed_tools"]["mode"] if "allowed_tools" in choice else choice["function"]["name"]
    return "required" if choice == "any" else choice
