"""The way of a request: planning, the gateway, what is kept of it, and registered tools around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

from app.adapters.http_tools import HttpTools
from app.agents.directory import AgentDirectory
from app.agents.experiments import Experiments
from app.catalog.tokenizer import token_counter
from app.decisions.billing import Billing
from app.decisions.dossier import Witness
from app.gateway.answer_cache import AnswerCache
from app.gateway.conversations import Conversations
from app.gateway.counting import TokenCounter
from app.gateway.gateway import Gateway
from app.gateway.hedging import Hedges
from app.gateway.kills import KillSwitch
from app.gateway.planning import Planner
from app.gateway.strategy import Strategy
from app.gateway.timers import TimerRules
from app.ledger.spending import Spending
from app.ledger.stores import Records
from app.ledger.tapes import TapeRules, TapeStore
from app.ledger.writer import LedgerRules, UsageWriter
from app.resilience.hedging import HedgeRules
from app.resilience.store import StoreRules
from app.routing.policies import build_policies
from app.routing.router import Router
from app.storage.kills import SqlKillRepository
from app.storage.replay import SqlTakeRepository
from app.storage.settings import SqlSettingsRepository
from app.storage.tool_calls import SqlToolCallRepository
from app.storage.tools import SqlToolRepository
from app.storage.usage import SqlUsageRepository
from app.storage.vault import Vault
from app.telemetry.routing_stats import RoutingStats
from app.tools.calling import RoundRules
from app.tools.registry import ToolRegistry
from app.tools.rounds import Rounds
from app.tools.service import ToolService
from app.transport.addresses import is_allowed_private
from app.transport.client import TransportRules, open_transport
from app.transport.named import objection_to
from app.wiring.ground import Ground
from app.wiring.watching import Watchers

T = TypeVar("T")

_TOOLS: Final = TransportRules(max_connections=256, max_connections_per_host=64, keepalive=0.0)


@dataclass(frozen=True, slots=True)
class Asking:
    """One of each."""

    directory: AgentDirectory
    writer: UsageWriter
    witness: Witness
    tapes: TapeStore
    kills: KillSwitch
    cache: AnswerCache
    routing_stats: RoutingStats
    strategy: Strategy
    counter: TokenCounter
    planner: Planner
    gateway: Gateway
    tools: ToolService
    experiments: Experiments
    billing: Billing


async def asking(ground: Ground, watching: Watchers, spending: Spending, stack: AsyncExitStack) -> Asking:
    """Everything that a completion goes through."""
    settings, pool, clock, metrics, database = (
        ground.settings, ground.pool, ground.clock, ground.metrics, ground.database,
    )  # fmt: skip
    directory, experiments, billing = AgentDirectory(), Experiments(), Billing()
    writer = UsageWriter(
        Records(SqlUsageRepository(database), SqlToolCallRepository(database)),
        LedgerRules(**settings.ledger.model_dump()),
    )
    witness = Witness()
    tapes = TapeStore(
        SqlTakeRepository(database), TapeRules(**settings.replay.model_dump()), now=clock.now, wall=clock.wall
    )
    kills = KillSwitch(SqlKillRepository(database), pool.type_of, clock.wall)
    # Only the record hears of free answers: they say nothing about a provider, and no provider was asked.
    cache = AnswerCache(StoreRules(**settings.cache.model_dump()), [writer, witness, billing], metrics.cache_used)
    conversations, routing_stats, counter = Conversations(clock.now), RoutingStats(clock.wall), token_counter()
    planner = Planner(
        pool,
        Router(build_policies(ground.rng, settings.scores.exploration)),
        directory,
        kills,
        conversations=conversations,
        unpriced=settings.unpriced,
        experiments=experiments,
        panicked=each_told(metrics.panicked, routing_stats.panicked),
        spending=spending,
    )
    gateway = Gateway(
        pool,
        planner,
        [watching.monitor, metrics, writer, routing_stats, conversations, witness, billing],
        retry=ground.retry,
        timers=TimerRules(**settings.timeouts.model_dump()),
        counter=counter,
        clock=clock,
        rng=ground.rng,
        cache=cache,
        hedges=Hedges(
            pool,
            HedgeRules(**settings.hedging.model_dump()),
            clock.now,
            [metrics.hedge_ended, routing_stats.hedge_ended],
            may_go_out=planner.is_running,
        ),
        shelf=tapes,
        stops=kills,
        spending=spending,
    )
    return Asking(
        directory=directory,
        writer=writer,
        witness=witness,
        tapes=tapes,
        kills=kills,
        cache=cache,
        routing_stats=routing_stats,
        strategy=Strategy(pool, SqlSettingsRepository(database), workers=settings.workers),
        counter=counter,
        planner=planner,
        gateway=gateway,
        tools=await _tools(ground, planner, gateway, writer, stack),
        experiments=experiments,
        billing=billing,
    )


async def _tools(
    ground: Ground, planner: Planner, gateway: Gateway, writer: UsageWriter, stack: AsyncExitStack
) -> ToolService:
    """Registered tools, over connections of their own, none of which is used twice."""
    settings, database = ground.settings, ground.database
    inward = await stack.enter_async_context(open_transport(_TOOLS))
    outward = await stack.enter_async_context(open_transport(_TOOLS, private_allowed=False))
    allowed = settings.allowed_private_hosts
    rounds = Rounds(
        gateway,
        HttpTools(lambda url: inward if is_allowed_private(url, allowed) else outward),
        [ground.metrics, writer],
        rules=RoundRules(**settings.tools.model_dump()),
        clock=ground.clock,
        check_running=planner.check_running,
    )
    return ToolService(
        SqlToolRepository(database, Vault(settings.encryption_keys)),
        SqlToolCallRepository(database),
        ToolRegistry(),
        rounds,
        lambda url: objection_to(url, allowed),
    )


def each_told(*listeners: Callable[[T], None]) -> Callable[[T], None]:
    """Tells all of them."""

    def told(news: T) -> None:
        for listener in listeners:
            listener(news)

    return told
