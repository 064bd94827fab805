"""Counting: what each vote weighs by the panel's method, and what those still out may weigh at most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from app.decisions.seat import Seat
from app.decisions.voting import DISCOUNTED, Ballot, discounted
from app.domain.decision import Action, Vote
from app.domain.grades import Grade
from app.domain.ports import Grades
from app.domain.target import Target

UNSTATED: Final = 0.5
"""What a vote weighs that names no confidence: neither sure nor unsure."""


class _Ungraded:
    """Grades before anybody gave one."""

    def of(self, target: Target) -> Grade | None:  # noqa: ARG002 - nothing is known of anybody
        return None


UNGRADED: Final[Grades] = _Ungraded()


class Counter:
    """The weights of one panel. What was known of a target when it was first weighed holds for the whole panel."""

    def __init__(
        self,
        method: str,
        seats: Iterable[Seat],
        target_of: Callable[[str], Target | None],
        family_of: Callable[[Target], str],
        grades: Grades,
    ) -> None:
        self._method = method
        self._family_of = family_of
        self._grades = grades
        self._targets = {seat: target_of(seat.name) for seat in seats} if method in DISCOUNTED else {}
        self._merits: dict[Target, float] = {}
        self.is_ungraded = method == "performance_weighted" and not any(map(self._is_proven, self._targets.values()))

    def cast(self, vote: Vote) -> Ballot:
        """The ballot of a valid vote."""
        assert vote.opinion is not None  # noqa: S101 - a valid vote has one
        target = Target(vote.provider, vote.model)
        return Ballot(vote.opinion.action, self._weight(vote, target), self._family_of(target))

    def out(self, seat: Seat) -> Ballot:
        """The ballot of one who may still vote: anything, with at most this weight."""
        target = self._targets.get(seat)
        if target is None:
            return Ballot(None)
        weight = self._merit(target) if self._method == "performance_weighted" else 1.0
        return Ballot(None, weight, self._family_of(target))

    def weighed(self, votes: Mapping[Seat, Vote]) -> dict[Seat, Vote]:
        """The votes with their families, and the valid ones with what they counted; an officer's counts nothing."""
        valid = {seat: self.cast(vote) for seat, vote in votes.items() if vote.is_valid and not seat.is_officer}
        weights = {seat: ballot.weight for seat, ballot in valid.items()}
        if self._method in DISCOUNTED:
            for action in Action:
                backing = [seat for seat, ballot in valid.items() if ballot.action is action]
                weights.update(zip(backing, discounted([valid[seat] for seat in backing]), strict=True))
        return {
            seat: replace(
                vote,
                family=self._family_of(Target(vote.provider, vote.model)),
                weight=round(weights[seat], 6) if seat in weights else None,
            )
            for seat, vote in votes.items()
        }

    def _weight(self, vote: Vote, target: Target) -> float:
        if self._method == "confidence_weighted":
            stated = None if vote.opinion is None else vote.opinion.confidence
            return UNSTATED if stated is None else min(max(stated, 0.0), 1.0)
        return self._merit(target) if self._method == "performance_weighted" else 1.0

    def _merit(self, target: Target) -> float:
        """The chance that the next vote is right, by graded ones; the same for all while nobody has a record."""
        if self.is_ungraded:
            return 1.0
        if target not in self._merits:
            self._merits[target] = (self._grades.of(target) or Grade()).hit_rate
        return self._merits[target]

    def _is_proven(self, target: Target | None) -> bool:
        grade = None if target is None else self._grades.of(target)
        return grade is not None and grade.is_proven
