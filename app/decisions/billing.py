"""What the decisions under way have cost so far, down to the calls that were cancelled and never answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from operator import is_
from typing import Final

from app.decisions.seat import Seat
from app.domain.attempt import AttemptRecord, spent_on
from app.domain.decision import Decision, Vote

LEAVING: Final = 0.05
"""Seconds that a decision waits at most for the calls it cancelled to be recorded."""
# What a member adds to the id of the question: its seat, a sample, and why it was asked once more.
_SEAT: Final = re.compile(r"(?:\.without_news)?\.(\d+)(?:s\d+)?(?:\.prompt|\.repair)?\Z")


class Billing:
    """Hears of every attempt, and keeps those of decisions that are being made."""

    def __init__(self) -> None:
        self._attempts: dict[str, list[AttemptRecord]] = {}

    def begin(self, decision_id: str) -> None:
        """Its attempts are kept from now on."""
        self._attempts[decision_id] = []

    def end(self, decision_id: str) -> None:
        """They are not needed any more."""
        self._attempts.pop(decision_id, None)

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Keep one attempt."""
        if record.decision_id is not None and (kept := self._attempts.get(record.decision_id)) is not None:
            kept.append(record)

    def billed(self, decision: Decision, seats: Sequence[Seat]) -> Decision:
        """The decision at the price of all its attempts, and each vote that did not come at the price of its own.

        Where nobody was asked, as in a replay, it stays as it is.
        """
        attempts = self._attempts.get(decision.id)
        if not attempts:
            return decision
        by_seat: dict[int, list[AttemptRecord]] = {}
        for one in attempts:
            found = _SEAT.fullmatch(one.request_id.removeprefix(decision.request_id))
            if found is not None:
                by_seat.setdefault(int(found[1]), []).append(one)
        votes = [_paid(vote, by_seat.get(seat.number, [])) for vote, seat in zip(decision.votes, seats, strict=True)]
        spent = spent_on(attempts)
        # Nearly always the members' own words are the bill.
        if spent == decision.cost_usd and all(map(is_, votes, decision.votes)):
            return decision
        return replace(decision, votes=tuple(votes), cost_usd=spent)


def _paid(vote: Vote, attempts: Sequence[AttemptRecord]) -> Vote:
    if not attempts:
        return vote
    spent = spent_on(attempts)
    return vote if spent == vote.cost_usd else replace(vote, cost_usd=spent)
