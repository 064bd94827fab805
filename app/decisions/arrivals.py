"""The order in which a panel's answers come in: as they come, or as they came when it was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

LATE: Final = "late"
"""Where the first stage had taken too long, and the second was asked."""


def turn_of(seat: int, sample: int | None) -> str:
    """How an answer is named: its seat, and which of several samples it is."""
    return str(seat) if sample is None else f"{seat}.{sample}"


class Arrivals:
    """Answers in their order, with None where the decision was made.

    With a `script` it is followed: only who is in it is asked, and nobody is heard before his turn.
    """

    def __init__(self, script: Sequence[str | None] | None = None) -> None:
        self._script = script
        self._heard: list[str | None] = []

    @property
    def is_scripted(self) -> bool:
        """Whether the order is known before."""
        return self._script is not None

    @property
    def order(self) -> list[str | None]:
        """What was noted so far."""
        return list(self._heard)

    @property
    def upcoming(self) -> str | None:
        """Whose turn the script says is next; None where the decision comes next, and after the end."""
        if self._script is None or len(self._heard) >= len(self._script):
            return None
        return self._script[len(self._heard)]

    def answers(self, turn: str) -> bool:
        """Whether this answer comes at all, as far as is known."""
        return self._script is None or turn in self._script

    def heard(self, turn: str) -> None:
        """This answer is in."""
        self._heard.append(turn)

    def late(self) -> None:
        """The first stage takes too long."""
        self._heard.append(LATE)

    def settled(self) -> None:
        """The decision is made; answers that come now come after it."""
        self._heard.append(None)
