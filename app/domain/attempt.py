"""What the gateway is asked, what it did, and what observers hear of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from app.domain.caching import CacheMode, CacheNote
from app.domain.caller import LOCAL_CALLER, Caller
from app.domain.chat import ChatRequest, ChatResponse
from app.domain.embedding import Embeddings, EmbedRequest
from app.domain.errors import Code
from app.domain.frozen import frozen
from app.domain.hindsight import AsOf
from app.domain.replay import Replay
from app.domain.routing import Plan, PolicyName, Preferences, Priority
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.usage import Usage, summed

LONGEST_STRATEGY: Final = 64


@frozen
class Ask:
    """One completion (or embedding) as a caller wants it: what to say, and where it may go.

    `deadline` is absolute, in the gateway's monotonic seconds. `model` is any name that API.md allows.
    `config_id` is the one of the agent's configurations that speaks for it; None lets each target find its own.
    `max_retries` counts attempts after the first, over all targets; None is the configured default.
    `enforces_format`: an answer that is not the JSON asked for is a failure of its target; false for an asker who
    reads any text alone. `symbol` is the market it is about, `variant` the experiment and arm it belongs to. `cache`
    None leaves it to the provider that would be asked first. `conversation` is the key of the one it belongs to.
    `named_by` are the fields in which the caller named the model and each fallback, for what is said of those names.
    `as_of` is the moment it is asked as of, None for now. `hedge`: whether a second target may start beside a slow
    first one; None is the default. `replay` is the run it belongs to; then neither the cache nor a hedge has anything
    to do with it.
    """

    request: ChatRequest | EmbedRequest
    request_id: str
    deadline: float
    model: str = "auto"
    fallbacks: tuple[str, ...] = ()
    named_by: tuple[str, ...] = ()
    agent_id: int | None = None
    config_id: int | None = None
    policy: PolicyName | None = None
    allow_failover: bool = True
    max_retries: int | None = None
    priority: Priority = Priority.NORMAL
    caller: Caller = LOCAL_CALLER
    route: str = "chat"
    decision_id: str | None = None
    symbol: str | None = None
    variant: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    enforces_format: bool = True
    preferences: Preferences | None = None
    cache: CacheMode | None = None
    conversation: str | None = None
    as_of: AsOf | None = None
    hedge: bool | None = None
    replay: Replay | None = None

    @property
    def strategy(self) -> str | None:
        """The caller's name for what it trades by: `metadata.strategy`, cut to 64 characters; None without one."""
        named = self.metadata.get("strategy")
        return named[:LONGEST_STRATEGY] if isinstance(named, str) and named else None

    @property
    def chat(self) -> ChatRequest:
        """The request of an ask for a completion."""
        assert isinstance(self.request, ChatRequest)  # noqa: S101 - whoever asks knows what was asked
        return self.request


class AttemptKind(StrEnum):
    """Why an attempt was made."""

    FIRST = "first"
    RETRY = "retry"
    FALLBACK = "fallback"
    HEDGE = "hedge"


class HedgeOutcome(StrEnum):
    """What became of a hedge.

    `lost`: the first attempt answered, or the caller left. `denied`: a budget, a limit, an open circuit, the
    deadline or an operator's stop forbade it.
    """

    WON = "won"
    LOST = "lost"
    FAILED = "failed"
    DENIED = "denied"


class AttemptOutcome(StrEnum):
    """How an attempt ended. `skipped`: nothing was sent (a limit or an open circuit).

    `cached` is no attempt: the request was answered without one, and this is its row in the record.
    `cancelled` without a code: another attempt at the same request was faster.
    """

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    CACHED = "cached"


def _fresh_id() -> str:
    """32 hex digits, microseconds first and 72 random bits behind: callers repeat request ids, so these are our own.

    Databases keep them in order, and what is appended to an order costs a third of what is scattered over it.
    """
    return f"{time.time_ns() // 1000:014x}{os.urandom(9).hex()}"


@frozen
class AttemptRecord:
    """One finished attempt, as observers hear of it. Durations are seconds, money is dollars, None is unknown.

    `price_source` is whose price `cost_usd` is, `price_dated` the day that was read or made (ISO); both None without
    one, or where that is the operator's own, which has no day. `config_id` is the agent's configuration that
    spoke, `variant` the experiment and arm. `id` names this very attempt wherever it is stored, so that storing it
    twice changes nothing.
    """

    request_id: str
    ordinal: int
    target: Target
    kind: AttemptKind
    outcome: AttemptOutcome
    started_at: datetime
    duration: float
    streamed: bool = False
    code: Code | None = None
    upstream_status: int | None = None
    message: str | None = None
    time_to_first_token: float | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    price_source: str | None = None
    price_dated: str | None = None
    credential_id: str = ""
    agent_id: int | None = None
    config_id: int | None = None
    decision_id: str | None = None
    key_id: str = "local"
    route: str = "chat"
    symbol: str | None = None
    strategy: str | None = None
    variant: str | None = None
    conversation: str | None = None
    id: str = field(default_factory=_fresh_id, compare=False)

    @property
    def is_unpriced(self) -> bool:
        """Whether it cost something, and nobody knows how much."""
        return self.cost_usd is None and (self.outcome is AttemptOutcome.OK or self.usage is not None)


def spent_on(attempts: Iterable[AttemptRecord]) -> Decimal | None:
    """Dollars of all these attempts, failed and outrun ones too.

    None when the price of one of them is unknown, or none of them was billed as far as anybody knows.
    """
    return summed([one.cost_usd for one in attempts if one.cost_usd is not None or one.is_unpriced])


@dataclass(frozen=True, slots=True)
class EmbeddingCompletion:
    """Finished embeddings, as Completion is of a chat."""

    response: Embeddings
    target: Target
    plan: Plan
    attempts: tuple[AttemptRecord, ...]
    latency: float
    overhead: float
    usage: Usage
    cost_usd: Decimal | None
    warnings: tuple[str, ...] = ()

    @property
    def is_fallback(self) -> bool:
        """Whether another target than the plan's first answered."""
        return self.target != self.plan.steps[0].target


class CountSource(StrEnum):
    """Who counted a prompt's tokens: the provider, an offline tokenizer, or an estimate by its bytes."""

    PROVIDER = "provider"
    TOKENIZER = "tokenizer"
    ESTIMATE = "estimate"


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of a prompt at the target that would be asked first.

    `attempts` is 1 when its provider was asked to count; `overhead` is the time the gateway itself took, in seconds.
    """

    tokens: int
    source: CountSource
    target: Target
    attempts: int = 0
    overhead: float = 0.0
    warnings: tuple[str, ...] = ()


@frozen
class Completion:
    """A finished completion. `overhead` is the time the gateway itself took, in seconds.

    `rung`: how JSON was brought about, None where none was asked for. `cache`: what the cache had to do with it, None
    where it was off; then `usage` is what the answer took when it was made. `replayed`: told again from a run.
    """

    response: ChatResponse
    target: Target
    plan: Plan
    attempts: tuple[AttemptRecord, ...]
    latency: float
    overhead: float
    usage: Usage
    cost_usd: Decimal | None
    time_to_first_token: float | None = None
    warnings: tuple[str, ...] = ()
    rung: Rung | None = None
    cache: CacheNote | None = None
    replayed: bool = False

    @property
    def is_fallback(self) -> bool:
        """Whether another target than the plan's first answered."""
        return self.target != self.plan.steps[0].target
