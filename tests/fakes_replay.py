"""Runs in memory, for those who record and replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from app.domain.errors import StorageUnavailable
from app.domain.replay import Take, TakeKind, TakeOutcome


class FakeTakes:
    """What was recorded, as long as the database is not `is_away`."""

    def __init__(self) -> None:
        self.takes: list[Take] = []
        self.lost: Counter[tuple[str, str]] = Counter()
        self.forgotten: list[datetime] = []
        self.is_away = False

    async def append(self, takes: Sequence[Take], lost: Mapping[tuple[str, str], int]) -> None:
        self._ask()
        known = {take.id for take in self.takes}
        self.takes += [take for take in takes if take.id not in known]
        self.lost += Counter(lost)

    async def nth(
        self, owner: str, run: str, *, kind: TakeKind, member: str, keys: Sequence[str], n: int
    ) -> tuple[Take | None, int]:
        self._ask()
        found = [
            take
            for take in sorted(self.takes, key=lambda take: take.began_at)
            if (take.owner, take.run, take.kind, take.member) == (owner, run, kind, member)
            and take.key in keys
            and take.outcome is not TakeOutcome.CANCELLED
        ]
        return (found[n % len(found)], len(found)) if found else (None, 0)

    async def size(self, owner: str, run: str) -> int:
        self._ask()
        return sum(take.size for take in self.takes if (take.owner, take.run) == (owner, run))

    async def forget(self, before: datetime) -> int:
        self._ask()
        self.forgotten.append(before)
        return 0

    def _ask(self) -> None:
        if self.is_away:
            raise StorageUnavailable("the database is away")
