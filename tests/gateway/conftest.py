"""A gateway over scripted providers, with a clock that moves when told."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.agents.directory import AgentDirectory
from app.agents.experiments import Experiments
from app.catalog.tokens import Estimator
from app.domain.agent import Agent, AgentConfig
from app.domain.attempt import Ask, HedgeOutcome
from app.domain.chat import ChatRequest, Credential
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType, RateLimit
from app.gateway.answer_cache import AnswerCache
from app.gateway.attempt import Clock
from app.gateway.conversations import Conversations
from app.gateway.gateway import Gateway
from app.gateway.hedging import Hedges
from app.gateway.kills import KillSwitch
from app.gateway.planning import Planner
from app.gateway.timers import TimerRules
from app.ledger.tapes import TapeRules, TapeStore
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.hedging import HedgeRules
from app.resilience.retry import RetryRules
from app.resilience.store import StoreRules
from app.routing.policies import build_policies
from app.routing.router import Router
from tests.fakes import FakeClock, Recorder, ScriptedAdapter
from tests.fakes_edge import FakeKills
from tests.fakes_providers import FakeCatalog
from tests.fakes_replay import FakeTakes

BORN = datetime(2026, 11, 1, tzinfo=UTC)
HELLO = ChatRequest([{"role": "user", "content": "hello"}])


@dataclass
class House:
    """Everything a gateway needs, and what it did."""

    adapters: dict[str, ScriptedAdapter]
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    limits: dict[str, RateLimit] = field(default_factory=dict)
    at_once: dict[str, int] = field(default_factory=dict)
    keys: dict[str, tuple[Credential, ...]] = field(default_factory=dict)
    caching: dict[str, bool] = field(default_factory=dict)
    kept: StoreRules = StoreRules()
    rules: RetryRules = RetryRules(base=0.0, cap=0.0)
    hedging: HedgeRules = HedgeRules()
    breaker: BreakerRules = BreakerRules()
    clock: FakeClock = field(default_factory=FakeClock)
    recorder: Recorder = field(default_factory=Recorder)
    panics: list[bool] = field(default_factory=list)
    hedged: list[HedgeOutcome] = field(default_factory=list)
    takes: FakeTakes = field(default_factory=FakeTakes)

    def __post_init__(self) -> None:
        self.pool = Pool(
            lambda config: self.adapters[config.name],
            FakeCatalog(),
            breaker=self.breaker,
            retry=self.rules,
            now=self.clock.now,
            rng=random.Random(1),
        )
        self.reload()
        self.directory = AgentDirectory()
        self.directory.load(0, [], [])
        self.experiments = Experiments()
        self.kills = KillSwitch(FakeKills(), self.pool.type_of, self.clock.wall)
        self.free = Recorder()
        self.counts: Counter[str] = Counter()
        self.cache = AnswerCache(self.kept, [self.free], lambda outcome: self.counts.update([outcome]))
        conversations = Conversations(self.clock.now)
        self.planner = Planner(
            self.pool,
            Router(build_policies(random.Random(1))),
            self.directory,
            self.kills,
            conversations=conversations,
            panicked=self.panics.append,
            experiments=self.experiments,
        )
        self.shelf = TapeStore(self.takes, TapeRules(), now=self.clock.now, wall=self.clock.wall)
        self.gateway = Gateway(
            self.pool,
            self.planner,
            [self.recorder, conversations],
            retry=self.rules,
            timers=TimerRules(),
            counter=Estimator(),
            clock=Clock(self.clock.now, self.clock.wall),
            rng=random.Random(1),
            cache=self.cache,
            hedges=Hedges(
                self.pool,
                self.hedging,
                self.clock.now,
                [self.hedged.append],
                may_go_out=self.planner.is_running,
            ),
            shelf=self.shelf,
            stops=self.kills,
        )

    def reload(self) -> None:
        """Put what is configured in force, as reading the provider file does."""
        self.pool.replace(ProviderSet(tuple(self._config(name, i) for i, name in enumerate(self.adapters))))

    def _config(self, name: str, priority: int) -> ProviderConfig:
        return ProviderConfig(
            name,
            ProviderType.OPENAI_COMPATIBLE,
            f"http://{name}.invalid/v1",
            credentials=self.keys.get(name, (Credential("k", None),)),
            models=(ModelConfig(f"{name}-1"),),
            default_model=f"{name}-1",
            priority=priority,
            parameters=self.parameters.get(name, {}),
            rate_limit=self.limits.get(name, RateLimit()),
            max_concurrent=self.at_once.get(name),
            enable_caching=self.caching.get(name),
        )

    def employ(self, *configs: AgentConfig) -> None:
        agents = [Agent(config.agent_id, "desk", None, {}, True, BORN, BORN) for config in configs]
        self.directory.load(1, agents, list(configs))

    def calls(self) -> list[int]:
        return [len(adapter.calls) for adapter in self.adapters.values()]

    def outcomes(self) -> Sequence[tuple[str, str]]:
        return [(record.target.provider, record.outcome.value) for record in self.recorder.records]


def house(**adapters: ScriptedAdapter) -> House:
    """A gateway over these providers, the first one preferred."""
    return House(adapters)


def ask(house: House, **changes: Any) -> Ask:
    """An ask with a minute to go."""
    defaults: dict[str, Any] = {"request": HELLO, "request_id": "r1", "deadline": house.clock.now() + 60}
    return Ask(**{**defaults, **changes})
