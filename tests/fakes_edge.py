"""What stands behind the edge in its tests: small services that answer as they are told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.agents.changes import UNSET, ConfigChange
from app.conformance.report import CheckResult, Report
from app.conformance.report import Status as ConformanceStatus
from app.decisions.composition import prompted
from app.decisions.counting import UNGRADED
from app.decisions.idempotency import Idempotency
from app.decisions.officer import Judged, Proposal
from app.decisions.question import Question
from app.decisions.rendering import MemberEstimate, Rendering, Template
from app.decisions.risk import assess
from app.decisions.seat import Seat
from app.decisions.service import DecisionEvent, VoteEvent
from app.decisions.wire import rendered
from app.domain.agent import Agent, AgentConfig
from app.domain.attempt import (
    Ask,
    AttemptKind,
    AttemptOutcome,
    AttemptRecord,
    Completion,
    CountSource,
    EmbeddingCompletion,
    TokenCount,
)
from app.domain.audit import THE_GATEWAY, Author, Change, Findings, Kind
from app.domain.caching import CacheNote
from app.domain.catalog import ModelFacts, ModelMode
from app.domain.chat import ChatChunk, ChatResponse, Credential
from app.domain.decision import (
    Action,
    Consensus,
    Decision,
    DecisionStatus,
    Opinion,
    SettledReason,
    Vote,
    VoteStatus,
)
from app.domain.embedding import Embeddings
from app.domain.errors import Code, NotFound, OutcryError, StorageUnavailable, Trail, Violation
from app.domain.health import HealthSample, HistoryWindow
from app.domain.kill import Kill, KillAction, KillEvent
from app.domain.listing import ListedName, ListedTarget, NameKind
from app.domain.outcome import (
    Basis,
    CastVote,
    GradedOutcome,
    GradedVote,
    Horizon,
    HorizonState,
    Outcome,
    PriceBar,
    StoredBars,
)
from app.domain.payload import Erasure, Part
from app.domain.provider import CallerLimit, ModelConfig, ProviderConfig, ProviderSet, ProviderType
from app.domain.routing import Candidate, Explanation, Plan, PolicyName, StrategyInForce, Verdict
from app.domain.structured import Rung
from app.domain.target import Target
from app.domain.usage import Usage
from app.domain.usage_query import UsageFilter
from app.gateway.admission import Admission
from app.gateway.estimates import Estimate
from app.gateway.kills import KillSwitch
from app.ledger.spending import Spending
from app.outcomes.board import Boards
from app.outcomes.book import ScoreBook, ScoreRules
from app.outcomes.grading import measured
from app.outcomes.service import PricesTaken
from app.services import Services
from tests.fakes_budgets import budgets_of
from tests.fakes_experiments import trials
from tests.fakes_keys import KeyShelf
from tests.fakes_scores import FakeScores
from tests.fakes_tools import FakeTools

TARGET = Target("alpha", "alpha-1")
OTHER = Target("beta", "beta-1")
USAGE = Usage(input_tokens=11, output_tokens=3)
PLAN = Plan((Candidate(TARGET, Credential()),), "priority", "lowest first", (Verdict(TARGET, 1.0),))
THEN = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)


def record(target: Target = TARGET, outcome: AttemptOutcome = AttemptOutcome.OK, **facts: Any) -> AttemptRecord:
    """A finished attempt."""
    return AttemptRecord("r", 1, target, AttemptKind.FIRST, outcome, THEN, 0.25, **facts)


def text_chunk(text: str, **more: Any) -> ChatChunk:
    """A chunk with content."""
    return _chunk({"content": text}, carries=True, **more)


def _chunk(delta: dict[str, Any], *, carries: bool = False, finish: str | None = None) -> ChatChunk:
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "alpha-1",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return ChatChunk(body, carries=carries, finish_reason=finish)


def delta_chunk(delta: dict[str, Any]) -> ChatChunk:
    """A chunk with this delta."""
    return _chunk(delta, carries=True)


def last_chunk(finish: str = "stop") -> ChatChunk:
    """The chunk with the finish reason."""
    return _chunk({}, finish=finish)


def usage_chunk() -> ChatChunk:
    """The usage event of a provider that was asked for it."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "alpha-1",
        "choices": [],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }
    return ChatChunk(body, usage=USAGE)


