"""Tools as administrators manage them: checked, stored, and in force when the call returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import anyio

from app.domain.audit import THE_GATEWAY, Author
from app.domain.errors import NotFound
from app.domain.ports import ToolCallRepository, ToolRepository
from app.domain.tools import Tool, ToolCallRecord
from app.tools.registry import ToolRegistry
from app.tools.rounds import Answering, Rounds
from app.tools.rules import check


class ToolService:
    """Every write is in the registry before the call returns; writes of one process pass one at a time.

    `objection` says why a URL may not be called, None where it may.
    """

    def __init__(
        self,
        repository: ToolRepository,
        calls: ToolCallRepository,
        registry: ToolRegistry,
        rounds: Rounds,
        objection: Callable[[str], str | None],
    ) -> None:
        self._repository = repository
        self._calls = calls
        self.registry = registry
        self._rounds = rounds
        self._objection = objection
        self._writing = anyio.Lock()

    async def create(self, tool: Tool, *, by: Author = THE_GATEWAY) -> Tool:
        """Register a tool. Raises RequestRejected with every wrong field, Conflict for a name that is taken."""
        check(tool, self._objection)
        async with self._writing:
            stored = await self._repository.create(tool, by=by)
            await self.refresh()
        return stored

    async def get(self, name: str) -> Tool:
        """The tool as stored; raises NotFound."""
        found = await self._repository.get(name)
        if found is None:
            raise _unknown(name)
        return found

    async def page(self, *, limit: int, after: int = 0) -> list[Tool]:
        """At most `limit` tools behind the id `after`, oldest first."""
        return await self._repository.page(limit=limit, after=after)

    async def delete(self, name: str, *, by: Author = THE_GATEWAY) -> None:
        """Forget the tool; the calls of it stay on record."""
        async with self._writing:
            if not await self._repository.delete(name, by=by):
                raise _unknown(name)
            await self.refresh()

    async def calls(self, name: str, *, limit: int, cursor: str | None) -> tuple[Sequence[ToolCallRecord], str | None]:
        """The calls of a tool on record, newest first; raises NotFound for a name that never was one."""
        found, following = await self._calls.page(name, limit=limit, cursor=cursor)
        if not found:
            await self.get(name)
        return found, following

    def why_not(self, name: str) -> str | None:
        """Why a chat cannot use this name, None where it can. Raises StorageUnavailable before the first snapshot."""
        return self.registry.why_not(name)

    def function(self, name: str) -> dict[str, Any]:
        """The tool of this name as a model is offered it; raises NotFound."""
        found = self.registry.get(name)
        if found is None:
            raise _unknown(name)
        return dict(found.function)

    def answering(self, names: Sequence[str]) -> Answering:
        """A gateway for one request whose model may call these tools; raises NotFound."""
        entries = {name: self.registry.get(name) for name in names}
        for name, entry in entries.items():
            if entry is None:
                raise _unknown(name)
        return self._rounds.answering({name: entry for name, entry in entries.items() if entry is not None})

    async def refresh(self) -> None:
        """Load the registry anew from the database."""
        self.registry.load(*await self._repository.everything())


def _unknown(name: str) -> NotFound:
    return NotFound(f"no tool is called {name[:64]!r}")
