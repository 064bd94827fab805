"""How good a target's answers turned out to be, as far as anybody has looked."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.frozen import frozen


@dataclass(frozen=True, slots=True)
class Prior:
    """What is thought of everybody before the market has spoken: a Beta distribution, as votes that nobody cast.

    `hit_rate` of these `votes` count as right. Until `enough` votes of one's own are graded it alone stands in.
    """

    hit_rate: float = 0.5
    votes: float = 20.0
    enough: int = 20

    def mean(self, hits: float, graded: float) -> float:
        """The posterior's mean: the chance that the next vote is right."""
        known = self.votes + graded
        return (self.hit_rate * self.votes + hits) / known if known else self.hit_rate


@frozen
class Grade:
    """`hits` of `graded` decisions were right once the market had spoken; `valid` of `answers` could be used at all.

    `hit_rate` is the chance that the next vote is right: from its own record where that `is_proven`, else the prior's.
    """

    hits: int = 0
    graded: int = 0
    hit_rate: float = 0.5
    is_proven: bool = False
    valid: int = 0
    answers: int = 0


@frozen
class Calibrated:
    """A confidence by how such claims came true, from `n` graded ones; `value` is None while that is not known.

    `note` says "uncalibrated" where `n` is too small to speak of a probability.
    """

    value: float | None
    n: int
    method: str
    note: str | None
