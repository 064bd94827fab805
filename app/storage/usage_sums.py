"""Sums over attempts, as a summary adds them up and a cell of a roll-up keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.storage.exact_money import EXACT, split


@dataclass(slots=True)
class Sums:
    """What adds up; `priced` counts the attempts whose cost, in dollars, is known."""

    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    priced: int = 0
    cost: Decimal = field(default_factory=Decimal)

    def add(self, other: Sums) -> None:
        """Add all of it, to the last digit."""
        self.attempts += other.attempts
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.priced += other.priced
        self.cost = EXACT.add(self.cost, other.cost)

    def columns(self) -> dict[str, Any]:
        """As a cell's row has them."""
        dollars, picos, rest = split(self.cost)
        return {
            "attempts": self.attempts,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "priced": self.priced,
            "dollars": dollars,
            "picos": picos,
            "cost_rest": rest,
        }
