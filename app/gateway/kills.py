"""The kill switch: what is stopped, in this process at once and within a second in all the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import anyio

from app.domain.audit import Author
from app.domain.errors import Code, NotAdmitted
from app.domain.kill import EVERYTHING, Kill, KillEvent, Stoppable
from app.domain.ports import KillRepository
from app.domain.target import Target

log = logging.getLogger(__name__)


class KillSwitch:
    """Stops and lets go on. What is read on the hot path is in memory; what is changed is stored.

    What is under way is told the moment a stop comes into force here, whoever stopped it.

    `type_of` tells a provider's type by its name: a model may be stopped at all providers of a type.
    """

    def __init__(
        self, repository: KillRepository, type_of: Callable[[str], str | None], wall: Callable[[], datetime]
    ) -> None:
        self._repository = repository
        self._type_of = type_of
        self._wall = wall
        self._reading = anyio.Lock()
        self._stored: Mapping[str, Kill] = {}
        # Stops that could not be stored hold here all the same, until they can be taken back or are stored.
        self._here: dict[str, Kill] = {}
        self._in_force: dict[str, Kill] = {}
        self._under_way: set[Stoppable] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing at all is stopped."""
        return not self._in_force

    def stopped(self) -> Sequence[Kill]:
        """What is stopped now, the oldest first."""
        return sorted(self._in_force.values(), key=lambda kill: (kill.since, kill.scope))

    def of(self, agent_id: int | None) -> Kill | None:
        """The stop of everything, or of this agent."""
        found = self._in_force.get(EVERYTHING)
        return found if found is not None or agent_id is None else self._in_force.get(f"agent:{agent_id}")

    def of_target(self, target: Target) -> Kill | None:
        """The stop of this model at its provider, or at all of its type."""
        if not self._in_force:
            return None
        found = self._in_force.get(f"model:{target.provider}/{target.model}")
        return found or self._in_force.get(f"model:{self._type_of(target.provider)}/{target.model}")

    def enter(self, under_way: Stoppable) -> None:
        """Have it stopped when its turn comes, at once where it is stopped already."""
        self._under_way.add(under_way)
        if self._in_force and (kill := self._on(under_way)) is not None:
            under_way.stop(kill)

    def leave(self, under_way: Stoppable) -> None:
        """It has ended; what never entered may leave."""
        self._under_way.discard(under_way)

    def check(self, agent_id: int | None, target: Target | None = None) -> None:
        """Raises NotAdmitted (policy_killed) when nothing may go upstream for this agent, or to this target."""
        if not self._in_force:
            return
        kill = self.of(agent_id) or (None if target is None else self.of_target(target))
        if kill is not None:
            raise NotAdmitted(Code.KILLED, kill.says())

    async def kill(self, scope: str, reason: str, by: Author) -> Sequence[Kill]:
        """Stop a scope; once more changes nothing but the reason. Returns what is stopped now.

        Raises StorageUnavailable when it could not be stored; here, and only here, it is in force all the same.
        """
        self._here[scope] = Kill(scope, reason, self._wall(), by.key_id)
        self._settle()
        log.warning("killed", extra={"kill_scope": scope, "reason": reason, "key_id": by.key_id})
        await self._repository.kill(scope, reason, by)
        await self.refresh()
        return self.stopped()

    async def resume(self, scope: str, by: Author) -> Sequence[Kill]:
        """Let a scope go on; one that is not stopped is no error. Returns what is stopped now.

        Raises StorageUnavailable; then it is still stopped.
        """
        await self._repository.resume(scope, by)
        self._here.pop(scope, None)
        log.warning("resumed", extra={"kill_scope": scope, "key_id": by.key_id})
        await self.refresh()
        return self.stopped()

    async def history(self, limit: int) -> Sequence[KillEvent]:
        """Who stopped what and let it go on, newest first."""
        return await self._repository.history(limit)

    async def refresh(self) -> None:
        """Take over what is stored, whoever stored it. Raises StorageUnavailable."""
        # One at a time, so that what was read first is never put in force last.
        async with self._reading:
            self._stored = {kill.scope: kill for kill in await self._repository.everything()}
            for scope in self._stored.keys() & self._here.keys():
                del self._here[scope]
            self._settle()

    def _settle(self) -> None:
        before, self._in_force = self._in_force, {**self._here, **self._stored}
        if self._in_force.keys() <= before.keys():
            return
        for under_way in tuple(self._under_way):
            if (kill := self._on(under_way)) is not None:
                under_way.stop(kill)

    def _on(self, under_way: Stoppable) -> Kill | None:
        found = self.of(under_way.agent_id)
        return found if found is not None or under_way.target is None else self.of_target(under_way.target)
