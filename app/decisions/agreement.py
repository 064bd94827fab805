"""What those who agree say together: one opinion, who said otherwise, and how much of the panel it was."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from app.domain.decision import Action, Entry, Opinion, Size, Vote


def agreeing(votes: Sequence[Vote], action: Action) -> list[Opinion]:
    """The opinions behind an action, in the panel's order."""
    return [vote.opinion for vote in votes if vote.is_valid and vote.opinion and vote.opinion.action is action]


def agreement(votes: Sequence[Vote], action: Action) -> float:
    """Share of the votes' weight that says so; 0 without any. A vote without a weight is a head."""
    said = [(vote.opinion.action, _weight(vote)) for vote in votes if vote.is_valid and vote.opinion]
    total = sum([weight for _, weight in said])
    return sum([weight for other, weight in said if other is action]) / total if total else 0.0


def dissent(votes: Sequence[Vote], action: Action) -> tuple[str, ...]:
    """Who voted otherwise, and what."""
    return tuple(
        [
            f"{vote.provider}/{vote.model}: {vote.opinion.action}"
            for vote in votes
            if vote.is_valid and vote.opinion and vote.opinion.action is not action
        ]
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


def _weight(vote: Vote) -> float:
    return 1.0 if vote.weight is None else vote.weight


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
