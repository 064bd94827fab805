"""Which share of a target's votes could be used: what routing knows of its answers before any of them is graded."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from app.domain.decision import Decision, VoteStatus
from app.domain.grades import Grade
from app.domain.target import Target

MOST_TARGETS: Final = 1000
MOST_ANSWERS: Final = 200
"""Beyond so many answers older ones count half, so that a model that was mended is not judged by its past."""

_USABLE: Final = frozenset({VoteStatus.OK, VoteStatus.REPAIRED})
# A refusal, a timeout or a failure is no answer whose form could be judged.
_JUDGED: Final = _USABLE | {VoteStatus.INVALID, VoteStatus.TRUNCATED}
_UNHEARD: Final = Grade()


class VoteValidity:
    """Hears of decisions in this process; the targets least recently heard of are forgotten beyond 1,000."""

    def __init__(self) -> None:
        self._grades: OrderedDict[Target, Grade] = OrderedDict()

    def of(self, target: Target) -> Grade | None:
        """The target's grade; None while it has cast no vote."""
        return self._grades.get(target)

    def decided(self, decision: Decision) -> None:
        """Count the votes of a decision."""
        for vote in decision.votes:
            if vote.status in _JUDGED:
                self._count(Target(vote.provider, vote.model), is_valid=vote.status in _USABLE)

    def _count(self, target: Target, *, is_valid: bool) -> None:
        before = self._grades.pop(target, _UNHEARD)
        valid, answers = before.valid + is_valid, before.answers + 1
        if answers > MOST_ANSWERS:
            valid, answers = valid // 2, answers // 2
        self._grades[target] = Grade(valid=valid, answers=answers)
        if len(self._grades) > MOST_TARGETS:
            self._grades.popitem(last=False)
