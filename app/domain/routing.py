"""What routing takes and gives: candidates in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.chat import Credential
from app.domain.target import Circuit, Target
from app.domain.usage import PriceCard


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
class Candidate:
    """A target as it stands at one moment.

    `circuit` is that of the credential the attempt would use; `cooling` seconds are left of a cooldown or of an open
    circuit (0: none); `parked` tells that the credential is in quarantine, so that only a wonder would let it through;
    `success_rate` is over the rolling window, None without traffic; latencies are seconds; `capabilities` of the model
    None are unknown, not absent; `dialect` is what the provider's wire has words for, None unknown. `credential` is
    the agent's own key where it has one, else the provider's first usable one.
    """

    target: Target
    credential: Credential
    priority: int = 100
    weight: float = 1.0
    circuit: Circuit = Circuit.CLOSED
    cooling: float = 0.0
    parked: bool = False
    has_capacity: bool = True
    in_flight: int = 0
    success_rate: float | None = None
    p50: float | None = None
    p95: float | None = None
    last_used: float = 0.0
    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] | None = None
    dialect: frozenset[str] | None = None
    price: PriceCard | None = None
    is_reasoning: bool = False


@dataclass(frozen=True, slots=True)
class RoutingQuery:
    """What routing may know of a request: needs are those of `domain.needs`.

    `only_here` is the path of the first thing in it that no wire but the caller's own has words for.
    """

    needs: frozenset[str] = frozenset()
    input_tokens: int = 0
    priority: Priority = Priority.NORMAL
    only_here: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What routing thought of one candidate; `why_not` is None for one that is in the plan."""

    target: Target
    score: float | None = None
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Targets in the order to try, with the reason; never empty (the router raises instead)."""

    steps: tuple[Candidate, ...]
    policy: str
    reason: str
    verdicts: tuple[Verdict, ...] = ()
    warnings: tuple[str, ...] = ()
