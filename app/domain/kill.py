"""What an operator stopped: everything, an agent or a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from app.domain.target import Target

EVERYTHING: Final = "all"


@dataclass(frozen=True, slots=True)
class Kill:
    """A stop in force. `scope` is `all`, `agent:<id>` or `model:<provider>/<model>`; `by` is the key of who did it."""

    scope: str
    reason: str
    since: datetime
    by: str

    def says(self) -> str:
        """The stop in a person's words."""
        return f"{self.scope} is stopped: {self.reason}"


class Stoppable(Protocol):
    """What is under way for an agent, or at a target, and ends when an operator stops that."""

    @property
    def agent_id(self) -> int | None: ...
    @property
    def target(self) -> Target | None: ...
    def stop(self, kill: Kill) -> None:
        """End it, without waiting; called more than once where more than one stop comes. Never raises."""
        ...


class Stops(Protocol):
    """What is stopped, and who is told at once when something is."""

    def of(self, agent_id: int | None) -> Kill | None:
        """The stop of everything, or of this agent."""
        ...

    def enter(self, under_way: Stoppable) -> None:
        """Have it stopped when its turn comes, at once where it is stopped already."""
        ...

    def leave(self, under_way: Stoppable) -> None:
        """It has ended; what never entered may leave."""
        ...


class _NoStops:
    """Nothing is ever stopped."""

    def of(self, agent_id: int | None) -> Kill | None:  # noqa: ARG002 - nobody's is
        return None

    def enter(self, under_way: Stoppable) -> None: ...
    def leave(self, under_way: Stoppable) -> None: ...


NO_STOPS: Final[Stops] = _NoStops()


class KillAction(StrEnum):
    """What was done with a stop."""

    KILL = "kill"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class KillEvent:
    """One line of who stopped what, or let it go on, and when; newest lines are read first."""

    action: KillAction
    scope: str
    reason: str
    at: datetime
    by: str
