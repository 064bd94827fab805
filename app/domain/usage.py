"""Tokens of one completion and what they cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from enum import StrEnum
from typing import Final

from app.domain.frozen import frozen


class UsageSource(StrEnum):
    """Who counted: the provider, or we."""

    REPORTED = "reported"
    ESTIMATED = "estimated"


_COUNTS: Final = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_MOST: Final = 10**12
"""Tokens, or dollars, of one completion beyond which a provider's word is nonsense."""
REPORTED_PRICE: Final = "reported"
"""The price source of what the provider itself said it cost."""
_PLACES: Final = Decimal("1e-18")
# Ten decillion dollars to eighteen places: sums of such amounts are exact, in every order.
_MONEY: Final = Context(prec=52)


@frozen
class Usage:
    """Tokens of one completion, in OpenTelemetry's words; no count is beyond 10**12, whatever a provider states.

    `cached_tokens` and `cache_write_tokens` are parts of `input_tokens`; `reasoning_tokens` is a part of
    `output_tokens`. `reported_cost` is in dollars, where the provider names one between 0 and 10**12.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    source: UsageSource = UsageSource.REPORTED
    reported_cost: Decimal | None = None

    def __post_init__(self) -> None:
        # Beyond 64 bits a count can neither be answered with nor stored.
        parts = max(self.cached_tokens, self.cache_write_tokens, self.reasoning_tokens)
        if self.input_tokens > _MOST or self.output_tokens > _MOST or parts > _MOST:
            for name in _COUNTS:
                object.__setattr__(self, name, min(getattr(self, name), _MOST))
        # One absurd figure would spend every budget, and no sum that it is in would keep its last digits.
        cost = self.reported_cost
        if cost is not None and not (cost.is_finite() and 0 <= cost <= _MOST):
            object.__setattr__(self, "reported_cost", None)

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class PriceTier:
    """Prices of a request whose prompt is longer than `above_tokens`; dollars per million tokens."""

    above_tokens: int
    input: Decimal | None
    output: Decimal | None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PriceCard:
    """A target's prices, resolved once; tiers ascending, the first from 0 tokens up. `source` names where from.

    `dated` is the day the source was read or made, `since` the day from which it says the price holds (ISO, None for
    unknown; the operator's own prices have no day).
    """

    tiers: tuple[PriceTier, ...]
    source: str
    dated: str | None = None
    since: str | None = None

    def tier(self, input_tokens: int) -> PriceTier:
        """The prices of a request with a prompt of this length."""
        tiers = self.tiers
        if len(tiers) == 1:
            return tiers[0]
        return next((t for t in reversed(tiers) if input_tokens > t.above_tokens), tiers[0])

    def is_known(self, input_tokens: int) -> bool:
        """Whether a request with a prompt of this length can be priced."""
        tier = self.tier(input_tokens)
        return tier.input is not None and tier.output is not None

    def cost(self, usage: Usage) -> Decimal | None:
        """Dollars for this usage, or None when a price that it needs is unknown; never negative.

        A tier prices the whole request; cached input without a price of its own costs what input costs.
        """
        tier = self.tier(usage.input_tokens)
        if tier.input is None or tier.output is None:
            return None
        fresh = max(usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens, 0)
        cached = tier.input if tier.cached_input is None else tier.cached_input
        written = tier.input if tier.cache_write is None else tier.cache_write
        millionths = (
            fresh * tier.input
            + usage.cached_tokens * cached
            + usage.cache_write_tokens * written
            + usage.output_tokens * tier.output
        )
        return millionths / 1_000_000


class UnpricedPolicy(StrEnum):
    """What becomes of a model whose price nobody knows: asked, asked with a warning, or not asked."""

    ALLOW = "allow"
    WARN = "warn"
    REFUSE = "refuse"


@frozen
class Charge:
    """Dollars of one attempt and whose price they are, with its day (ISO); all None where no price is known."""

    cost_usd: Decimal | None = None
    price_source: str | None = None
    price_dated: str | None = None


_UNKNOWN: Final = Charge()


def cost_of(usage: Usage | None, card: PriceCard | None) -> Decimal | None:
    """Dollars for one attempt: the provider's own word, else the price card's; None is unknown, never free.

    Eighteen decimal places: with an end to the digits, sums lose none of them.
    """
    if usage is None:
        return None
    cost = usage.reported_cost
    if cost is None:
        cost = None if card is None else card.cost(usage)
    if cost is None or not cost.is_finite():
        return None
    return cost if int(cost.as_tuple().exponent) >= -18 else _MONEY.quantize(cost, _PLACES)


def charge_of(usage: Usage | None, card: PriceCard | None, day: date) -> Charge:
    """What `cost_of` says, and whose price it is; a provider's own word is of the `day` it was given on."""
    cost = cost_of(usage, card)
    if cost is None or usage is None:
        return _UNKNOWN
    if usage.reported_cost is not None:
        return Charge(cost, REPORTED_PRICE, day.isoformat())
    return _UNKNOWN if card is None else Charge(cost, card.source, card.dated)


def money(amount: Decimal) -> str:
    """Money as everybody is told it: a plain decimal string, without an exponent and without zeros at its end."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def summed(costs: Iterable[Decimal | None]) -> Decimal | None:
    """All of them together, to the last digit; None when one is unknown, and for none at all."""
    total: Decimal | None = None
    for cost in costs:
        if cost is None:
            return None
        total = cost if total is None else _MONEY.add(total, cost)
    return total
