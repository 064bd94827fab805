"""Counting: what each vote weighs by the panel's method, and what those still out may weigh at most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from app.decisions.seat import Seat
from app.decisions.voting import DISCOUNTED, Ballot, discounted
from app.domain.decision import Action, Vote
from app.domain.grades import Grade
from app.domain.ports import Grades
from app.domain.target import Target

UNSTATED: Final = 0.5
"""What a vote weighs that names no confidence: neither sure nor unsure."""
_ANYTHING: Final = Ballot(None)


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
        self._targets = {seat.number: target_of(seat.name) for seat in seats} if method in DISCOUNTED else {}
        self._merits: dict[Target, float] = {}
        self._families: dict[tuple[str, str], str] = {}
        self.is_ungraded = method == "performance_weighted" and not any(map(self._is_proven, self._targets.values()))

    def cast(self, vote: Vote) -> Ballot:
        """The ballot of a valid vote."""
        assert vote.opinion is not None  # noqa: S101 - a valid vote has one
        return Ballot(vote.opinion.action, self._weight(vote), self.family(vote))

    def out(self, seat: Seat) -> Ballot:
        """The ballot of one who may still vote: anything, with at most this weight."""
        target = self._targets.get(seat.number)
        if target is None:
            return _ANYTHING
        weight = self._merit(target) if self._method == "performance_weighted" else 1.0
        return Ballot(None, weight, self._family_of(target))

    def family(self, vote: Vote) -> str:
        """Whose models err like this vote's."""
        # Votes are counted anew with each that comes.
        key = (vote.provider, vote.model)
        known = self._families.get(key)
        if known is None:
            known = self._families[key] = self._family_of(Target(vote.provider, vote.model))
        return known

    def weights(self, seats: Sequence[Seat], votes: Sequence[Vote]) -> list[float | None]:
        """What each seat's vote counted; None for one that is not valid, and for an officer's."""
        if self._method not in DISCOUNTED:
            # Heads, one each.
            return [
                1.0 if vote.is_valid and not seat.is_officer else None for seat, vote in zip(seats, votes, strict=True)
            ]
        ballots = {
            place: self.cast(vote)
            for place, (seat, vote) in enumerate(zip(seats, votes, strict=True))
            if vote.is_valid and not seat.is_officer
        }
        weights = {place: ballot.weight for place, ballot in ballots.items()}
        for action in Action:
            backing = [place for place, ballot in ballots.items() if ballot.action is action]
            weights.update(zip(backing, discounted([ballots[place] for place in backing]), strict=True))
        return [round(weights[place], 6) if place in weights else None for place in range(len(votes))]

    def _weight(self, vote: Vote) -> float:
        if self._method == "performance_weighted":
            return self._merit(Target(vote.provider, vote.model))
        if self._method != "confidence_weighted":
            return 1.0
        stated = None if vote.opinion is None else vote.opinion.confidence
        return UNSTATED if stated is None else min(max(stated, 0.0), 1.0)

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
