"""What claims are worth, put beside them on the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from app.domain.decision import Vote
from app.domain.grades import Calibrated
from app.domain.ports import Confidences
from app.domain.target import Target


class _Uncalibrated:
    """Confidences before any vote was graded."""

    def of_vote(self, target: Target, claimed: float | None) -> Calibrated:  # noqa: ARG002 - nothing is known
        return _NOTHING

    def of_panel(self, method: str, agreement: float) -> Calibrated:  # noqa: ARG002 - nothing is known
        return _NOTHING


_NOTHING: Final = Calibrated(None, 0, "shrunk", "uncalibrated")
UNCALIBRATED: Final[Confidences] = _Uncalibrated()


def worth_of(vote: Vote, confidences: Confidences) -> Calibrated | None:
    """What the vote's stated confidence is worth, as it was said before if it was; an abstention claims nothing."""
    if vote.calibration is not None or not vote.is_valid or vote.opinion is None:
        return vote.calibration
    return confidences.of_vote(Target(vote.provider, vote.model), vote.opinion.confidence)


def vote_calibrated(vote: Vote, confidences: Confidences) -> Vote:
    """The vote with what its stated confidence is worth."""
    worth = worth_of(vote, confidences)
    return vote if worth is vote.calibration else replace(vote, calibration=worth)
