"""The registry: every tool in memory, its schema compiled, for the path that may not ask the database."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.domain.errors import StorageUnavailable
from app.domain.tools import Tool
from app.text.schema import BadSchema, Schema, compiled, problems
from app.text.schema_cost import Weight

_MOST_COMPARED: Final = 2_000


@dataclass(frozen=True, slots=True)
class Registered:
    """A tool as requests see it: ready to be offered, and to have its arguments checked."""

    tool: Tool
    function: Mapping[str, Any]
    schema: Schema | None

    def wrong(self, arguments: Mapping[str, Any]) -> list[str]:
        """What is wrong with the arguments, the first few; empty for those that may be sent."""
        if self.schema is None:
            return ["the tool's own schema cannot be read"]
        try:
            # What it looked at once it keeps, and it lives as long as the tool.
            return problems(Schema(self.schema.checker, Weight(self.tool.parameters)), arguments)
        except BadSchema as error:
            return [str(error)]


class ToolRegistry:
    """A snapshot of all tools, replaced as a whole. It outlives the database's absence."""

    def __init__(self) -> None:
        self._entries: dict[str, Registered] = {}
        self._revision = -1
        self._undecryptable = 0

    @property
    def is_loaded(self) -> bool:
        """Whether a snapshot was ever there."""
        return self._revision >= 0

    @property
    def undecryptable(self) -> int:
        """How many tools have headers that cannot be read."""
        return self._undecryptable

    def get(self, name: str) -> Registered | None:
        """The enabled tool, or None. Raises StorageUnavailable before the first snapshot."""
        if not self.is_loaded:
            raise StorageUnavailable("which tools there are is not known until the database has answered")
        found = self._entries.get(name)
        return found if found is not None and found.tool.enabled else None

    def why_not(self, name: str) -> str | None:
        """Why nothing can be called by this name, with the closest names; None where a tool is."""
        if self.get(name) is not None:
            return None
        shown = repr(name[:64])
        if name in self._entries:
            return f"names the tool {shown}, which is not enabled"
        names = [one for one, entry in self._entries.items() if entry.tool.enabled]
        near = difflib.get_close_matches(name[:64].lower(), names[:_MOST_COMPARED], n=3, cutoff=0.5)
        if near:
            return f"names the tool {shown}, which is not registered; closest: {', '.join(near)}"
        known = f"; known are {', '.join(names[:4])}" if names else "; none is"
        return f"names the tool {shown}, which is not registered{known}"

    def load(self, revision: int, tools: Sequence[Tool]) -> None:
        """Take a newer snapshot; an older one than that in force is ignored."""
        if revision < self._revision:
            return
        before = self._entries
        self._entries = {tool.name: _registered(tool, before.get(tool.name)) for tool in tools}
        self._undecryptable = sum(tool.undecryptable for tool in tools)
        self._revision = revision


def _registered(tool: Tool, before: Registered | None) -> Registered:
    if before is not None and before.tool.id == tool.id and before.tool.parameters == tool.parameters:
        schema = before.schema
    else:
        try:
            schema = compiled(tool.parameters)
        except BadSchema:
            # It was taken once: a newer checker, or somebody's hand in the database, changed that.
            schema = None
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return Registered(tool, {"type": "function", "function": function}, schema)
