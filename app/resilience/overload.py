"""How many requests may begin while the event loop is behind: what would only wait is refused at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.domain.routing import Priority

_SHARES: Final[Mapping[Priority, float]] = {Priority.LOW: 0.5, Priority.NORMAL: 1.0, Priority.HIGH: 2.0}
"""Of a round's room: what low priority leaves to the others, and how far high priority goes beyond it."""


@dataclass(frozen=True, slots=True)
class OverloadRules:
    """When the loop counts as overloaded; seconds.

    `target` is what one round of the loop may take. In a burst rounds may be late: by `patience` in sum, one after the
    other. The overload is over once nobody had to be refused for `calm`, or nobody came.
    """

    target: float = 0.025
    patience: float = 0.2
    calm: float = 1.0


class Overload:
    """Counts who begins in each round of the loop, and learns from how long it takes how many that may be.

    Until the loop is overloaded there is room for everybody. Then the room shrinks with the lateness and grows by one
    with every round in time: the loop stays busy and its queue short, whatever the machine and the requests.
    """

    __slots__ = ("_began", "_came_round", "_lateness", "_refused_at", "_room", "_rules")

    def __init__(self, rules: OverloadRules) -> None:
        self._rules = rules
        self._began = 0
        self._room: float | None = None
        self._lateness = 0.0
        self._refused_at = 0.0
        self._came_round = 0.0

    @property
    def is_on(self) -> bool:
        """Whether requests are being refused."""
        return self._room is not None

    def begins(self, now: float, priority: Priority) -> bool:
        """Whether one more request may begin in this round; counted when it does. One always may."""
        if self._room is not None and not self._began and now - self._came_round >= self._rules.calm:
            # Nobody came for so long: what is known of the load is no longer true.
            self._room, self._lateness = None, 0.0
        if self._room is not None and self._began >= max(self._room * _SHARES[priority], 1.0):
            self._refused_at = now
            return False
        self._began += 1
        return True

    def went_round(self, now: float, took: float) -> None:
        """The loop came round `took` seconds after the first who began in this round."""
        began, self._began, self._came_round = self._began, 0, now
        late = took - self._rules.target
        self._lateness = self._lateness + late if late > 0 else 0.0
        if self._room is not None:
            self._adapt(now, took)
        elif self._lateness > self._rules.patience:
            self._room = max(began * self._rules.target / took, 1.0)
            self._refused_at = now

    def _adapt(self, now: float, took: float) -> None:
        assert self._room is not None  # noqa: S101  (only called while there is one)
        if took > self._rules.target:
            self._room = max(self._room * max(self._rules.target / took, 0.5), 1.0)
        elif now - self._refused_at >= self._rules.calm:
            self._room = None
        else:
            self._room += 1.0
