"""What the HTTP edge may call, as one plain value; wiring fills it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from pydantic import SecretStr

from app.agents.changes import ConfigChange
from app.agents.trials import Compared
from app.conformance.report import CheckResult, Report
from app.decisions.officer import Judged, Proposal
from app.decisions.question import Question
from app.decisions.rendering import Rendering, Template
from app.decisions.repeat import Told
from app.decisions.service import DecisionEvent, VoteEvent
from app.domain.agent import Agent, AgentConfig
from app.domain.attempt import Ask, AttemptRecord, Completion, EmbeddingCompletion, TokenCount
from app.domain.audit import Author, Change, Findings, Kind
from app.domain.budget import Budget, BudgetState, Window
from app.domain.caching import CacheNote
from app.domain.caller import Caller, Scope
from app.domain.chat import ChatChunk
from app.domain.errors import Trail, Violation
from app.domain.experiment import Experiment
from app.domain.health import HealthSample, HistoryWindow
from app.domain.hindsight import DEFAULT_EMBARGO
from app.domain.idempotency import RequestKey
from app.domain.kill import Kill, KillEvent
from app.domain.listing import ListedName
from app.domain.outcome import GradedOutcome, Horizon, Outcome, PriceBar, ScoreWindow
from app.domain.payload import Erasure
from app.domain.provider import ProviderSet
from app.domain.routing import Explanation, Plan, PolicyName, Priority, StrategyInForce
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.tools import Tool, ToolCallRecord
from app.domain.usage import Usage
from app.domain.usage_query import UsageFilter
from app.gateway.admission import Admitted
from app.ledger.spending import Payer
from app.outcomes.board import Board
from app.outcomes.book import Page
from app.outcomes.leaderboard import By
from app.outcomes.service import PricesTaken


class CompletionStream(Protocol):
    """A committed stream: its first chunk is there when the context is entered. Figures are final after the end.

    `attempts` are the finished ones, `trail` what was done until it was committed; durations are seconds; `overhead` is
    what the gateway itself took before the first chunk. `cache` is None where the cache was off. `replayed`: told again
    from a run.
    """

    @property
    def target(self) -> Target: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def attempts(self) -> Sequence[AttemptRecord]: ...
    @property
    def trail(self) -> Trail: ...
    @property
    def warnings(self) -> Sequence[str]: ...
    @property
    def usage(self) -> Usage | None: ...
    @property
    def cost_usd(self) -> Decimal | None: ...
    @property
    def time_to_first_token(self) -> float | None: ...
    @property
    def finish_reason(self) -> str | None: ...
    @property
    def rung(self) -> Rung | None: ...
    @property
    def cache(self) -> CacheNote | None: ...
    @property
    def replayed(self) -> bool: ...
    @property
    def latency(self) -> float: ...
    @property
    def overhead(self) -> float: ...
    def __aiter__(self) -> AsyncIterator[ChatChunk]: ...


class Gateway(Protocol):
    """Completions. Raises OutcryError; a stream raises on entering until it is committed, and while iterating after."""

    async def complete(self, ask: Ask) -> Completion: ...
    def stream(self, ask: Ask) -> AbstractAsyncContextManager[CompletionStream]: ...
    async def embed(self, ask: Ask) -> EmbeddingCompletion: ...
    async def count_tokens(self, ask: Ask) -> TokenCount: ...


class Admission(Protocol):
    """The limits of callers. `admit` raises NotAdmitted (policy_rate_limit); `is_open` while nobody is limited."""

    @property
    def is_open(self) -> bool: ...
    async def admit(
        self, key_id: str, agent_id: int | None, *, tokens: int, priority: Priority, deadline: float
    ) -> Admitted: ...


class Decisions(Protocol):
    """Panels. What is wrong with a question is raised before the first vote; `get` and `page` give stored answers.

    `dossier` says how one came about, `erase` takes away what was said in it; None for a decision that is not there.
    `assess` judges a proposed decision and never raises for a model that fails. `wrong_panel` says what is wrong with
    who a question would ask, and how.
    """

    async def answered(self, question: Question) -> DecisionEvent: ...
    def stream(self, question: Question) -> AsyncGenerator[VoteEvent | DecisionEvent]: ...
    async def assess(self, proposal: Proposal) -> Judged: ...
    def wrong_panel(self, question: Question) -> Sequence[Violation]: ...
    async def get(self, decision_id: str) -> dict[str, Any] | None: ...
    async def dossier(self, decision_id: str) -> dict[str, Any] | None: ...
    async def erase(self, decision_id: str, *, by: Author, reason: str) -> Erasure | None: ...
    async def page(
        self, *, limit: int, cursor: str | None = None, symbol: str | None = None, agent_id: int | None = None
    ) -> tuple[list[dict[str, Any]], str | None]: ...


class Outcomes(Protocol):
    """How decisions went. `record` raises NotFound and RequestRejected, all raise StorageUnavailable."""

    async def record(self, outcome: Outcome, *, agent_id: int | None, by: Author) -> GradedOutcome: ...
    async def of(self, decision_id: str, agent_id: int | None) -> tuple[Sequence[GradedOutcome], Horizon] | None: ...
    async def post_prices(self, bars: Sequence[PriceBar], *, by: Author) -> PricesTaken: ...


class Prompts(Protocol):
    """Prompts as they would be sent. Raises what a decision would for a wrong question; calls nobody."""

    async def render(
        self, question: Question, template: Template, proposal: Mapping[str, Any] | None = None
    ) -> Rendering: ...


class Idempotency(Protocol):
    """Panels behind keys: `ask` calls `panel` only where no request with the key has been decided, or is."""

    def ask(
        self,
        key: RequestKey,
        question: Question,
        panel: Callable[[Question], AsyncGenerator[VoteEvent | DecisionEvent]],
    ) -> AsyncGenerator[Told]: ...


class Agents(Protocol):
    """Agents and their configurations; NotFound (caller_unknown_agent) for one that is not there."""

    async def create(self, name: str, description: str | None, metadata: dict[str, Any], *, by: Author) -> Agent: ...
    async def get(self, agent_id: int) -> Agent: ...
    async def page(self, *, limit: int, after: int = 0) -> list[Agent]: ...
    async def update(self, agent_id: int, changes: dict[str, Any], *, by: Author) -> Agent: ...
    async def delete(self, agent_id: int, *, by: Author) -> None: ...
    async def configs(self, agent_id: int) -> Sequence[AgentConfig]: ...
    async def put_primary(self, agent_id: int, change: ConfigChange, *, by: Author) -> tuple[AgentConfig, bool]: ...
    async def add_config(self, agent_id: int, change: ConfigChange, *, by: Author) -> AgentConfig: ...
    async def patch_config(self, agent_id: int, config_id: int, change: ConfigChange, *, by: Author) -> AgentConfig: ...
    async def delete_config(self, agent_id: int, config_id: int, *, by: Author) -> None: ...
    async def validate_config(self, agent_id: int, which: int | ConfigChange | None = None) -> dict[str, Any]: ...


class Providers(Protocol):
    """The configured providers as they are in force."""

    @property
    def current(self) -> ProviderSet: ...
    def models(self, name: str) -> Sequence[str]: ...
    def serves(self, provider: str, model: str) -> bool: ...
    def default_model(self, name: str) -> str | None: ...


class Conformance(Protocol):
    """The conformance suite against one configured provider: each check as it ends, then the report.

    What is wrong with the question is raised before the first check.
    """

    def run(
        self,
        provider: str,
        *,
        model: str | None = None,
        checks: Sequence[str] | None = None,
        request_id: str,
        key_id: str = "local",
    ) -> AsyncGenerator[CheckResult | Report]: ...


class HealthReport(Protocol):
    """The health of every provider: the bodies of `GET /providers/health` and `GET /api/llm-providers`."""

    def report(self) -> dict[str, Any]: ...
    def rotation(self) -> dict[str, Any]: ...


class HealthRecords(Protocol):
    """How providers did over time, newest first; `total` is the whole window as one, None without any sample."""

    async def page(
        self, provider: str | None, window: HistoryWindow, *, limit: int, cursor: str | None
    ) -> tuple[list[HealthSample], str | None]: ...
    async def total(self, provider: str, window: HistoryWindow) -> HealthSample | None: ...


class Routing(Protocol):
    """Where requests would go, and what may be changed about it."""

    def explain(self, ask: Ask) -> Explanation: ...
    def strategy(self) -> StrategyInForce: ...
    async def set_strategy(self, policy: PolicyName | None, *, by: Author) -> StrategyInForce: ...
    def reset_circuits(self, provider: str, model: str | None = None) -> Sequence[Target]: ...


class ChatInRounds(Protocol):
    """A gateway for one request whose model may call registered tools; `calls` are those that were made so far."""

    @property
    def calls(self) -> Sequence[ToolCallRecord]: ...
    async def complete(self, ask: Ask) -> Completion: ...
    def stream(self, ask: Ask) -> AbstractAsyncContextManager[CompletionStream]: ...


class Tools(Protocol):
    """Registered tools; NotFound for a name that is none. `why_not` says why a chat cannot use a name, None if it can.

    `create` raises RequestRejected with every wrong field, Conflict for a name that is taken.
    """

    async def create(self, tool: Tool, *, by: Author) -> Tool: ...
    async def get(self, name: str) -> Tool: ...
    async def page(self, *, limit: int, after: int = 0) -> list[Tool]: ...
    async def delete(self, name: str, *, by: Author) -> None: ...
    async def calls(
        self, name: str, *, limit: int, cursor: str | None
    ) -> tuple[Sequence[ToolCallRecord], str | None]: ...
    def why_not(self, name: str) -> str | None: ...
    def function(self, name: str) -> dict[str, Any]: ...
    def answering(self, names: Sequence[str]) -> ChatInRounds: ...


class Experiments(Protocol):
    """Experiments; NotFound for one that is not there. `compare` says what came of one so far.

    `create` raises RequestRejected with every wrong field, Conflict while another one splits the same traffic.
    """

    async def create(self, wanted: Experiment, *, by: Author) -> Experiment: ...
    async def page(
        self, *, limit: int, cursor: str | None = None, agent_id: int | None = None
    ) -> tuple[list[Experiment], str | None]: ...
    async def compare(self, experiment_id: str) -> Compared: ...
    async def stop(self, experiment_id: str, *, by: Author) -> Experiment: ...
    async def delete(self, experiment_id: str, *, by: Author) -> None: ...


class Scoring(Protocol):
    """Leaderboards, and what claims are worth by the record as this process read it last. Raises StorageUnavailable."""

    async def board(self, by: By, window: ScoreWindow) -> Board: ...
    def curves(self) -> Page: ...


class Kills(Protocol):
    """The kill switch. Raises StorageUnavailable; `kill` is in force here even then."""

    def stopped(self) -> Sequence[Kill]: ...
    def check(self, agent_id: int | None, target: Target | None = None) -> None: ...
    async def kill(self, scope: str, reason: str, by: Author) -> Sequence[Kill]: ...
    async def resume(self, scope: str, by: Author) -> Sequence[Kill]: ...
    async def history(self, limit: int) -> Sequence[KillEvent]: ...


class Spending(Protocol):
    """What is left of budgets: dollars and tokens, None without a cap. Not `is_set` while none is in force."""

    is_set: bool

    def left(self, *payers: Payer) -> tuple[Decimal | None, int | None]: ...


class Budgets(Protocol):
    """The budgets. NotFound (caller_not_found) for one that is not there; raises StorageUnavailable for a change."""

    def of(self, scope: str, window: Window | None = None) -> Sequence[BudgetState]: ...
    def everything(self) -> Sequence[BudgetState]: ...
    async def put(self, budget: Budget, by: Author) -> BudgetState: ...
    async def remove(self, scope: str, window: Window | None, by: Author) -> None: ...


class Audit(Protocol):
    """The record of everything. `verify` raises Conflict while it is under way already, `bundle` NotFound.

    `public_key` is what checkpoints are signed with, None while they are not.
    """

    @property
    def public_key(self) -> str | None: ...
    async def verify(self) -> Findings: ...
    async def bundle(self, decision_id: str, *, words: bool) -> dict[str, Any]: ...
    async def page(self, *, past: int, limit: int) -> Sequence[Mapping[str, Any]]: ...


class Changes(Protocol):
    """Who changed what, newest first. Raises StorageUnavailable, and RequestRejected for a cursor of nobody's."""

    async def page(
        self, *, limit: int, cursor: str | None, subject: str | None, kinds: Collection[Kind]
    ) -> tuple[Sequence[Change], str | None]: ...


