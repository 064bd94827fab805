"""How decisions went: what the market did afterwards, and whether each vote was right about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.decision import Action, VoteStatus
from app.domain.frozen import frozen


class OutcomeKind(StrEnum):
    """What an outcome tells of. Only `realized` and `forward_return` grade votes.

    `realized`: the trade was made and closed. `forward_return`: what the market did until the horizon. `rejected`: the
    venue or a limit refused the order. `expired`: the order was never filled.
    """

    REALIZED = "realized"
    FORWARD_RETURN = "forward_return"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a decision. Returns and fractions are of the entry price, prices in the quote currency.

    `id` is the caller's; the same id with another body is a `version` more. `horizon` is in seconds.
    """

    id: str
    decision_id: str
    kind: OutcomeKind
    observed_at: datetime
    version: int = 1
    horizon: float | None = None
    entry_price: float | None = None
    exit_price: float | None = None
    forward_return: float | None = None
    realized_pnl: float | None = None
    fees: float | None = None
    currency: str | None = None
    quantity: float | None = None
    exit_reason: str | None = None
    source: str | None = None

    @property
    def may_grade(self) -> bool:
        """Whether this tells what the market did; the rest tells what became of an order."""
        return self.kind in (OutcomeKind.REALIZED, OutcomeKind.FORWARD_RETURN)


@frozen
class Basis:
    """What a decision brings to its grades; prices and `atr` are in the quote currency.

    `decided_at` is the moment that it is of: its market's where that is earlier than its own.
    """

    decision_id: str
    action: Action
    decided_at: datetime
    intent: str | None = None
    entry_price: float | None = None
    atr: float | None = None
    is_replayed: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What the market did (`forward_return`, r) and what counts as nothing (`threshold`, tau): both fractions."""

    forward_return: float
    threshold: float

    def is_right(self, action: Action | None) -> bool | None:
        """Whether a vote was right: BUY when r > tau, SELL when r < -tau, HOLD when |r| <= tau; None for no vote."""
        match action:
            case Action.BUY:
                return self.forward_return > self.threshold
            case Action.SELL:
                return self.forward_return < -self.threshold
            case Action.HOLD:
                return abs(self.forward_return) <= self.threshold
            case None:
                return None


@frozen
class CastVote:
    """A member's vote as the record keeps it beside its decision; `number` is its place on the panel, from 1.

    `action` and `confidence` (the stated one) are None for an abstention, whose `reason` is a short word. `weight` is
    what it counted; 0 for a shadow, who is asked and recorded only. `latency` is in seconds.
    """

    decision_id: str
    number: int
    provider: str
    model: str
    status: VoteStatus
    action: Action | None = None
    confidence: float | None = None
    reason: str | None = None
    weight: float | None = None
    family: str | None = None
    latency: float | None = None
    cost_usd: Decimal | None = None
    is_shadow: bool = False


@dataclass(frozen=True, slots=True)
class GradedVote:
    """What one outcome says of one vote; `correct` is None where there is nothing to be right about.

    `forward_return` is r and `threshold` is tau, both as fractions of the entry price: a BUY is right when r > tau, a
    SELL when r < -tau, a HOLD when |r| <= tau.
    """

    vote: CastVote
    outcome_id: str
    version: int
    correct: bool | None
    forward_return: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True)
class GradedOutcome:
    """An outcome on record with what it says of each vote. `is_new` for an `outcome_id` that was not known before.

    `is_changed` is False when it was there already, word for word.
    """

    outcome: Outcome
    measured: Measured | None
    grades: tuple[GradedVote, ...]
    is_new: bool = False
    is_changed: bool = False


class HorizonState(StrEnum):
    """How a decision stands with the market: `none` is of no horizon, and never waits."""

    NONE = "none"
    WAITING = "waiting"
    GRADED = "graded"
    EXPIRED = "expired"


@frozen
class Horizon:
    """Until when a decision waits for a price: the first bar from `due_at` on, none later than `latest_at`.

    `length` is in seconds from the decision's moment. At `expires_at` nobody posts that bar any more.
    """

    state: HorizonState
    reason: str | None = None
    length: float | None = None
    due_at: datetime | None = None
    latest_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DuePrice:
    """A decision whose horizon is over, and the bar that says what its market cost then."""

    decision_id: str
    length: float
    entry_price: float
    bar: PriceBar


@dataclass(frozen=True, slots=True)
class StoredBars:
    """What became of posted bars: new ones, corrections of known ones, and those that say nothing new."""

    added: int
    corrected: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class ScoredVote:
    """A vote with what is known of it: what leaderboard, calibration and routing are computed from.

    One grade per vote: of its decision's outcomes the realized one goes before forward returns, then the one observed
    last. `consensus` is the decision's own action, `method` how it was found. Decisions that were replayed are in no
    statistics and never become one of these.
    """

    vote: CastVote
    decided_at: datetime
    symbol: str
    agent_id: int | None
    method: str
    consensus: Action
    correct: bool | None = None
    forward_return: float | None = None
    threshold: float | None = None
    graded_at: datetime | None = None
    variant: str | None = None

    @property
    def is_graded(self) -> bool:
        """Whether the market has said if it was right."""
        return self.correct is not None


@dataclass(frozen=True, slots=True)
class ScoreWindow:
    """Which votes to score: those of decisions from `since` until `until` (not included), None for no bound.

    `variants` are those of experiments' arms whose votes alone are wanted.
    """

    since: datetime | None = None
    until: datetime | None = None
    agent_id: int | None = None
    symbol: str | None = None
    variants: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class PriceBar:
    """What a symbol cost over one bar, whose `at` is the moment of its close."""

    symbol: str
    at: datetime
    close: float
    open: float | None = None
    high: float | None = None
    low: float | None = None
    venue: str | None = None
