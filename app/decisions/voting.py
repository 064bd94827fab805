"""Voting: ballots in, the panel's result out; and when the ballots still out cannot change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from app.domain.decision import Action, DecisionStatus, SettledReason
from app.domain.frozen import frozen

CORRELATION: Final = 0.6
"""How often models of one family agree where both are wrong (published); a second vote of a family adds less."""
_EQUAL: Final = 1e-9
"""Sums of weights that differ by less are a tie: the order in which votes came must not break it."""


@frozen
class Ballot:
    """A valid vote as it counts. `weight` is 0..1; one that is still out has no action and the most it may weigh.

    `family` "" is one that nobody knows yet: it discounts nobody, and nobody discounts it.
    """

    action: Action | None
    weight: float = 1.0
    family: str = ""


@frozen
class Count:
    """What a method decides by: ballots cast, those still out, the valid votes it takes; abstentions are neither."""

    cast: Sequence[Ballot]
    out: Sequence[Ballot]
    quorum: int


@frozen
class Result:
    """What the panel says. Without status decided the action is HOLD, and `reason` says why."""

    action: Action
    status: DecisionStatus
    reason: SettledReason


Method = Callable[[Count], Result | None]
"""The result, or None while it may still change."""


def majority(count: Count) -> Result | None:
    """Plurality of heads among valid votes; a tie is HOLD."""
    return _plurality(count, heads)


def weighted(count: Count) -> Result | None:
    """The action of the greatest weight, votes of one family discounted; a tie, also one of nothing, is HOLD."""
    return _plurality(count, lambda ballots: sum(discounted(ballots)))


def unanimous(count: Count) -> Result | None:
    """All valid votes say the same, or HOLD."""
    actions = {ballot.action for ballot in count.cast}
    if len(actions) > 1:
        return Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.NOT_UNANIMOUS)
    missing = _short_of_quorum(count)
    if missing is not None or count.out or not actions:
        return missing
    return _decided(actions.pop() or Action.HOLD, SettledReason.ALL_VOTED)


METHODS: Final[Mapping[str, Method]] = {
    "majority": majority,
    "confidence_weighted": weighted,
    "performance_weighted": weighted,
    "unanimous": unanimous,
    "risk_officer_veto": majority,
    "two_stage": majority,
}
"""How each method counts; how it weighs, whom it asks when and who may object stands in `counting` and `session`."""
DISCOUNTED: Final = frozenset({"confidence_weighted", "performance_weighted"})


def default_quorum(panel: int) -> int:
    """More than half of the panel."""
    return panel // 2 + 1


def heads(ballots: Sequence[Ballot]) -> float:
    """One each."""
    return float(len(ballots))


def discounted(ballots: Sequence[Ballot]) -> list[float]:
    """What each ballot of one action adds, in the given order.

    The k-th of a family adds the k-th step of n / (1 + (n - 1) x correlation), its heaviest first: so a further vote
    for an action never makes it lighter.
    """
    ranks: Counter[str] = Counter()
    adds = [0.0] * len(ballots)
    for place in sorted(range(len(ballots)), key=lambda place: -ballots[place].weight):
        ballot = ballots[place]
        rank = ranks[ballot.family] if ballot.family else 0
        adds[place] = ballot.weight * (_worth(rank + 1) - _worth(rank))
        ranks[ballot.family] += 1
    return adds


def effective_votes(families: Sequence[str]) -> float:
    """How many independent votes these are worth: n of one family count n / (1 + (n - 1) x correlation)."""
    return round(sum(_worth(n) for n in Counter(families).values()), 3)


def _worth(votes: int) -> float:
    return votes / (1 + (votes - 1) * CORRELATION) if votes else 0.0


def _plurality(count: Count, weigh: Callable[[Sequence[Ballot]], float]) -> Result | None:
    missing = _short_of_quorum(count)
    if missing is not None or len(count.cast) < max(count.quorum, 1):
        return missing
    by_action = {action: [ballot for ballot in count.cast if ballot.action is action] for action in Action}
    weights = {action: weigh(ballots) for action, ballots in by_action.items()}
    leader = max(weights, key=weights.__getitem__)
    lead = weights.pop(leader)
    if count.out:
        # Everybody still out may back one of the others; only a lead that even that cannot level is final.
        most = max(weigh([*by_action[action], *count.out]) for action in weights)
        return _decided(leader, SettledReason.OUTCOME_FIXED) if lead - most > 2 * _EQUAL else None
    if lead - max(weights.values()) <= _EQUAL:
        return Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.TIE)
    return _decided(leader, SettledReason.ALL_VOTED)


def _short_of_quorum(count: Count) -> Result | None:
    """No quorum, when even all votes still out could not make it."""
    if len(count.cast) + len(count.out) >= max(count.quorum, 1):
        return None
    # While everybody has failed so far the rest is waited for: a panel in which all fail owes every reason.
    if count.out and not count.cast:
        return None
    return Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.NO_QUORUM)


def _decided(action: Action, reason: SettledReason) -> Result:
    return Result(action, DecisionStatus.DECIDED, reason)
