"""Limits of leverage and size: refused beyond them, or cut where the caller allows it; never made larger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from app.decisions.context import Constraints, MarketContext
from app.decisions.exposure import per_fraction, reference_price
from app.decisions.rules import broken
from app.domain.decision import Opinion, RuleViolation, Severity, Size
from app.domain.frozen import frozen

MAX_LEVERAGE: Final = 125.0

# What a size has lost to arithmetic when it is turned into another unit and back.
_SLACK: Final = 1 + 1e-9


@frozen
class Limits:
    """What the caller allows. What closes (`is_closing`) may be larger than what may be opened, at any leverage."""

    constraints: Constraints
    market: MarketContext | None
    clamp: bool = False
    is_closing: bool = False

    def kept(self, opinion: Opinion) -> tuple[Opinion, list[RuleViolation]]:
        """The opinion, cut where that is allowed, and what was found. Leverage first: a size's worth depends on it."""
        found: list[RuleViolation] = []
        opinion = opinion if self.is_closing else self._leverage(opinion, found)
        return self._size(opinion, found), found

    def _leverage(self, opinion: Opinion, found: list[RuleViolation]) -> Opinion:
        most = min(self.constraints.max_leverage or MAX_LEVERAGE, MAX_LEVERAGE)
        stated = opinion.leverage
        if stated is None:
            return opinion
        if stated < min(1.0, most):
            found.append(broken("leverage_out_of_range", "leverage", f"{stated:g} is less than {min(1.0, most):g}"))
        if stated <= most:
            return opinion
        found.append(_beyond("leverage", stated, most, is_cut=self.clamp))
        return replace(opinion, leverage=most) if self.clamp else opinion

    def _size(self, opinion: Opinion, found: list[RuleViolation]) -> Opinion:
        size = opinion.size
        if size is None:
            return opinion
        if size.value <= 0:
            found.append(broken("size_out_of_range", "size", f"{size.value:g} is not more than 0"))
            return opinion
        limits = dict(self._most(opinion, size.unit))
        unknown = [name for name, most in limits.items() if most is None]
        found += [broken("size_unchecked", "size", f"{name} says nothing of a {size.unit} here") for name in unknown]
        most = min((most for most in limits.values() if most is not None), default=None)
        if most is None or size.value <= most * _SLACK:
            return opinion
        # Nothing is left of a size that is cut to nothing.
        is_cut = self.clamp and most > 0
        found.append(_beyond("size", size.value, most, is_cut=is_cut))
        return replace(opinion, size=Size(size.unit, most)) if is_cut else opinion

    def _most(self, opinion: Opinion, unit: str) -> Iterator[tuple[str, float | None]]:
        """The most of the size's own unit by each limit; None where it cannot be told."""
        if unit == "fraction_of_position":
            yield "the position", 1.0
        stated = self.constraints.max_fraction
        if not self.is_closing and unit == "fraction_of_equity":
            yield "max_fraction", 1.0 if stated is None else stated
        elif not self.is_closing and stated is not None:
            whole = per_fraction(opinion, self.market)
            yield "max_fraction", None if whole is None else stated * whole
        permitted = [a.max_quantity for a in self.constraints.allowed_actions if a.action is opinion.action]
        quantity = min((q for q in permitted if q is not None), default=None)
        if quantity is not None:
            yield "max_quantity", self._of_quantity(quantity, opinion, unit)

    def _of_quantity(self, quantity: float, opinion: Opinion, unit: str) -> float | None:
        """A quantity in the size's own unit."""
        reference = reference_price(opinion, self.market)
        if unit == "quantity":
            return quantity
        if unit == "notional":
            return None if reference is None else quantity * reference
        if unit == "fraction_of_position":
            position = self.market.position if self.market is not None else None
            return quantity / position.quantity if position is not None and position.quantity else None
        whole = per_fraction(opinion, self.market)
        quantities = per_fraction(replace(opinion, size=Size("quantity", quantity)), self.market)
        return None if whole is None or not quantities else quantity / quantities * whole


def _beyond(name: str, value: float, limit: float, *, is_cut: bool) -> RuleViolation:
    severity = Severity.WARNING if is_cut else Severity.ERROR
    message = f"{value:g}, at most {limit:g}{' (cut)' if is_cut else ''}"
    return broken(f"{name}_exceeded", name, message, severity=severity)
