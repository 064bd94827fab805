"""What routing takes and gives: candidates in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from app.domain.chat import Credential
from app.domain.data_policy import UNSTATED, DataDemand, DataPolicy
from app.domain.errors import OutcryError
from app.domain.frozen import frozen
from app.domain.grades import Grade
from app.domain.hindsight import AsOf
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard, UnpricedPolicy


class PolicyName(StrEnum):
    """How targets are ordered; the names are those of `failover_strategy`."""

    PRIORITY = "priority"
    ROUND_ROBIN = "round_robin"
    HEALTH_BASED = "health_based"
    LEAST_RECENTLY_USED = "least_recently_used"
    WEIGHTED = "weighted"
    COST_AWARE = "cost_aware"
    LATENCY_AWARE = "latency_aware"
    ACCURACY_FIRST = "accuracy_first"


class Priority(StrEnum):
    """How urgent a request is."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class MaxPrice:
    """The most a caller pays, in dollars per million tokens of prompt and completion; None is no matter."""

    prompt: Decimal | None = None
    completion: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a caller wants of providers; names are those of configured providers or of their types.

    `order` is tried first, as it stands, and nothing else is when it `is_closed`. `only` None lets all in. `sort`
    is the policy of this request. `max_price` keeps out what costs more, or what has no known price.
    `require_parameters` keeps out whoever would leave out a parameter of the request, `data` whoever is not stated to
    treat prompts as demanded.
    """

    order: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    ignore: tuple[str, ...] = ()
    sort: PolicyName | None = None
    max_price: MaxPrice | None = None
    require_parameters: bool = False
    data: DataDemand = DataDemand()
    allow_fallbacks: bool = True

    @property
    def is_closed(self) -> bool:
        """Whether only what `order` names may be tried."""
        return bool(self.order) and not self.allow_fallbacks


@frozen
class Candidate:
    """A target as it stands at one moment.

    `circuit` is that of the credential the attempt would use; `cooling` seconds are left of a cooldown or of an open
    circuit (0: none); `parked` tells that the credential is in quarantine, so that only a wonder would let it through;
    `success_rate` is over the rolling window, None without traffic; `p95` is in seconds; these two and `samples` are
    filled in only for policies that read them; `capabilities` of the model None are unknown, not absent; `dialect` is
    what the provider's wire has words for, None unknown. `credential` is the agent's own key where it has one, else
    one of the provider's that is usable. `rank` is the place of the name that
    led here among those the caller gave: whatever the policy, a lower one goes first. `unheeded` are the parameters
    that would be left out here, known only where the caller requires all of them. `samples` are the outcomes behind
    `success_rate`; `usual_output` tokens are what answers have on the average, None before the first; `cached_share`
    is the part of prompts that came from the provider's cache. `miss_chance` is the chance (0..1) that this request
    is not answered in time, known only where a policy asks for it. `grade` is how good its answers
    turned out to be, None while nobody knows and where no policy asks. `why_full` names the limit that has no room for
    this request now, None when it has. `stopped` says that, and why, an operator stopped the model,
    `over_budget` that its provider's budget is used up. `knowledge_cutoff` is the last day its model knows of, None
    unknown.
    """

    target: Target
    credential: Credential
    priority: int = 100
    weight: float = 1.0
    circuit: Circuit = Circuit.CLOSED
    cooling: float = 0.0
    parked: bool = False
    why_full: str | None = None
    success_rate: float | None = None
    p95: float | None = None
    last_used: float = 0.0
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] | None = None
    dialect: frozenset[str] | None = None
    price: PriceCard | None = None
    is_reasoning: bool = False
    rank: int = 0
    unheeded: tuple[str, ...] = ()
    samples: int = 0
    usual_output: float | None = None
    cached_share: float = 0.0
    miss_chance: float | None = None
    stopped: str | None = None
    over_budget: str | None = None
    grade: Grade | None = None
    data_policy: DataPolicy = UNSTATED
    knowledge_cutoff: date | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """What the operator wants of providers for the requests of one task."""

    task: str
    preferences: Preferences


@frozen
class RoutingQuery:
    """What routing may know of a request: needs are those of `domain.needs`.

    `preferences` name configured providers only. In a rehearsal nobody's turn is used up. `max_tokens` is the longest
    answer that is asked for, None without an end. `only_here` is the path of the first thing in it that no wire but the
    caller's own has words for. `house_rule` is what the operator demands of every target, `tier` of this task's.
    `conversation` is the key of the one it belongs to, None without one, and `last_answered` who answered there last.
    `as_of` is the moment that is asked about, None for now. `unpriced` is what the operator says of models without a
    known price.
    """

    needs: frozenset[str] = frozenset()
    input_tokens: int = 0
    priority: Priority = Priority.NORMAL
    preferences: Preferences | None = None
    is_rehearsal: bool = False
    max_tokens: int | None = None
    only_here: str | None = None
    house_rule: DataDemand | None = None
    tier: Tier | None = None
    conversation: str | None = None
    last_answered: Target | None = None
    as_of: AsOf | None = None
    unpriced: UnpricedPolicy = UnpricedPolicy.WARN


@frozen
class Verdict:
    """What routing thought of one candidate.

    `why_not` is None for one that is in the plan. One without room at its limits is there too, at the end, and it
    names the limit: a request waits there when nobody else is left.
    """

    target: Target
    score: float | None = None
    why_not: str | None = None


@frozen
class Plan:
    """Targets in the order to try, with the reason; never empty (the router raises instead)."""

    steps: tuple[Candidate, ...]
    policy: str
    reason: str
    verdicts: tuple[Verdict, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What would become of a request: its plan, or the error that it would be answered with."""

    plan: Plan | None
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...] = ()
    error: OutcryError | None = None


@dataclass(frozen=True, slots=True)
class RunTimeStrategy:
    """A policy of `auto` that was set `since` then, while the provider file said `over`."""

    policy: PolicyName
    over: str
    since: datetime


@dataclass(frozen=True, slots=True)
class StrategyInForce:
    """The policy of `auto` in this process, one of `workers`; `since` it was set at run time, None by the file."""

    policy: PolicyName
    since: datetime | None
    workers: int
