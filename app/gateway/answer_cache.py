"""What the response cache of one process holds: answers that are kept, and calls that several requests wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.domain.ports import AttemptObserver
from app.gateway.flights import Flights
from app.gateway.kept import Kept
from app.resilience.store import Store, StoreRules


class AnswerCache:
    """What one process keeps and what it has under way; `observers` hear of every free answer as a `cached` outcome.

    `counted` is told what became of each request, by the name of its CacheStatus, and `store` for an answer kept.
    """

    def __init__(
        self,
        rules: StoreRules | None = None,
        observers: Sequence[AttemptObserver] = (),
        counted: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.rules = rules or StoreRules()
        self.kept: Store[Kept] = Store(self.rules)
        self.flights = Flights()
        self.observers = tuple(observers)
        self.counted = counted