class FakeStream:
    """A committed stream over what was scripted."""

    def __init__(self, gateway: FakeGateway) -> None:
        self._gateway = gateway
        self.target = gateway.target
        self.plan = PLAN
        self.attempts: Sequence[AttemptRecord] = gateway.attempts[:-1]
        self.trail = Trail(attempts=len(gateway.attempts))
        self.warnings = gateway.warnings
        self.usage: Usage | None = USAGE
        self.cost_usd: Decimal | None = gateway.cost
        self.time_to_first_token: float | None = 0.1
        self.finish_reason: str | None = gateway.finish_reason
        self.rung: Rung | None = None
        self.cache = gateway.cache
        self.replayed = False
        self.latency = 0.25
        self.overhead = 0.001

    async def __aiter__(self) -> AsyncIterator[ChatChunk]:
        for item in self._gateway.script:
            if isinstance(item, asyncio.Event):
                self._gateway.waiting.set()
                await item.wait()
            elif isinstance(item, Exception):
                raise item
            else:
                self._gateway.given += 1
                yield item
        self.attempts = self._gateway.attempts


class FakeGateway:
    """Answers what `script` says: chunks, events to wait for, exceptions to raise.

    `before` happens before any answer. `cancelled` is set when the caller's leaving arrived here.
    """

    def __init__(self, text: str = "up") -> None:
        self.text = text
        self.message: dict[str, Any] = {"role": "assistant", "content": text}
        self.finish_reason = "stop"
        self.native: dict[str, Any] | None = None
        self.embeddings = Embeddings([[0.5, -1.0], [0.25, 2.0]], "embed-1")
        self.target = TARGET
        self.attempts: tuple[AttemptRecord, ...] = (record(),)
        self.warnings: tuple[str, ...] = ()
        self.cost: Decimal | None = Decimal("0.000123")
        self.cache: CacheNote | None = None
        self.script: list[ChatChunk | asyncio.Event | Exception] = [text_chunk(text), last_chunk(), usage_chunk()]
        self.before: asyncio.Event | Exception | None = None
        self.asked: list[Ask] = []
        self.given = 0
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.closed = asyncio.Event()

    async def complete(self, ask: Ask) -> Completion:
        self.asked.append(ask)
        await self._begin()
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "alpha-1",
            "choices": [{"index": 0, "message": self.message, "finish_reason": self.finish_reason}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        }
        return Completion(
            response=ChatResponse(completion, self.finish_reason, USAGE, native=self.native),
            target=self.target,
            plan=PLAN,
            attempts=self.attempts,
            latency=0.25,
            overhead=0.001,
            usage=USAGE,
            cost_usd=self.cost,
            warnings=self.warnings,
            cache=self.cache,
        )

    async def embed(self, ask: Ask) -> EmbeddingCompletion:
        self.asked.append(ask)
        await self._begin()
        return EmbeddingCompletion(
            response=self.embeddings,
            target=self.target,
            plan=PLAN,
            attempts=self.attempts,
            latency=0.25,
            overhead=0.001,
            usage=Usage(input_tokens=8),
            cost_usd=self.cost,
            warnings=self.warnings,
        )

    async def count_tokens(self, ask: Ask) -> TokenCount:
        self.asked.append(ask)
        await self._begin()
        return TokenCount(2095, CountSource.PROVIDER, self.target, attempts=1)

    def stream(self, ask: Ask) -> AbstractAsyncContextManager[FakeStream]:
        return self._streaming(ask)

    @asynccontextmanager
    async def _streaming(self, ask: Ask) -> AsyncGenerator[FakeStream]:
        self.asked.append(ask)
        await self._begin()
        try:
            yield FakeStream(self)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.closed.set()

    async def _begin(self) -> None:
        if isinstance(self.before, Exception):
            raise self.before
        if self.before is not None:
            self.waiting.set()
            try:
                await self.before.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise


