"""A gateway whose model is scripted, with scripted tools behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.attempt import Ask
from app.domain.chat import ChatChunk, ChatRequest, ChatResponse
from app.domain.tools import Tool, ToolCallRecord
from app.gateway.attempt import Clock
from app.tools.calling import RoundRules
from app.tools.registry import ToolRegistry
from app.tools.rounds import Answering, Rounds
from tests.fakes import USAGE, ScriptedAdapter
from tests.fakes_tools import ScriptedTools, tool
from tests.gateway.conftest import House

HELLO = [{"role": "user", "content": "hello"}]


@dataclass
class Recorded:
    """An observer that keeps what it hears."""

    calls: list[ToolCallRecord] = field(default_factory=list)

    def tool_called(self, record: ToolCallRecord) -> None:
        self.calls.append(record)


class Workshop:
    """A house with registered tools; `ask` is a chat that may use all of them."""

    def __init__(
        self, tools: ScriptedTools, *registered: Tool, rules: RoundRules | None = None, **adapters: ScriptedAdapter
    ) -> None:
        self.house = House(adapters)
        self.tools = tools
        self.heard = Recorded()
        self.registry = ToolRegistry()
        self.registry.load(1, registered or [tool(name) for name in tools.answers])
        clock = Clock(self.house.clock.now, self.house.clock.wall)
        self.rounds = Rounds(
            self.house.gateway,
            tools,
            [self.heard],
            rules=rules or RoundRules(),
            clock=clock,
            check_running=self.house.planner.check_running,
        )

    def answering(self) -> Answering:
        return self.rounds.answering({entry.tool.name: entry for entry in self.entries()})

    def entries(self) -> list[Any]:
        names = [*self.tools.answers, "get_price"]
        return [entry for name in dict.fromkeys(names) if (entry := self.registry.get(name)) is not None]

    def ask(self, *own: Mapping[str, Any], **changes: Any) -> Ask:
        functions = [dict(entry.function) for entry in self.entries()]
        parameters = {"tools": [*functions, *own], **changes.pop("parameters", {})}
        given: dict[str, Any] = {"request_id": "r1", "deadline": self.house.clock.now() + 60, **changes}
        return Ask(request=ChatRequest(HELLO, parameters), **given)


def calling(*names: str, arguments: str = '{"symbol": "BTC"}', content: str | None = None) -> ChatResponse:
    """A turn that calls these tools."""
    calls = [
        {"id": f"call_{place}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for place, name in enumerate(names)
    ]
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    completion = {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
    }
    return ChatResponse(completion, "tool_calls", USAGE)


def chunk(delta: dict[str, Any], finish: str | None = None) -> ChatChunk:
    """One chunk of a stream."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return ChatChunk({"id": "c", "choices": [choice]}, carries=bool(delta), finish_reason=finish)


def call_delta(place: int, name: str | None, arguments: str, **more: Any) -> dict[str, Any]:
    """A delta of one call."""
    function = {"arguments": arguments} if name is None else {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": place, "function": function, **more}]}
