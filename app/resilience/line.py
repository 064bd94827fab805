"""Who waits for room at a limit: the most urgent first, among equals who came first."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import Final

from app.domain.routing import Priority

_RANKS: Final = {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 2}


class Place:
    """A place in the line. `wake` is called when it may be its turn; `limit` is what it waits at."""

    __slots__ = ("limit", "rank", "turn", "wake")

    def __init__(self, priority: Priority, limit: str, wake: Callable[[], None]) -> None:
        self.rank = _RANKS[priority]
        self.turn = 0
        self.limit = limit
        self.wake = wake


class Line:
    """The places in their order; falsy when nobody waits."""

    __slots__ = ("_places", "_turns")

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._turns = 0

    def __len__(self) -> int:
        return len(self._places)

    def join(self, place: Place) -> None:
        """Wait behind everyone of the same or a higher priority."""
        self._turns += 1
        place.turn = self._turns
        insort(self._places, place, key=lambda one: (one.rank, one.turn))

    def leave(self, place: Place) -> None:
        """Admitted or given up: the next one may look for itself."""
        self._places.remove(place)
        self.wake()

    def wake(self) -> None:
        """There may be room: wake the first."""
        if self._places:
            self._places[0].wake()

    def ahead_of(self, priority: Priority, place: Place | None) -> Place | None:
        """Who goes first; None when it is this place, or a newcomer whom nobody waiting outranks or equals."""
        first = self._places[0]
        if first is place or (place is None and _RANKS[priority] < first.rank):
            return None
        return first
