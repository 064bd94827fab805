"""What a day's votes say of each target and each method: numbers that days can be added up from."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Final, TypeVar

from app.domain.decision import VoteStatus
from app.domain.outcome import ScoredVote
from app.domain.target import Target
from app.outcomes.panels import VALID, PanelVotes
from app.outcomes.platt import Bin

# A refusal, a timeout or a failure is no answer whose form could be judged.
_JUDGED: Final = VALID | {VoteStatus.INVALID, VoteStatus.TRUNCATED}
_DIGITS: Final = 2

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class Seen:
    """Votes of one target, or decisions of one method: `claims` are those graded that stated a confidence.

    Claims are kept in hundredths, which bounds them: n and hits by claim.
    """

    answers: int = 0
    valid: int = 0
    graded: int = 0
    hits: int = 0
    claims: dict[float, tuple[int, int]] = field(default_factory=dict)

    def grade(self, claimed: float | None, *, correct: bool) -> None:
        """One more graded vote."""
        self.graded += 1
        self.hits += correct
        if claimed is not None:
            self._claim(round(min(max(claimed, 0.0), 1.0), _DIGITS), 1, int(correct))

    def add(self, other: Seen) -> None:
        """Another day's, beside this one's."""
        self.answers += other.answers
        self.valid += other.valid
        self.graded += other.graded
        self.hits += other.hits
        for claimed, (n, hits) in other.claims.items():
            self._claim(claimed, n, hits)

    def bins(self) -> list[Bin]:
        """The claims, for a curve."""
        return [Bin(claimed, n, hits) for claimed, (n, hits) in self.claims.items()]

    def _claim(self, claimed: float, n: int, hits: int) -> None:
        before, right = self.claims.get(claimed, (0, 0))
        self.claims[claimed] = before + n, right + hits


@dataclass(slots=True)
class Day:
    """One UTC day of decisions."""

    targets: dict[Target, Seen] = field(default_factory=dict)
    methods: dict[str, Seen] = field(default_factory=dict)

    def add(self, votes: Iterable[ScoredVote]) -> None:
        """Count these; the votes of one decision stand side by side."""
        for _, group in groupby(votes, key=lambda vote: vote.vote.decision_id):
            panel = PanelVotes(list(group))
            for scored in panel.votes:
                self._add(scored)
            if panel.correct is not None:
                method = panel.votes[0].method
                self.methods.setdefault(method, Seen()).grade(panel.agreement, correct=panel.correct)

    def _add(self, scored: ScoredVote) -> None:
        vote = scored.vote
        if vote.status not in _JUDGED:
            return
        seen = self.targets.setdefault(Target(vote.provider, vote.model), Seen())
        seen.answers += 1
        seen.valid += vote.status in VALID
        if vote.status in VALID and scored.correct is not None:
            seen.grade(vote.confidence, correct=scored.correct)


def added(parts: Iterable[Mapping[K, Seen]]) -> dict[K, Seen]:
    """Days as one."""
    total: dict[K, Seen] = {}
    for part in parts:
        for key, seen in part.items():
            total.setdefault(key, Seen()).add(seen)
    return total


def decayed(days: Mapping[date, Seen], today: date, half_life: float) -> tuple[float, float]:
    """Hits and graded votes, each worth half as much per `half_life` days of age."""
    hits = graded = 0.0
    for day, seen in days.items():
        worth = 0.5 ** (max((today - day).days, 0) / half_life)
        hits += worth * seen.hits
        graded += worth * seen.graded
    return hits, graded