VOTE = Vote("sandbox", "trend", VoteStatus.OK, opinion=Opinion(Action.BUY, "BTC/USDT", confidence=0.7), latency=0.01)
DECISION = Decision(
    id="dec_1",
    symbol="BTC/USDT",
    status=DecisionStatus.DECIDED,
    action=Action.BUY,
    actionable=True,
    consensus=Consensus("majority", 1.0, 1.0, 1, SettledReason.ALL_VOTED, 0.01),
    votes=(VOTE,),
    created_at=THEN,
    cost_usd=Decimal("0.01"),
)


class FakeOutcomes:
    """Grades by our own rule the one vote of a BUY at 100, and keeps outcomes by id; `failure` is raised instead."""

    def __init__(self) -> None:
        self.known: dict[str, GradedOutcome] = {}
        self.bars: list[PriceBar] = []
        self.agents: list[int | None] = []
        self.horizon = Horizon(HorizonState.NONE)
        self.failure: OutcryError | None = None

    async def record(self, outcome: Outcome, *, agent_id: int | None, by: Author = THE_GATEWAY) -> GradedOutcome:
        self.agents.append(agent_id)
        if self.failure is not None:
            raise self.failure
        found = measured(Basis(outcome.decision_id, Action.BUY, THEN, entry_price=100.0), outcome)
        vote = CastVote(outcome.decision_id, 1, "alpha", "alpha-1", VoteStatus.OK, Action.BUY)
        correct = None if found is None else found.is_right(Action.BUY)
        before = self.known.get(outcome.id)
        if before is not None and replace(before.outcome, version=1) == outcome:
            return before
        version = 1 if before is None else before.outcome.version + 1
        grade = GradedVote(vote, outcome.id, version, correct, None, None)
        kept = GradedOutcome(replace(outcome, version=version), found, (grade,))
        self.known[outcome.id] = kept
        return replace(kept, is_new=before is None, is_changed=True)

    async def of(self, decision_id: str, agent_id: int | None) -> tuple[Sequence[GradedOutcome], Horizon]:
        self.agents.append(agent_id)
        return [one for one in self.known.values() if one.outcome.decision_id == decision_id], self.horizon

    async def post_prices(self, bars: Sequence[PriceBar], *, by: Author = THE_GATEWAY) -> PricesTaken:
        self.bars += bars
        return PricesTaken(StoredBars(len(bars), 0, 0), 0, is_complete=True)


def told(decision: Decision) -> DecisionEvent:
    """The decision as a panel's last event."""
    return DecisionEvent(decision, rendered(decision))


