"""Which target answered each conversation last, so that the next request of it finds its caches warm."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from app.domain.attempt import AttemptOutcome, AttemptRecord
from app.domain.target import Target

MOST: Final = 10_000
IDLE_SECONDS: Final = 3600.0


class Conversations:
    """This process's memory of conversations: the 10,000 answered last, each until an hour after its last answer."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._answered: OrderedDict[str, tuple[Target, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answered)

    def last(self, key: str) -> Target | None:
        """Who answered last; None for a conversation that is new or forgotten."""
        target, at = self._answered.get(key, (None, 0.0))
        return None if target is None or self._now() - at > IDLE_SECONDS else target

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Keep who answered."""
        if record.conversation is None or record.outcome is not AttemptOutcome.OK:
            return
        self._answered[record.conversation] = record.target, self._now()
        self._answered.move_to_end(record.conversation)
        if len(self._answered) > MOST:
            self._answered.popitem(last=False)
