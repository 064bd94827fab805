"""Several answers of one member to one question: its vote is what most of them say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, replace
from decimal import Decimal
from typing import Final

from app.domain.decision import Sample, Vote, VoteStatus
from app.domain.usage import Usage, summed

MAX_SAMPLES: Final = 10
_COUNTS: Final = tuple(field.name for field in fields(Usage) if field.type == "int")


def merged(votes: Sequence[Vote]) -> Vote:
    """One vote out of samples, in the order they were asked for; a single one is the vote itself.

    It is the first of those that say what most of the valid ones say, with the cost and the tokens of all. A tie
    abstains, and without a valid one the first abstention stands.
    """
    if len(votes) == 1:
        return votes[0]
    said = Counter(vote.opinion.action for vote in votes if vote.is_valid and vote.opinion is not None)
    ranked = said.most_common(2)
    is_tied = len(ranked) == 2 and ranked[0][1] == ranked[1][1]
    chosen = votes[0] if not ranked else next(v for v in votes if v.opinion and v.opinion.action is ranked[0][0])
    if is_tied:
        chosen = replace(chosen, status=VoteStatus.ABSTAINED, reason="samples_tied", opinion=None)
    known = [vote.latency for vote in votes if vote.latency is not None]
    return replace(
        chosen,
        latency=max(known, default=None),
        cost_usd=cost_of_all(votes),
        usage=_usage([vote.usage for vote in votes if vote.usage is not None]),
        samples=tuple(map(_sample, votes)),
        flip_rate=round(1 - ranked[0][1] / said.total(), 4) if ranked else None,
    )


def _sample(vote: Vote) -> Sample:
    opinion = vote.opinion if vote.is_valid else None
    action, confidence = (None, None) if opinion is None else (opinion.action, opinion.confidence)
    return Sample(vote.status, action, confidence, vote.reason, vote.latency)


def cost_of_all(votes: Sequence[Vote]) -> Decimal | None:
    """Dollars of these votes; None when an answer's price is unknown or nobody answered."""
    return summed(vote.cost_usd for vote in votes if vote.usage is not None or vote.cost_usd is not None)


def _usage(parts: Sequence[Usage]) -> Usage | None:
    if not parts:
        return None
    counts = {name: sum(getattr(part, name) for part in parts) for name in _COUNTS}
    # An estimate among them makes the sum one.
    source = max((part.source for part in parts), key=lambda source: source.value == "estimated")
    return replace(parts[0], source=source, reported_cost=None, **counts)