class FakeDecisions:
    """One vote, one decision; `script` may hold an event to wait for or an exception instead."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.judged: list[Proposal] = []
        self.script: list[VoteEvent | DecisionEvent | asyncio.Event | Exception] = [
            VoteEvent(VOTE),
            told(DECISION),
        ]
        self.stored: dict[str, dict[str, Any]] = {}
        self.dossiers: dict[str, dict[str, Any]] = {}
        self.pages: list[dict[str, Any]] = []
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.unknown: list[Violation] = []

    def wrong_panel(self, question: Question) -> list[Violation]:
        return self.unknown

    async def answered(self, question: Question) -> DecisionEvent:
        async with aclosing(self.stream(question)) as events:
            async for event in events:
                if isinstance(event, DecisionEvent):
                    return event
        raise AssertionError("the script has no decision")

    async def stream(self, question: Question) -> AsyncGenerator[VoteEvent | DecisionEvent]:
        self.asked.append(question)
        try:
            for item in self.script:
                if isinstance(item, asyncio.Event):
                    self.waiting.set()
                    await item.wait()
                elif isinstance(item, Exception):
                    raise item
                else:
                    yield item
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled.set()
            raise

    async def assess(self, proposal: Proposal) -> Judged:
        self.judged.append(proposal)
        return Judged(assess(proposal.opinion, proposal.market, proposal.constraints, proposal.account))

    async def get(self, decision_id: str) -> dict[str, Any] | None:
        return self.stored.get(decision_id)

    async def dossier(self, decision_id: str) -> dict[str, Any] | None:
        return self.dossiers.get(decision_id)

    async def erase(self, decision_id: str, *, by: Author, reason: str) -> Erasure | None:
        if decision_id not in self.stored:
            return None
        return Erasure(decision_id, {Part.ANSWER: "ab" * 32}, datetime(2026, 11, 20, tzinfo=UTC), by.key_id, reason)

    async def page(
        self, *, limit: int, cursor: str | None = None, symbol: str | None = None, agent_id: int | None = None
    ) -> tuple[list[dict[str, Any]], str | None]:
        self.pages.append({"limit": limit, "cursor": cursor, "symbol": symbol, "agent_id": agent_id})
        return list(self.stored.values()), None


class FakePrompts:
    """The prompt of a question, at one member without an estimate."""

    def __init__(self) -> None:
        self.asked: list[tuple[Question, Template, Mapping[str, Any] | None]] = []

    async def render(
        self, question: Question, template: Template, proposal: Mapping[str, Any] | None = None
    ) -> Rendering:
        self.asked.append((question, template, proposal))
        estimate = Estimate(TARGET, 1_240, CountSource.ESTIMATE, Decimal("0.000186"))
        members = (MemberEstimate(Seat(0, "alpha/alpha-1"), estimate), MemberEstimate(Seat(1, "beta/beta-1"), None))
        return Rendering(prompted(question), members, ("no estimate for beta/beta-1: down",))


class FakeAgents:
    """Agents in a dictionary, without rules."""

    def __init__(self) -> None:
        self.agents: dict[int, Agent] = {}
        self.kept: dict[int, list[AgentConfig]] = {}
        self.changes: list[ConfigChange | None] = []

    async def create(
        self, name: str, description: str | None, metadata: dict[str, Any], *, by: Author = THE_GATEWAY
    ) -> Agent:
        agent = Agent(len(self.agents) + 1, name, description, metadata, True, THEN, THEN)
        self.agents[agent.id] = agent
        self.kept[agent.id] = []
        return agent

    async def get(self, agent_id: int) -> Agent:
        if agent_id not in self.agents:
            raise NotFound(f"no agent {agent_id}", code=Code.UNKNOWN_AGENT)
        return self.agents[agent_id]

    async def page(self, *, limit: int, after: int = 0) -> list[Agent]:
        return [agent for agent in self.agents.values() if agent.id > after][:limit]

    async def update(self, agent_id: int, changes: dict[str, Any], *, by: Author = THE_GATEWAY) -> Agent:
        self.agents[agent_id] = replace(await self.get(agent_id), **changes)
        return self.agents[agent_id]

    async def delete(self, agent_id: int, *, by: Author = THE_GATEWAY) -> None:
        await self.get(agent_id)
        del self.agents[agent_id]

    async def configs(self, agent_id: int) -> Sequence[AgentConfig]:
        await self.get(agent_id)
        return self.kept[agent_id]

    async def put_primary(
        self, agent_id: int, change: ConfigChange, *, by: Author = THE_GATEWAY
    ) -> tuple[AgentConfig, bool]:
        kept = await self.configs(agent_id)
        config = self._made(agent_id, change)
        self.kept[agent_id] = [config]
        return config, not kept

    async def add_config(self, agent_id: int, change: ConfigChange, *, by: Author = THE_GATEWAY) -> AgentConfig:
        config = self._made(agent_id, change)
        self.kept[agent_id].append(config)
        return config

    async def patch_config(
        self, agent_id: int, config_id: int, change: ConfigChange, *, by: Author = THE_GATEWAY
    ) -> AgentConfig:
        self.changes.append(change)
        return next(config for config in self.kept[agent_id] if config.id == config_id)

    async def delete_config(self, agent_id: int, config_id: int, *, by: Author = THE_GATEWAY) -> None:
        self.kept[agent_id] = [config for config in self.kept[agent_id] if config.id != config_id]

    async def validate_config(self, agent_id: int, which: int | ConfigChange | None = None) -> dict[str, Any]:
        await self.get(agent_id)
        assert not isinstance(which, int)
        self.changes.append(which)
        return {"ok": True}

    def _made(self, agent_id: int, change: ConfigChange) -> AgentConfig:
        self.changes.append(change)
        fields = {n: getattr(change, n) for n in change.__dataclass_fields__ if getattr(change, n) is not UNSET}
        return AgentConfig(
            len(self.kept[agent_id]) + 1, agent_id, **fields, api_key_hint="sk-…4f2a", created_at=THEN, updated_at=THEN
        )


class FakeProviders:
    """One provider, as configured."""

    def __init__(self) -> None:
        config = ProviderConfig("alpha", ProviderType.OPENAI, "https://alpha.test/v1", models=(ModelConfig("alpha-1"),))
        self.current = ProviderSet((config,), source="outcry.yaml")

    def models(self, name: str) -> Sequence[str]:
        return ("alpha-1",)

    def serves(self, provider: str, model: str) -> bool:
        return model == "alpha-1"

    def default_model(self, name: str) -> str | None:
        return "alpha-1"


class FakeMonitor:
    """All is well."""

    def report(self) -> dict[str, Any]:
        state = {"status": "healthy", "is_healthy": True, "circuit": "closed", "in_flight": 0}
        return {"overall_status": "healthy", "providers": {"alpha": state}, "ranking": ["alpha"]}

    def rotation(self) -> dict[str, Any]:
        return {"current_provider": "alpha", "providers": {"alpha": {"status": "available", "is_current": True}}}


class FakeHistory:
    """One hour of samples of the provider alpha, a minute apart, newest first; pages are as long as asked."""

    def __init__(self, error: str = "refused") -> None:
        start = datetime(2026, 11, 20, 12, tzinfo=UTC)
        self.samples = [
            HealthSample(
                "alpha", start + timedelta(minutes=m), "healthy", "closed", 4, 1, 12, 9, 0.1, 0.25, last_error=error
            )
            for m in reversed(range(60))
        ]
        self.pages = 0
        self.windows: list[HistoryWindow] = []
        self.fails_on_page: int | None = None

    async def page(
        self, provider: str | None, window: HistoryWindow, *, limit: int, cursor: str | None
    ) -> tuple[list[HealthSample], str | None]:
        self.pages += 1
        self.windows.append(window)
        if self.pages == self.fails_on_page:
            raise StorageUnavailable("the database is away")
        first = int(cursor or 0)
        there = self._inside(provider, window)
        following = str(first + limit) if first + limit < len(there) else None
        return there[first : first + limit], following

    async def total(self, provider: str, window: HistoryWindow) -> HealthSample | None:
        there = self._inside(provider, window)
        return replace(there[0], requests=4 * len(there), failures=len(there), samples=len(there)) if there else None

    def _inside(self, provider: str | None, window: HistoryWindow) -> list[HealthSample]:
        mine = [s for s in self.samples if provider in (None, s.provider)]
        return [s for s in mine if window.since <= s.at < window.until]


class FakeRouting:
    """One plan, one strategy; knows the provider alpha."""

    def __init__(self) -> None:
        self.asked: list[Ask] = []
        self.policy = PolicyName.PRIORITY
        self.reset: list[tuple[str, str | None]] = []

    def explain(self, ask: Ask) -> Explanation:
        self.asked.append(ask)
        return Explanation(PLAN, PLAN.verdicts, PLAN.warnings)

    def strategy(self) -> StrategyInForce:
        since = None if self.policy is PolicyName.PRIORITY else datetime(2026, 11, 20, 12, tzinfo=UTC)
        return StrategyInForce(self.policy, since, 1)

    async def set_strategy(self, policy: PolicyName | None, *, by: Author = THE_GATEWAY) -> StrategyInForce:
        self.policy = policy or PolicyName.PRIORITY
        return self.strategy()

    def reset_circuits(self, provider: str, model: str | None = None) -> Sequence[Target]:
        if provider != "alpha":
            raise NotFound(f"provider {provider!r} is not configured", code=Code.UNKNOWN_PROVIDER)
        self.reset.append((provider, model))
        return (TARGET,)


class FakeConformance:
    """A suite of two checks; knows the provider alpha."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.closed = 0
        self.hangs = False

    async def run(self, provider: str, **asked: Any) -> AsyncGenerator[CheckResult | Report]:
        if provider != "alpha":
            raise NotFound(f"provider {provider!r} is not configured", code=Code.UNKNOWN_PROVIDER)
        self.asked.append(asked)
        done = [
            CheckResult(name, ConformanceStatus.PASSED, 0.1, "fine", Decimal("0.001")) for name in ("chat", "tools")
        ]
        try:
            for check in done:
                yield check
                if self.hangs:
                    await asyncio.Event().wait()
            yield Report("alpha", "openai", "alpha-1", datetime(2026, 11, 21, tzinfo=UTC), 0.2, done)
        finally:
            self.closed += 1


