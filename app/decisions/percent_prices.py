"""Percentages where a price belongs: told apart from prices, and turned into them where the caller allows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from app.decisions.context import MarketContext
from app.decisions.rules import broken
from app.domain.decision import Action, Opinion, RuleViolation

MOST_STOP: Final = 0.5
"""The widest stop, as a share of the price."""
LEAST_TARGET: Final = 0.02
"""A target below this share of the price, and of at most `MOST_PERCENT`, is a percentage in the wrong place."""
MOST_PERCENT: Final = 50.0


def percentages(opinion: Opinion, market: MarketContext | None, reference: float | None) -> Iterator[tuple[str, float]]:
    """Prices that nobody can mean as prices: a stop of 2 where the price is 98,500 is a percentage."""
    stop, targets = opinion.stop_loss, opinion.take_profit
    entry = opinion.entry.price if opinion.entry is not None else None
    if entry is not None and market is not None and _is_small(entry, MOST_STOP * market.price.last):
        yield "entry", entry
    if reference is None:
        return
    # Below half of the price a stop would be refused anyway.
    if stop is not None and _is_small(stop, MOST_STOP * reference):
        yield "stop_loss", stop
    # The target of a SELL may be far below the price, where nothing else would refuse it.
    if len(targets) == 1 and _is_small(targets[0], LEAST_TARGET * reference):
        yield "take_profit", targets[0]


def _is_small(price: float, least: float) -> bool:
    return 0 < price <= MOST_PERCENT and price < least


def converted(
    opinion: Opinion, reference: float | None, shares: Mapping[str, float], *, is_allowed: bool
) -> tuple[Opinion, list[RuleViolation]]:
    """Prices that are percentages become prices when the caller allows it, and an error when not."""
    if not shares or opinion.action is Action.HOLD:
        return opinion, []
    found: list[RuleViolation] = []
    if not is_allowed or reference is None or "entry" in shares:
        found += [broken("percent_price", name, f"{share:g} % where a price belongs") for name, share in shares.items()]
        return opinion, found
    for name, share in shares.items():
        found.append(broken("percent_converted", name, f"{share:g} % read as a distance from {reference:g}"))
        price = _priced(opinion.action, name, share, reference)
        opinion = replace(opinion, stop_loss=price) if name == "stop_loss" else replace(opinion, take_profit=(price,))
    return opinion, found


def _priced(action: Action, name: str, share: float, reference: float) -> float:
    """A bare percentage is a distance to its side; one with a minus is the move itself, and may prove wrong."""
    falls = share < 0 or (action is Action.BUY) == (name == "stop_loss")
    return reference * (1 - abs(share) / 100 if falls else 1 + share / 100)