class UsageQueries(Protocol):
    """What was used, from the records: rows and their total. `first` is when the first attempt on record began."""

    async def summary(
        self, wanted: UsageFilter, *, by: str, group: Sequence[str]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]: ...
    async def totals(
        self, wanted: UsageFilter, *, group: Sequence[str]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]: ...
    async def page(
        self, wanted: UsageFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]: ...
    async def first(self) -> datetime | None: ...


class RequestMetrics(Protocol):
    """Counts requests and renders everything counted. Never raises, never blocks."""

    def request_finished(self, route: str, status: int, code: str | None, overhead: float | None) -> None: ...
    def render(self) -> tuple[bytes, str]: ...


class Signal(Protocol):
    """An event that happens once."""

    def is_set(self) -> bool: ...
    async def wait(self) -> object: ...


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A configured gateway key: its SHA-256, and the caller who holds it."""

    digest: bytes = field(repr=False)
    caller: Caller

    @classmethod
    def of(cls, key: SecretStr, scopes: frozenset[Scope] = frozenset(Scope)) -> GatewayKey:
        """The entry of one key; its public name is the first 8 hex digits of its digest."""
        digest = hashlib.sha256(key.get_secret_value().encode()).digest()
        return cls(digest, Caller(digest.hex()[:8], scopes))


@dataclass(frozen=True, slots=True)
class Services:
    """Everything behind the edge.

    `models` is every name `/v1/models` lists, described; `find_model` knows those too that are good for a request
    without being listed, and says None to all others.
    `unready` gives the reasons not to serve (a stop under way is one),
    none when ready.
    `reload` reads the provider file again and says what is in force; it raises RequestRejected or Conflict when the
    file is wrong, and the old one stays. `draining` is set when the process was told to stop. Without `keys` only
    loopback is served. Durations are seconds, but `embargo` whole days after a knowledge cutoff.
    """

    gateway: Gateway
    admission: Admission
    decisions: Decisions
    outcomes: Outcomes
    prompts: Prompts
    idempotency: Idempotency
    agents: Agents
    tools: Tools
    providers: Providers
    monitor: HealthReport
    routing: Routing
    kills: Kills
    audit: Audit
    changes: Changes
    scoring: Scoring
    experiments: Experiments
    routing_stats: Callable[[], dict[str, Any]]
    history: HealthRecords
    conformance: Conformance
    budgets: Budgets
    spending: Spending
    usage: UsageQueries
    metrics: RequestMetrics
    models: Callable[[], Awaitable[Mapping[str, ListedName]]]
    find_model: Callable[[str], Awaitable[ListedName | None]]
    unready: Callable[[], Sequence[str]]
    reload: Callable[[Author], Awaitable[dict[str, Any]]]
    draining: Signal
    keys: tuple[GatewayKey, ...] = ()
    now: Callable[[], float] = time.monotonic
    default_deadline: float = 60.0
    max_deadline: float = 120.0
    drain_grace: float = 25.0
    keep_alive: float = 15.0
    embargo: int = DEFAULT_EMBARGO