class FakeUsage:
    """Two rows, one of them without a price."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.pages = 2
        self.fails_on_page: int | None = None
        self.item: dict[str, Any] = {"request_id": "r", "model": "alpha-1", "cost_usd": "0.5", "message": None}

    async def summary(
        self, wanted: UsageFilter, *, by: str, group: Sequence[str]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        self.asked.append({"wanted": wanted, "by": by, "group": tuple(group)})
        return await self.totals(wanted, group=group)

    async def totals(self, wanted: UsageFilter, *, group: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        counts = {"requests": 1, "attempts": 2, "input_tokens": 10, "output_tokens": 5}
        one = {"provider": "alpha", "model": "a", **counts, "unpriced_requests": 0, "cost_usd": "0.1"}
        other = {"provider": "alpha", "model": "b", **counts, "unpriced_requests": 1, "cost_usd": None}
        return [one, other], {**counts, "attempts": 4, "unpriced_requests": 1, "cost_usd": "0.1"}

    async def first(self) -> datetime | None:
        return None

    async def page(
        self, wanted: UsageFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """Pages of two attempts; after `pages` of them there is no more."""
        self.asked.append({"wanted": wanted, "limit": limit, "cursor": cursor})
        number = int(cursor or 0) + 1
        if number == self.fails_on_page:
            raise StorageUnavailable("the database is unavailable")
        items = [self.item | {"id": f"{number}-{position}"} for position in range(2)]
        return items, str(number) if number < self.pages else None


class FakeMetrics:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int, str | None]] = []
        self.counted = asyncio.Event()

    def request_finished(self, route: str, status: int, code: str | None, overhead: float | None) -> None:
        self.requests.append((route, status, code))
        self.counted.set()

    def render(self) -> tuple[bytes, str]:
        return b"up 1\n", "text/plain; version=0.0.4"


class FakeReload:
    """Reads the file again, or says why not."""

    def __init__(self) -> None:
        self.error: OutcryError | None = None

    async def __call__(self, by: Author) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"source": "outcry.yaml", "providers": ["alpha"], "warnings": []}


async def fake_models() -> dict[str, ListedName]:
    """`alpha/alpha-1` by its two names, and `auto`, which means it."""
    facts = ModelFacts(context_window=8_000, capabilities=frozenset({"tools"}), mode=ModelMode.CHAT)
    alpha = (ListedTarget(Target("alpha", "alpha-1"), facts, None),)
    names = {"alpha/alpha-1": NameKind.MODEL, "alpha-1": NameKind.MODEL, "auto": NameKind.POLICY}
    return {name: ListedName(name, kind, alpha) for name, kind in names.items()}


class FakeKills:
    """What is stopped, in memory; `error` is raised by every change."""

    def __init__(self) -> None:
        self.rows: dict[str, Kill] = {}
        self.events: list[KillEvent] = []
        self.error: OutcryError | None = None

    async def everything(self) -> list[Kill]:
        if self.error is not None:
            raise self.error
        return list(self.rows.values())

    async def kill(self, scope: str, reason: str, by: Author) -> None:
        self._did(KillAction.KILL, scope, reason, by)
        self.rows[scope] = Kill(scope, reason, THEN, by.key_id)

    async def resume(self, scope: str, by: Author) -> None:
        self._did(KillAction.RESUME, scope, "", by)
        self.rows.pop(scope, None)

    async def history(self, limit: int) -> list[KillEvent]:
        return self.events[::-1][:limit]

    def _did(self, action: KillAction, scope: str, reason: str, by: Author) -> None:
        if self.error is not None:
            raise self.error
        self.events.append(KillEvent(action, scope, reason, THEN, by.key_id))


class FakeAudit:
    """A record that is in order, and knows one decision."""

    public_key: str | None = None

    def __init__(self) -> None:
        self.error: OutcryError | None = None

    async def verify(self) -> Findings:
        if self.error is not None:
            raise self.error
        return Findings(3, None, chains=1)

    async def bundle(self, decision_id: str, *, words: bool) -> dict[str, Any]:
        if decision_id != "dec-1":
            raise NotFound("no such decision is on record")
        return {"decision_id": decision_id} | ({"words": []} if words else {})

    async def page(self, *, past: int, limit: int) -> list[dict[str, Any]]:
        return [{"number": number} for number in range(past + 1, min(past + limit, 3) + 1)]


class FakeChanges:
    """No change on record; `asked` is what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.rows: list[Change] = []

    async def page(
        self, *, limit: int, cursor: str | None, subject: str | None, kinds: Collection[Kind]
    ) -> tuple[list[Change], str | None]:
        self.asked.append({"limit": limit, "cursor": cursor, "subject": subject, "kinds": list(kinds)})
        return self.rows[:limit], None


