"""Hedges: after how much time a second attempt starts beside the first, and how many there may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

# Credit is counted in whole ten-thousandths of a hedge: adding up a twentieth in floats would round some away.
_HEDGE: Final = 10_000
_MOST_SAVED: Final = 10


@dataclass(frozen=True, slots=True)
class HedgeRules:
    """Who is hedged and how often.

    `enabled`: every request that does not say otherwise; without it those that ask for it. `share` of all requests, to
    the hundredth of a percent, may be hedged; with 0 none is, whatever it asks for. A target with fewer than `samples`
    recent successes has no p95 to go by.
    """

    enabled: bool = False
    share: float = 0.05
    samples: int = 20

    @property
    def is_never(self) -> bool:
        """Whether no request is hedged at all."""
        return self.share <= 0


class HedgeBudget:
    """Keeps hedges to a share of all calls, rounded down, over any run from the start.

    Calls that needed none save up for ten hedges at most, so that a slow hour does not spend what a good day earned.
    """

    __slots__ = ("_credit", "_earned")

    def __init__(self, rules: HedgeRules) -> None:
        self._earned = round(rules.share * _HEDGE)
        self._credit = 0

    def record(self) -> None:
        """A call goes out that is no hedge."""
        self._credit = min(self._credit + self._earned, _MOST_SAVED * _HEDGE)

    def try_spend(self) -> bool:
        """Whether a hedge may go out now; yes pays for it."""
        if self._credit < _HEDGE:
            return False
        self._credit -= _HEDGE
        return True

    def refund(self) -> None:
        """The hedge that was paid for did not go out."""
        self._credit += _HEDGE
