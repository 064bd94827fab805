"""Tools behind the edge, and tools behind the rounds, that do as they are told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel

from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import Conflict, NotFound
from app.domain.tools import Tool, ToolCall, ToolCallRecord, ToolCallStatus, ToolError, ToolReply

THEN = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"symbol": {"type": "string"}}, "required": ["symbol"]}


def tool(name: str = "get_price", **changes: Any) -> Tool:
    """A registered tool."""
    fields: dict[str, Any] = {"id": 1, "description": "a price", "parameters": SCHEMA, "url": "https://tools.test/x"}
    return Tool(**{**fields, "name": name, "created_at": THEN, "updated_at": THEN, **changes})


def called(**changes: Any) -> ToolCallRecord:
    """One call on record."""
    record = ToolCallRecord("req-1", 1, "get_price", "call_1", ToolCallStatus.OK, THEN, 0.25, http_status=200)
    return replace(record, **changes)


class FakeTools:
    """Tools in a dictionary, without rules; `made` are the calls of every request."""

    def __init__(self, gateway: Any = None) -> None:
        self.tools: dict[str, Tool] = {}
        self.made: list[ToolCallRecord] = []
        self.gateway = gateway

    async def create(self, tool: Tool, *, by: Author = THE_GATEWAY) -> Tool:
        if tool.name in self.tools:
            raise Conflict(f"a tool is already called {tool.name!r}")
        names = tuple(tool.headers)
        made = replace(tool, id=len(self.tools) + 1, header_names=names, created_at=THEN, updated_at=THEN)
        self.tools[tool.name] = made
        return made

    async def get(self, name: str) -> Tool:
        if name not in self.tools:
            raise NotFound(f"no tool is called {name!r}")
        return self.tools[name]

    async def page(self, *, limit: int, after: int = 0) -> list[Tool]:
        return [one for one in self.tools.values() if one.id > after][:limit]

    async def delete(self, name: str, *, by: Author = THE_GATEWAY) -> None:
        await self.get(name)
        del self.tools[name]

    async def calls(self, name: str, *, limit: int, cursor: str | None) -> tuple[Sequence[ToolCallRecord], str | None]:
        await self.get(name)
        return self.made[:limit], None

    def why_not(self, name: str) -> str | None:
        return None if name in self.tools else f"names the tool {name!r}, which is not registered"

    def function(self, name: str) -> dict[str, Any]:
        return {"type": "function", "function": {"name": name, "parameters": dict(self.tools[name].parameters)}}

    def answering(self, names: Sequence[str]) -> Any:
        return FakeRounds(self)


class FakeRounds:
    """The gateway of the fakes, with calls beside it."""

    def __init__(self, tools: FakeTools) -> None:
        self.calls = tools.made
        self.complete = tools.gateway.complete
        self.stream = tools.gateway.stream


class ScriptedTools:
    """Answers calls by the tool's name: with a text, an error, or never. `most_at_once` were under way together."""

    def __init__(self, **answers: str | ToolError | anyio.Event) -> None:
        self.answers = answers
        self.calls: list[ToolCall] = []
        self.most_at_once = 0
        self._under_way = 0
        self.reached = anyio.Event()

    async def call(self, call: ToolCall) -> ToolReply:
        self.calls.append(call)
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        self.reached.set()
        try:
            await anyio.lowlevel.checkpoint()
            answer = self.answers[call.tool.name]
            if isinstance(answer, ToolError):
                raise answer
            if isinstance(answer, anyio.Event):
                await answer.wait()
                answer = "at last"
            return ToolReply(200, answer, len(answer))
        finally:
            self._under_way -= 1
