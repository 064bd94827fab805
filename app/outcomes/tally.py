"""Counting votes for one row of the leaderboard, in bounded memory per vote: a few numbers each."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from app.domain.decision import Action

BINS: Final = 10
MOST_REASONS: Final = 50
MOST_LETTERS: Final = 64
OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Showing:
    """One vote, or one decision of a panel, as a row counts it.

    `action` is None for an abstention with its `reason`. `is_unfinished`: not let finish, so that it says nothing of
    anybody. `confidence` is the stated one, of a panel its agreement. `forward_return` is what the market did, not
    what the vote made of it. Latencies are seconds; `is_unpriced` where something was answered at an unknown price.
    """

    action: Action | None
    reason: str | None = None
    is_unfinished: bool = False
    is_invalid: bool = False
    is_error: bool = False
    confidence: float | None = None
    correct: bool | None = None
    forward_return: float | None = None
    latencies: Sequence[float] = ()
    cost: Decimal | None = None
    is_unpriced: bool = False
    value_added: tuple[bool, bool] | None = None


@dataclass(slots=True)
class PaperCurve:
    """What following every graded vote with the same stake would have made, in stakes, before costs.

    A BUY makes r, a SELL -r, a HOLD nothing; r is the forward return. Votes come in the order of their decisions.
    """

    trades: int = 0
    wins: int = 0
    gains: float = 0.0
    losses: float = 0.0
    drawdown: float = 0.0
    total: float = 0.0
    _peak: float = 0.0

    def follow(self, action: Action, forward_return: float) -> None:
        """Add one graded vote."""
        if action is Action.HOLD:
            return
        made = forward_return if action is Action.BUY else -forward_return
        self.trades += 1
        self.wins += made > 0
        self.gains += max(made, 0.0)
        self.losses += max(-made, 0.0)
        self.total += made
        self._peak = max(self._peak, self.total)
        self.drawdown = max(self.drawdown, self._peak - self.total)

    @property
    def profit_factor(self) -> float | None:
        """Everything won over everything lost; None where nothing was lost."""
        return self.gains / self.losses if self.losses else None

    @property
    def win_rate(self) -> float | None:
        """Share of the BUY and SELL votes that would have made money."""
        return self.wins / self.trades if self.trades else None


@dataclass(slots=True)
class Claims:
    """How stated confidences compare with what came true."""

    n: int = 0
    _squares: float = 0.0
    _counts: list[int] = field(default_factory=lambda: [0] * BINS)
    _claimed: list[float] = field(default_factory=lambda: [0.0] * BINS)
    _hits: list[int] = field(default_factory=lambda: [0] * BINS)

    def add(self, confidence: float, *, correct: bool) -> None:
        """One claim, 0..1, and whether it came true."""
        place = min(int(confidence * BINS), BINS - 1)
        self.n += 1
        self._squares += (confidence - correct) ** 2
        self._counts[place] += 1
        self._claimed[place] += confidence
        self._hits[place] += correct

    @property
    def brier(self) -> float | None:
        """Mean of (claim - 1)² where it came true and claim² where not (G. W. Brier, 1950); 0 is perfect."""
        return self._squares / self.n if self.n else None

    @property
    def ece(self) -> float | None:
        """Expected calibration error over ten bins of equal width: sum of n_b / n x |hit rate_b - mean claim_b|."""
        if not self.n:
            return None
        return sum(abs(hits - claimed) for hits, claimed in zip(self._hits, self._claimed, strict=True)) / self.n


@dataclass(slots=True)
class Tally:
    """What a row is made from."""

    decisions: int = 0
    valid: int = 0
    unfinished: int = 0
    invalid: int = 0
    errors: int = 0
    resolved: int = 0
    hits: int = 0
    returned: int = 0
    abstentions: Counter[str] = field(default_factory=Counter)
    invalid_reasons: Counter[str] = field(default_factory=Counter)
    paper: PaperCurve = field(default_factory=PaperCurve)
    claims: Claims = field(default_factory=Claims)
    latencies: array[float] = field(default_factory=lambda: array("d"))
    cost: Decimal = Decimal(0)
    resolved_cost: Decimal = Decimal(0)
    priced: int = 0
    unpriced: int = 0
    panels: int = 0
    panels_right: int = 0
    panels_right_without: int = 0

    def add(self, showing: Showing) -> None:
        """Count one more; later decisions after earlier ones."""
        self.decisions += 1
        self.unfinished += showing.is_unfinished
        self.errors += showing.is_error
        if showing.action is None:
            _count(self.abstentions, showing.reason)
        else:
            self.valid += 1
        if showing.is_invalid:
            self.invalid += 1
            _count(self.invalid_reasons, showing.reason)
        self.latencies.extend(showing.latencies)
        self._pay(showing)
        if showing.action is not None and showing.correct is not None:
            self._grade(showing.action, showing, correct=showing.correct)
        if showing.value_added is not None:
            self.panels += 1
            self.panels_right += showing.value_added[0]
            self.panels_right_without += showing.value_added[1]

    def latency(self, share: float) -> float | None:
        """The percentile in seconds, by nearest rank."""
        if not self.latencies:
            return None
        return sorted(self.latencies)[max(math.ceil(share * len(self.latencies)), 1) - 1]

    def _grade(self, action: Action, showing: Showing, *, correct: bool) -> None:
        self.resolved += 1
        self.hits += correct
        self.resolved_cost += showing.cost or Decimal(0)
        if showing.confidence is not None:
            self.claims.add(min(max(showing.confidence, 0.0), 1.0), correct=correct)
        if showing.forward_return is not None:
            self.returned += 1
            self.paper.follow(action, showing.forward_return)

    def _pay(self, showing: Showing) -> None:
        self.unpriced += showing.is_unpriced
        if showing.cost is not None:
            self.priced += 1
            self.cost += showing.cost


def _count(reasons: Counter[str], reason: str | None) -> None:
    # Reasons are ours and few; if one ever came from outside, the rest of them is one more row and not a flood.
    name = (reason or OTHER).partition(":")[0][:MOST_LETTERS]
    reasons[name if name in reasons or len(reasons) < MOST_REASONS else OTHER] += 1
