"""Voting: votes in, the panel's result out; and when the votes still out cannot change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from app.domain.decision import Action, DecisionStatus, Entry, Opinion, SettledReason, Size, Vote

CORRELATION: Final = 0.6
"""How often models of one family agree where both are wrong (published); a second vote of a family adds less."""


@dataclass(frozen=True, slots=True)
class Result:
    """What the panel says. Without status decided the action is HOLD, and `reason` says why."""

    action: Action
    status: DecisionStatus
    reason: SettledReason


Method = Callable[[Sequence[Vote], int, int], Result | None]
"""Votes in hand, how many are still out, quorum -> the result, or None while it may still change."""


def majority(votes: Sequence[Vote], outstanding: int, quorum: int) -> Result | None:
    """Plurality of heads among valid votes; a tie is HOLD."""
    tally = _tally(votes)
    missing = _short_of_quorum(tally, outstanding, quorum)
    if missing is not None or sum(tally.values()) < quorum:
        return missing
    (leader, most), second = _leaders(tally)
    if outstanding:
        # Everybody still out may back the second; only a lead that even that cannot level is final.
        return _decided(leader, SettledReason.OUTCOME_FIXED) if most - second > outstanding else None
    if most == second:
        return Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.TIE)
    return _decided(leader, SettledReason.ALL_VOTED)


def unanimous(votes: Sequence[Vote], outstanding: int, quorum: int) -> Result | None:
    """All valid votes say the same, or HOLD."""
    tally = _tally(votes)
    if len(tally) > 1:
        return Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.NOT_UNANIMOUS)
    missing = _short_of_quorum(tally, outstanding, quorum)
    if missing is not None or outstanding:
        return missing
    return _decided(next(iter(tally)), SettledReason.ALL_VOTED)


METHODS: Final[Mapping[str, Method]] = {"majority": majority, "unanimous": unanimous}


def default_quorum(panel: int) -> int:
    """More than half of the panel."""
    return panel // 2 + 1


def agreeing(votes: Sequence[Vote], action: Action) -> list[Opinion]:
    """The opinions behind an action, in the panel's order."""
    return [vote.opinion for vote in votes if vote.is_valid and vote.opinion and vote.opinion.action is action]


def agreement(votes: Sequence[Vote], action: Action) -> float:
    """Share of the valid votes that say so; 0 without any."""
    valid = sum(vote.is_valid for vote in votes)
    return len(agreeing(votes, action)) / valid if valid else 0.0


def effective_votes(votes: Sequence[Vote]) -> float:
    """How many independent votes these are worth: n of one provider count n / (1 + (n - 1) x correlation)."""
    families = Counter(vote.provider for vote in votes if vote.is_valid)
    return round(sum(n / (1 + (n - 1) * CORRELATION) for n in families.values()), 3)


def dissent(votes: Sequence[Vote], action: Action) -> tuple[str, ...]:
    """Who voted otherwise, and what."""
    return tuple(
        f"{vote.provider}/{vote.model}: {vote.opinion.action}"
        for vote in votes
        if vote.is_valid and vote.opinion and vote.opinion.action is not action
    )


def combined(opinions: Sequence[Opinion], symbol: str, action: Action, reasoning: str) -> tuple[Opinion, list[str]]:
    """One opinion out of those that agree: median prices, the smallest size; with warnings for what cannot be one."""
    warnings: list[str] = []
    stops = [o.stop_loss for o in opinions if o.stop_loss is not None]
    return (
        Opinion(
            action=action,
            symbol=symbol,
            intent=_common([o.intent for o in opinions]),
            reasoning=reasoning,
            entry=_entry([o.entry for o in opinions if o.entry is not None]),
            stop_loss=median(stops) if stops else None,
            take_profit=_targets([o.take_profit for o in opinions if o.take_profit], action),
            size=_smallest([o.size for o in opinions if o.size is not None], warnings),
            leverage=min((o.leverage for o in opinions if o.leverage is not None), default=None),
            time_horizon=_common([o.time_horizon for o in opinions]),
        ),
        warnings,
    )


def _tally(votes: Sequence[Vote]) -> Counter[Action]:
    return Counter(vote.opinion.action for vote in votes if vote.is_valid and vote.opinion is not None)


def _short_of_quorum(tally: Counter[Action], outstanding: int, quorum: int) -> Result | None:
    """No quorum, when even all votes still out could not make it."""
    if tally.total() + outstanding >= max(quorum, 1):
        return None
    # While everybody has failed so far the rest is waited for: a panel in which all fail owes every reason.
    if outstanding and not tally:
        return None
    return Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.NO_QUORUM)


def _leaders(tally: Counter[Action]) -> tuple[tuple[Action, int], int]:
    ranked = tally.most_common(2)
    return ranked[0], ranked[1][1] if len(ranked) > 1 else 0


def _decided(action: Action, reason: SettledReason) -> Result:
    return Result(action, DecisionStatus.DECIDED, reason)


def _entry(entries: Sequence[Entry]) -> Entry | None:
    prices = [entry.price for entry in entries if entry.price is not None]
    if prices:
        return Entry("limit", median(prices))
    return Entry("market", None) if entries else None


def _targets(ladders: Sequence[tuple[float, ...]], action: Action) -> tuple[float, ...]:
    """Median of the nearest targets, then of the second ones as far as half of those with targets name one."""
    medians: list[float] = []
    for rung in range(max(map(len, ladders), default=0)):
        named = [ladder[rung] for ladder in ladders if len(ladder) > rung]
        if 2 * len(named) <= len(ladders):
            break
        medians.append(median(named))
    return tuple(sorted(set(medians), reverse=action is Action.SELL))


def _smallest(sizes: Sequence[Size], warnings: list[str]) -> Size | None:
    if len({size.unit for size in sizes}) > 1:
        warnings.append("sizes_in_different_units: no common size")
        return None
    return min(sizes, key=lambda size: size.value, default=None)


def _common(stated: Sequence[str | None]) -> str | None:
    """What all of them say; None when they differ."""
    said = set(stated)
    return said.pop() if len(said) == 1 else None
