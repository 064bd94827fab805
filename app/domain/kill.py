"""What an operator stopped: everything, an agent or a model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

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