def admission_by(limits: dict[str, CallerLimit], now: Callable[[], float] = time.monotonic) -> Admission:
    """Lets callers in by these limits; the real one, since nothing outside is behind it."""
    return Admission(lambda: limits, now=now, wall=lambda: datetime.now(UTC), rejected=lambda _: None)


def fake_services(**changes: Any) -> Services:
    """Services of fakes; `changes` replace fields."""
    unready: Callable[[], Sequence[str]] = tuple
    base: dict[str, Any] = {
        "gateway": FakeGateway(),
        "admission": admission_by({}),
        "decisions": FakeDecisions(),
        "outcomes": FakeOutcomes(),
        "prompts": FakePrompts(),
        "idempotency": Idempotency(KeyShelf(), now=time.monotonic, wall=lambda: datetime.now(UTC)),
        "agents": FakeAgents(),
        "providers": FakeProviders(),
        "monitor": FakeMonitor(),
        "routing": FakeRouting(),
        "routing_stats": dict,
        "scoring": Boards(FakeScores(), ScoreBook(ScoreRules(), UNGRADED), wall=lambda: datetime.now(UTC)),
        "kills": KillSwitch(FakeKills(), lambda _: None, lambda: datetime.now(UTC)),
        "audit": FakeAudit(),
        "changes": FakeChanges(),
        "experiments": trials(),
        "history": FakeHistory(),
        "conformance": FakeConformance(),
        "spending": (spending := Spending(lambda: datetime.now(UTC))),
        "budgets": budgets_of(spending),
        "usage": FakeUsage(),
        "metrics": FakeMetrics(),
        "models": fake_models,
        "unready": unready,
        "reload": FakeReload(),
        "draining": asyncio.Event(),
    }
    fakes = base | changes
    fakes.setdefault("tools", FakeTools(fakes["gateway"]))

    async def find_model(name: str) -> ListedName | None:
        return dict(await fakes["models"]()).get(name)

    return Services(**({"find_model": find_model} | fakes))
