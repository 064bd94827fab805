"""What to expect of one target with one request: whether it answers, and what that will cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from app.domain.grades import Grade
from app.domain.routing import Candidate, RoutingQuery
from app.domain.usage import Usage

QUALITY_FLOOR: Final = 0.8
"""A target that answers less often than this is no bargain at any price."""

# What a model writes is not known before its first answer, nor what will be said where nothing is.
_TYPICAL_OUTPUT: Final = 500
_TYPICAL_INPUT: Final = 1000
# Nobody is judged by one failure: so many successes are taken for granted.
_BENEFIT_OF_DOUBT: Final = 5
_LEAST_RATE: Final = 0.05
_UNKNOWN: Final = Grade()


def dependability(candidate: Candidate) -> float:
    """The chance that an attempt succeeds: the recent rate, with five successes added to it. 1 without traffic."""
    if candidate.success_rate is None:
        return 1.0
    known = candidate.samples
    return (candidate.success_rate * known + _BENEFIT_OF_DOUBT) / (known + _BENEFIT_OF_DOUBT)


def validity(grade: Grade | None) -> float:
    """The chance that an answer can be used: the share so far, with five good ones added to it. 1 without any."""
    if grade is None:
        return 1.0
    return (grade.valid + _BENEFIT_OF_DOUBT) / (grade.answers + _BENEFIT_OF_DOUBT)


def accuracy(grade: Grade | None) -> float:
    """The chance that an answer can be used and is right: by its own graded record where that is long enough.

    What a model claims of itself has no part in it.
    """
    return validity(grade) * (grade or _UNKNOWN).hit_rate


def expected_output(candidate: Candidate, query: RoutingQuery) -> int:
    """Tokens of the answer: what this target usually writes, and no more than request and model allow."""
    usual = _TYPICAL_OUTPUT if candidate.usual_output is None else round(candidate.usual_output)
    limits = [limit for limit in (query.max_tokens, candidate.max_output_tokens) if limit is not None]
    return min([usual, *limits])


def expected_cost(candidate: Candidate, query: RoutingQuery) -> Decimal | None:
    """Dollars of this request here: prompt, usual answer and cached share, and the attempts that it takes.

    None where a price that it needs is not known.
    """
    if candidate.price is None:
        return None
    prompt = query.input_tokens or _TYPICAL_INPUT
    cached = min(round(prompt * candidate.cached_share), prompt)
    once = candidate.price.cost(Usage(prompt, expected_output(candidate, query), cached_tokens=cached))
    return None if once is None else once / Decimal(max(dependability(candidate), _LEAST_RATE))
