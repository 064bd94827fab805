"""The leaderboard: scored votes in, ranked rows out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Final

from app.domain.decision import VoteStatus
from app.domain.outcome import ScoredVote
from app.outcomes.intervals import wilson
from app.outcomes.panels import UNFINISHED, VALID, PanelVotes
from app.outcomes.tally import Showing, Tally

LEAST_RESOLVED: Final = 20
INSUFFICIENT: Final = "insufficient data"
NO_RESULT: Final = "no_result"

_INVALID: Final = frozenset({VoteStatus.INVALID, VoteStatus.TRUNCATED})
_ERRORS: Final = frozenset({VoteStatus.ERROR, VoteStatus.TIMEOUT})
# Who was asked and said something, so that somebody wants money for it.
_ANSWERED: Final = VALID | _INVALID | {VoteStatus.REFUSED}


class By(StrEnum):
    """What a row is about. By model it counts votes; otherwise the decisions of panels."""

    MODEL = "model"
    AGENT = "agent"
    METHOD = "method"
    VARIANT = "variant"


Subject = tuple[str | int | None, ...]
"""(provider, model) by model, else one value."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: whom it is about, what was counted, and its place; None without enough graded."""

    subject: Subject
    tally: Tally
    interval: tuple[float, float]
    rank: int | None

    @property
    def note(self) -> str | None:
        """Why it has no rank."""
        return INSUFFICIENT if self.rank is None else None

    @property
    def hit_rate(self) -> float | None:
        """Share of the graded that were right."""
        return self.tally.hits / self.tally.resolved if self.tally.resolved else None

    @property
    def mean_forward_return(self) -> float | None:
        """Mean of what each graded vote would have made: r for BUY, -r for SELL, 0 for HOLD."""
        return self.tally.paper.total / self.tally.returned if self.tally.returned else None

    @property
    def abstention_rate(self) -> float | None:
        """Share of those let finish that were no valid vote."""
        finished = self.tally.decisions - self.tally.unfinished
        return (finished - self.tally.valid) / finished if finished else None

    @property
    def invalid_rate(self) -> float | None:
        """Share of those let finish whose answer could not be read or broke a rule."""
        finished = self.tally.decisions - self.tally.unfinished
        return self.tally.invalid / finished if finished else None

    @property
    def average_latency(self) -> float | None:
        """Mean seconds of an answer."""
        return sum(self.tally.latencies) / len(self.tally.latencies) if self.tally.latencies else None

    @property
    def cost_per_decision(self) -> Decimal | None:
        """Dollars; None where the price of an answer is not known."""
        return self.tally.cost / self.tally.decisions if self._is_priced else None

    @property
    def cost_per_correct_decision(self) -> Decimal | None:
        """Dollars of all graded ones over those that were right; None where none was, or a price is not known."""
        return self.tally.resolved_cost / self.tally.hits if self._is_priced and self.tally.hits else None

    @property
    def value_added(self) -> float | None:
        """Hit rate of the recounted panels with this member less the one without it; None where there is neither."""
        tally = self.tally
        return (tally.panels_right - tally.panels_right_without) / tally.panels if tally.panels else None

    @property
    def _is_priced(self) -> bool:
        return self.tally.priced > 0 and not self.tally.unpriced


class Leaderboard:
    """Takes the votes of whole decisions, earlier ones first; `rows` are ranked by the lower end of their interval."""

    def __init__(self, by: By) -> None:
        self._by = by
        self._tallies: dict[Subject, Tally] = {}

    def add(self, votes: Iterable[ScoredVote]) -> None:
        """Count these; the votes of one decision stand side by side."""
        for _, group in groupby(votes, key=lambda vote: vote.vote.decision_id):
            panel = PanelVotes(list(group))
            for subject, showing in self._showings(panel):
                self._tallies.setdefault(subject, Tally()).add(showing)

    def rows(self) -> list[Row]:
        """The ranked rows, best first, then those with too few graded ones, by how many they have."""
        intervals = {subject: wilson(tally.hits, tally.resolved) for subject, tally in self._tallies.items()}
        order = sorted(self._tallies.items(), key=lambda item: _place(item[0], item[1], intervals))
        ranks = _ranks([(tally, intervals[subject][0]) for subject, tally in order])
        return [
            Row(subject, tally, intervals[subject], rank) for (subject, tally), rank in zip(order, ranks, strict=True)
        ]

    def _showings(self, panel: PanelVotes) -> Iterator[tuple[Subject, Showing]]:
        first = panel.votes[0]
        match self._by:
            case By.MODEL:
                for scored in panel.votes:
                    yield (scored.vote.provider, scored.vote.model), _of_vote(scored, panel)
            case By.AGENT:
                yield (first.agent_id,), _of_panel(panel)
            case By.METHOD:
                yield (first.method,), _of_panel(panel)
            case By.VARIANT:
                yield (first.variant,), _of_panel(panel)


def _of_vote(scored: ScoredVote, panel: PanelVotes) -> Showing:
    vote, is_valid = scored.vote, scored.vote.status in VALID
    is_unfinished = vote.status in UNFINISHED
    return Showing(
        action=vote.action if is_valid else None,
        reason=None if is_valid else vote.reason or vote.status.value,
        is_unfinished=is_unfinished,
        is_invalid=vote.status in _INVALID,
        is_error=vote.status in _ERRORS,
        confidence=vote.confidence,
        correct=scored.correct,
        forward_return=scored.forward_return,
        latencies=() if is_unfinished or vote.latency is None else (vote.latency,),
        cost=vote.cost_usd,
        is_unpriced=vote.cost_usd is None and vote.status in _ANSWERED,
        value_added=panel.value_added(vote.number),
    )


def _of_panel(panel: PanelVotes) -> Showing:
    """The decision as one: costs of all its votes, their latencies, its agreement as its confidence."""
    votes = [scored.vote for scored in panel.votes]
    costs = [vote.cost_usd for vote in votes if vote.cost_usd is not None]
    action = panel.action
    return Showing(
        action=action,
        reason=NO_RESULT if action is None else None,
        confidence=panel.agreement,
        correct=panel.correct,
        forward_return=panel.forward_return,
        latencies=[vote.latency for vote in votes if vote.latency is not None and vote.status not in UNFINISHED],
        cost=sum(costs, Decimal(0)) if costs else None,
        is_unpriced=any(vote.cost_usd is None and vote.status in _ANSWERED for vote in votes),
    )


def _place(
    subject: Subject, tally: Tally, intervals: Mapping[Subject, tuple[float, float]]
) -> tuple[bool, float, int, str]:
    is_short = tally.resolved < LEAST_RESOLVED
    return is_short, 0.0 if is_short else -intervals[subject][0], -tally.resolved, str(subject)


def _ranks(places: Sequence[tuple[Tally, float]]) -> list[int | None]:
    """Places from 1; who has the same lower end shares one."""
    ranks: list[int | None] = []
    for place, (tally, low) in enumerate(places, start=1):
        is_level = place > 1 and places[place - 2][1] == low
        ranks.append(None if tally.resolved < LEAST_RESOLVED else ranks[-1] if is_level else place)
    return ranks
