"""Idempotency keys in memory, by the rules of the stored ones."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.errors import StorageUnavailable
from app.domain.idempotency import Claim, Holding, RequestKey, Reservation, Standing, Term


@dataclass
class Row:
    """One key."""

    held: Reservation
    leased_until: datetime
    answer: dict[str, Any] | None = None
    is_told: bool = False


class KeyShelf:
    """A repository in memory; while `is_away` nothing can be had from it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.is_away = False
        self.renewed: list[str] = []
        self.forgotten = 0

    def settle(self, held: Reservation, answer: dict[str, Any]) -> None:
        """What the transaction that stores a decision does."""
        self.rows[held.key.caller, held.key.key].answer = answer

    async def claim(self, wanted: Reservation, term: Term) -> Claim:
        self._check()
        place = (wanted.key.caller, wanted.key.key)
        row = self.rows.get(place)
        is_lost = row is not None and row.answer is None and row.leased_until <= term.now
        if row is None or (is_lost and row.is_told):
            self.rows[place] = Row(wanted, term.leased_until)
            return Claim(Standing.TAKEN)
        if row.held.key.body_hash != wanted.key.body_hash:
            return Claim(Standing.MISMATCH)
        if is_lost:
            row.is_told = True
            return Claim(Standing.UNKNOWN)
        if row.answer is None:
            return Claim(Standing.IN_PROGRESS, owner=row.held.owner)
        return Claim(Standing.STORED, row.answer)

    async def look(self, key: RequestKey) -> Holding | None:
        self._check()
        row = self.rows.get((key.caller, key.key))
        return None if row is None else Holding(row.held.owner, row.answer is not None, row.leased_until)

    async def give_up(self, lost: Reservation, now: datetime) -> bool:
        row = self.rows.get((lost.key.caller, lost.key.key))
        if row is None or row.held.owner != lost.owner or row.answer is not None or row.leased_until > now:
            return False
        row.is_told = True
        return True

    async def release(self, held: Reservation) -> None:
        self._check()
        row = self.rows.get((held.key.caller, held.key.key))
        if row is not None and row.held == held and row.answer is None:
            del self.rows[held.key.caller, held.key.key]

    async def reopen(self, wanted: Reservation, decision_id: str, term: Term) -> bool:
        self._check()
        place = (wanted.key.caller, wanted.key.key)
        row = self.rows.get(place)
        if row is None or row.answer is None or row.answer["id"] != decision_id:
            return False
        self.rows[place] = Row(wanted, term.leased_until)
        return True

    async def renew(self, owners: Collection[str], until: datetime) -> None:
        self._check()
        self.renewed += owners
        for row in self.rows.values():
            if row.held.owner in owners:
                row.leased_until = until

    async def forget(self, now: datetime, limit: int) -> int:
        self._check()
        self.forgotten += 1
        return 0

    def _check(self) -> None:
        if self.is_away:
            raise StorageUnavailable("the database is away")
