"""The order in which a panel's votes come in: as they come, or as they came when it was recorded."""

from __future__ import annotations

from collections.abc import Sequence


class Arrivals:
    """Seats in the order of their votes, with None where the decision was made.

    With a `script` it is followed: only who is in it is asked, and nobody is heard before his turn.
    """

    def __init__(self, script: Sequence[int | None] | None = None) -> None:
        self._script = script
        self._heard: list[int | None] = []

    @property
    def is_scripted(self) -> bool:
        """Whether the order is known before."""
        return self._script is not None

    @property
    def order(self) -> list[int | None]:
        """What was noted so far."""
        return list(self._heard)

    @property
    def upcoming(self) -> int | None:
        """The seat that the script names next; None where the decision comes next, and after the end."""
        if self._script is None or len(self._heard) >= len(self._script):
            return None
        return self._script[len(self._heard)]

    def answers(self, seat: int) -> bool:
        """Whether this seat's vote comes at all, as far as is known."""
        return self._script is None or seat in self._script

    def heard(self, seat: int) -> None:
        """The vote of this seat is in."""
        self._heard.append(seat)

    def settled(self) -> None:
        """The decision is made; votes that come now come after it."""
        self._heard.append(None)
