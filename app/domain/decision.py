"""A decision and the votes it was made from. The rules are in decisions/; these are the values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from app.domain.frozen import frozen
from app.domain.grades import Calibrated
from app.domain.idempotency import Reservation
from app.domain.usage import Usage


class Action(StrEnum):
    """What a model votes for."""

    BUY = "BUY"
    SELL = "SELL"
    HOLD = "HOLD"


class VoteStatus(StrEnum):
    """What became of a member's answer; only `ok` and `repaired` are votes, the rest are abstentions."""

    OK = "ok"
    REPAIRED = "repaired"
    INVALID = "invalid"
    ABSTAINED = "abstained"
    REFUSED = "refused"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    ERROR = "error"
    CANCELLED = "cancelled"
    PENDING = "pending"


class DecisionStatus(StrEnum):
    """How a panel ended."""

    DECIDED = "decided"
    NO_QUORUM = "no_quorum"
    KILLED = "killed"


class SettledReason(StrEnum):
    """Why a panel's answer went out when it did."""

    ALL_VOTED = "all_voted"
    OUTCOME_FIXED = "outcome_fixed"
    DEADLINE = "deadline"
    TIE = "tie"
    NOT_UNANIMOUS = "not_unanimous"
    NO_QUORUM = "no_quorum"
    RISK_VETO = "risk_veto"
    KILLED = "killed"


class Severity(StrEnum):
    """Whether a violation forbids acting."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class RuleViolation:
    """A rule that a trading decision breaks."""

    code: str
    severity: Severity
    field: str
    message: str


@frozen
class Entry:
    """How to enter: `market` or `limit`, at an absolute price."""

    type: str
    price: float | None


@frozen
class Size:
    """How much, in `unit`: fraction_of_equity, fraction_of_position, notional or quantity."""

    unit: str
    value: float


@frozen
class Opinion:
    """What a model said, read and typed. Prices are absolute; confidence is its claim, 0..1 or not stated."""

    action: Action
    symbol: str
    intent: str | None = None
    strength: str | None = None
    confidence: float | None = None
    confidence_raw: str | None = None
    reasoning: str | None = None
    entry: Entry | None = None
    stop_loss: float | None = None
    take_profit: tuple[float, ...] = ()
    size: Size | None = None
    leverage: float | None = None
    risk_usd: float | None = None
    time_horizon: str | None = None
    invalidation: str | None = None
    key_factors: tuple[str, ...] = ()
    risks: tuple[str, ...] = ()


@frozen
class ParseTrace:
    """How an answer was read: the rung of the ladder and what was noticed on the way."""

    method: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One of several answers of one member to the same question."""

    status: VoteStatus
    action: Action | None
    confidence: float | None
    reason: str | None
    latency: float | None


class Role(StrEnum):
    """What a seat on a panel is for: to vote, or to object to what was voted. A shadow is heard and changes nothing."""

    MEMBER = "member"
    RISK_OFFICER = "risk_officer"
    SHADOW = "shadow"


@frozen
class Vote:
    """One member's answer. Without status ok or repaired there is no opinion, and `reason` says why.

    `news_driven` tells whether the action was another without the news; None where nobody looked or could compare.
    `weight` is what the vote counted by the panel's method, `family` whose models err alike; None before it was
    counted. `stage` is the round in which it was asked. With several `samples` this is their plurality, and
    `flip_rate` the share of the valid ones that say otherwise. `calibration` is what its confidence is worth.
    """

    provider: str
    model: str
    status: VoteStatus
    reason: str | None = None
    opinion: Opinion | None = None
    violations: tuple[RuleViolation, ...] = ()
    parse: ParseTrace = ParseTrace()
    latency: float | None = None
    cost_usd: Decimal | None = None
    usage: Usage | None = None
    raw_answer: str | None = None
    rung: str | None = None
    news_driven: bool | None = None
    weight: float | None = None
    family: str | None = None
    stage: int = 1
    role: Role = Role.MEMBER
    samples: tuple[Sample, ...] = ()
    flip_rate: float | None = None
    contamination: str | None = None
    risk_reward: float | None = None
    calibration: Calibrated | None = None

    @property
    def is_valid(self) -> bool:
        """Whether this counts towards the quorum."""
        return self.status in (VoteStatus.OK, VoteStatus.REPAIRED)

    def counted(self, *, family: str, weight: float | None, calibration: Calibrated | None) -> Vote:
        """The vote with what it counted and is worth."""
        # Every vote of a panel, and `replace` looks at each of these fields three times.
        return Vote(
            self.provider,
            self.model,
            self.status,
            self.reason,
            self.opinion,
            self.violations,
            self.parse,
            self.latency,
            self.cost_usd,
            self.usage,
            self.raw_answer,
            self.rung,
            self.news_driven,
            weight,
            family,
            self.stage,
            self.role,
            self.samples,
            self.flip_rate,
            self.contamination,
            self.risk_reward,
            calibration,
        )


@frozen
class Consensus:
    """What the panel agreed on. `settled_at` is seconds since the request's arrival.

    `calibration` is what its agreement is worth, by graded decisions of the same method.
    """

    method: str
    agreement: float
    effective_votes: float
    quorum: int
    settled_reason: SettledReason
    settled_at: float
    dissent: tuple[str, ...] = ()
    calibration: Calibrated | None = None


class Filing(Protocol):
    """What a decision is found by in the record."""

    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def symbol(self) -> str: ...
    @property
    def status(self) -> DecisionStatus: ...
    @property
    def action(self) -> Action: ...
    @property
    def actionable(self) -> bool: ...
    @property
    def agent_id(self) -> int | None: ...
    @property
    def key_id(self) -> str: ...
    @property
    def request_id(self) -> str: ...
    @property
    def reservation(self) -> Reservation | None: ...


@frozen
class Decision:
    """One answer to one question about one market, ready to be stored and rendered.

    In a run it has the hash of its canonical form, and is `replayed` where nobody was asked for it. `variant` is the
    experiment and arm that it belongs to.
    """

    id: str
    symbol: str
    status: DecisionStatus
    action: Action
    actionable: bool
    consensus: Consensus
    votes: tuple[Vote, ...]
    created_at: datetime
    confidence: float | None = None
    reasoning: str | None = None
    entry: Entry | None = None
    stop_loss: float | None = None
    take_profit: tuple[float, ...] = ()
    size: Size | None = None
    intent: str | None = None
    leverage: float | None = None
    risk_reward: float | None = None
    violations: tuple[RuleViolation, ...] = ()
    cost_usd: Decimal | None = None
    latency: float = 0.0
    template: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    agent_id: int | None = None
    key_id: str = "local"
    request_id: str = ""
    algo_id: str | None = None
    decision_maker_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    contamination: str | None = None
    risk: Mapping[str, Any] | None = None
    reservation: Reservation | None = None
    replayed: bool = False
    decision_hash: str | None = None
    variant: str | None = None
