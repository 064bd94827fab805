"""The composition root: from settings to services. The only file that names concrete classes."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anyio
import httpx

from app.adapters.build import build_adapter
from app.adapters.http_tools import HttpTools
from app.adapters.pictures import MAX_BYTES, PictureSource
from app.adapters.sandbox import SandboxAdapter
from app.agents.directory import AgentDirectory
from app.agents.service import AgentService
from app.catalog.catalog import Catalog
from app.catalog.records import read_models
from app.catalog.tokenizer import token_counter
from app.conformance.suite import ConformanceTests
from app.decisions.idempotency import Idempotency
from app.decisions.rendering import PromptRendering
from app.decisions.seating import Seating
from app.decisions.service import DecisionService
from app.decisions.validity import VoteValidity
from app.domain.ports import Adapter
from app.domain.provider import ProviderConfig, ProviderType
from app.domain.target import Target
from app.gateway.admission import Admission
from app.gateway.answer_cache import AnswerCache
from app.gateway.attempt import Clock
from app.gateway.control import RoutingControl
from app.gateway.conversations import Conversations
from app.gateway.estimates import Estimates
from app.gateway.gateway import Gateway
from app.gateway.hedging import Hedges
from app.gateway.kills import KillSwitch
from app.gateway.planning import Planner
from app.gateway.strategy import Strategy
from app.gateway.timers import TimerRules
from app.ledger.spill import Spill
from app.ledger.stores import Records
from app.ledger.tapes import TapeRules, TapeStore
from app.ledger.writer import LedgerRules, UsageWriter
from app.model_listing import ModelListing
from app.providers.alerts import AlertMonitor
from app.providers.day_record import DayRecord
from app.providers.history import HealthHistory, HistoryRules
from app.providers.leases import Leases, Shortage
from app.providers.lookup import ProviderLookup
from app.providers.monitor import HealthMonitor, HealthRules
from app.providers.news import NewsDesk
from app.providers.one_voice import OneVoice
from app.providers.pool import Pool
from app.reloading import ProviderConfiguration
from app.resilience.breaker import BreakerRules
from app.resilience.hedging import HedgeRules
from app.resilience.retry import RetryRules
from app.resilience.store import StoreRules
from app.routing.policies import build_policies
from app.routing.router import Router
from app.services import GatewayKey, Services
from app.settings import Settings
from app.storage.agents import SqlAgentRepository
from app.storage.arrival import Arrival
from app.storage.bell import Bell
from app.storage.database import Database, DatabaseRules, open_database
from app.storage.days import SqlDayRepository
from app.storage.decisions import SqlDecisionRepository
from app.storage.firing import SqlFiringRepository
from app.storage.health import SqlHealthRepository
from app.storage.idempotency import SqlIdempotencyRepository
from app.storage.kills import SqlKillRepository
from app.storage.leases import CHANNEL, SqlLeaseRepository
from app.storage.listener import ConfigListener
from app.storage.news import SqlNewsRepository
from app.storage.replay import SqlTakeRepository
from app.storage.settings import SqlSettingsRepository
from app.storage.tool_calls import SqlToolCallRepository
from app.storage.tools import SqlToolRepository
from app.storage.usage import SqlUsageRepository
from app.storage.vault import Vault
from app.supervisor import Supervisor
from app.telemetry.alerts import log_alert
from app.telemetry.logs import register_secret, setup_logging
from app.telemetry.metrics import Metrics
from app.telemetry.routing_stats import RoutingStats
from app.telemetry.webhooks import Webhooks
from app.tools.calling import RoundRules
from app.tools.registry import ToolRegistry
from app.tools.rounds import Rounds
from app.tools.service import ToolService
from app.transport.addresses import is_allowed_private
from app.transport.client import TransportRules, open_transport
from app.transport.named import objection_to
from app.transport.pictures import PublicPictures

log = logging.getLogger(__name__)

T = TypeVar("T")

_PUBLIC: Final = TransportRules(max_connections=64, max_connections_per_host=8, keepalive=5.0, max_body=MAX_BYTES)

_TOOLS: Final = TransportRules(max_connections=256, max_connections_per_host=64, keepalive=0.0)


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


async def build(settings: Settings, draining: asyncio.Event, stack: AsyncExitStack) -> Services:
    """Everything behind the edge; `stack` closes it in the reverse order. The database may still be away."""
    setup_logging(settings.log_level)
    _register_secrets(settings)
    clock, rng = Clock(time.monotonic, utc_now), random.SystemRandom()
    metrics = Metrics(multiprocess_dir=os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
    retry, catalog = RetryRules(**settings.retry.model_dump()), Catalog(known=read_models(settings.catalog))

    transport = await stack.enter_async_context(open_transport(TransportRules(**settings.transport.model_dump())))
    # What callers name is fetched over connections of its own: none of theirs leads where a provider of ours lives.
    public = await stack.enter_async_context(open_transport(_PUBLIC, private_allowed=False))
    validity, shortage = VoteValidity(), Shortage()
    pool = Pool(
        adapters_over(transport, PublicPictures(public)),
        catalog,
        breaker=BreakerRules(**settings.breaker.model_dump()),
        retry=retry,
        now=clock.now,
        rng=rng,
        window=settings.health.window,
        grades=validity,
        short=shortage.told if settings.is_shared else None,
    )
    configuration = ProviderConfiguration(settings, pool, metrics)
    configuration.load()
    _look_up_prices(pool)

    database = await stack.enter_async_context(
        open_database(settings.database_url, DatabaseRules(**settings.database.model_dump()))
    )
    usage_rows, health_rows, directory = SqlUsageRepository(database), SqlHealthRepository(database), AgentDirectory()

    monitor = HealthMonitor(
        pool, now=clock.now, wall=clock.wall, rng=rng, rules=HealthRules(**settings.health.model_dump())
    )
    days = DayRecord(pool, SqlDayRepository(database), now=clock.now, wall=clock.wall)
    leases = Leases(pool, SqlLeaseRepository(database), shortage, holder=os.urandom(8).hex(), now=clock.now)
    news = NewsDesk(pool, SqlNewsRepository(database), origin=os.urandom(8).hex(), now=clock.now)
    history = HealthHistory(
        pool, health_rows, now=clock.now, wall=clock.wall, rules=HistoryRules(**settings.history.model_dump())
    )
    transport_for = _way_to(transport, public, settings.allowed_private_hosts)
    alerts, voice, webhooks = _alarms(
        pool, metrics, clock, SqlFiringRepository(database) if settings.is_shared else None, transport_for
    )
    writer = UsageWriter(
        Records(usage_rows, SqlToolCallRepository(database)), LedgerRules(**settings.ledger.model_dump())
    )
    kills = KillSwitch(SqlKillRepository(database), pool.type_of, clock.wall)
    # Only the record hears of free answers: they say nothing about a provider, and no provider was asked.
    cache = AnswerCache(StoreRules(**settings.cache.model_dump()), [writer], metrics.cache_used)
    conversations, routing_stats, counter = Conversations(clock.now), RoutingStats(clock.wall), token_counter()
    planner = Planner(
        pool,
        Router(build_policies(rng)),
        directory,
        kills,
        conversations=conversations,
        panicked=_each_told(metrics.panicked, routing_stats.panicked),
    )
    strategy = Strategy(pool, SqlSettingsRepository(database), workers=settings.workers)
    tapes = TapeStore(
        SqlTakeRepository(database), TapeRules(**settings.replay.model_dump()), now=clock.now, wall=clock.wall
    )
    gateway = Gateway(
        pool,
        planner,
        [monitor, metrics, writer, routing_stats, conversations],
        retry=retry,
        timers=TimerRules(**settings.timeouts.model_dump()),
        counter=counter,
        clock=clock,
        rng=rng,
        cache=cache,
        hedges=Hedges(
            pool,
            HedgeRules(**settings.hedging.model_dump()),
            clock.now,
            [metrics.hedge_ended, routing_stats.hedge_ended],
            may_go_out=planner.is_running,
        ),
        shelf=tapes,
    )
    rows = SqlAgentRepository(database, Vault(settings.encryption_keys))
    agents = AgentService(rows, directory, ProviderLookup(pool, catalog), gateway.complete, clock.now)
    tools = _tools(
        settings,
        database,
        Rounds(
            gateway,
            await _tools_over_http(settings, stack),
            [metrics, writer],
            rules=RoundRules(**settings.tools.model_dump()),
            clock=clock,
        ),
    )
    decisions = DecisionService(
        gateway,
        Seating(pool, directory),
        SqlDecisionRepository(database),
        now=clock.now,
        wall=clock.wall,
        decided=_each_told(metrics.decision_finished, validity.decided),
        killed=kills.of,
        grades=validity,
        spill=Spill(settings.ledger.decision_spill_path, settings.ledger.spill_max_bytes),
        shelf=tapes,
    )
    idempotency = Idempotency(SqlIdempotencyRepository(database), now=clock.now, wall=clock.wall)
    metrics.collectors += [
        _states(pool, writer, directory, tools.registry),
        lambda metrics: metrics.set_cache(cache.kept.size),
    ]

    _close_last_first(
        stack, days.sync, writer.drain, tapes.drain, cache.flights.close, decisions.close, idempotency.close
    )
    supervisor = Supervisor(metrics.job_restarted)
    arrival, bell = Arrival(database, settings.database_url), Bell(database, CHANNEL)
    for name, job in {
        "health": monitor.run,
        "history": history.run,
        "alerts": alerts.run,
        "voice": voice.run,
        "webhooks": webhooks.run,
        "usage": writer.run,
        "decisions": decisions.run,
        "runs": tapes.run,
        "days": arrival.before(days.run),
        "idempotency": arrival.before(idempotency.run),
        "configuration": arrival.before(
            lambda: ConfigListener(database).run(
                partial(_refresh, [agents.refresh, tools.refresh, kills.refresh, strategy.refresh])
            )
        ),
    }.items():
        supervisor.add(name, job)
    if settings.is_shared:
        stack.push_async_callback(leases.leave)
        supervisor.add("leases", arrival.before(leases.run))
        supervisor.add("news", arrival.before(news.run))
        supervisor.add("bell", arrival.before(lambda: bell.run(shortage.told, news.ring)))
    if metrics.is_shared:
        supervisor.add("metrics", _refreshed(metrics))
    await stack.enter_async_context(supervisor)
    stack.enter_context(configuration.reloaded_on_hangup())
    listing = ModelListing(pool, catalog)
    return Services(
        gateway=gateway,
        admission=Admission(
            lambda: pool.current.caller_limits, now=clock.now, wall=clock.wall, rejected=metrics.limit_rejected
        ),
        decisions=decisions,
        prompts=PromptRendering(Seating(pool, directory), Estimates(planner, counter), clock.wall),
        idempotency=idempotency,
        agents=agents,
        tools=tools,
        providers=pool,
        monitor=monitor,
        routing=RoutingControl(pool, planner, strategy, told=news.reset),
        routing_stats=routing_stats.report,
        kills=kills,
        history=health_rows,
        # Not the monitor, nor the metrics: what a test provokes says nothing about how the provider is.
        conformance=ConformanceTests(pool, [writer], clock),
        usage=usage_rows,
        metrics=metrics,
        models=listing,
        find_model=listing.find,
        unready=lambda: _unready(
            [
                *(view.is_loaded for view in (directory, tools.registry, days)),
                leases.is_loaded or not settings.is_shared,
            ],
            draining,
        ),
        reload=configuration.reload,
        draining=draining,
        keys=tuple(GatewayKey.of(key.key, key.scopes) for key in settings.api_keys),
        default_deadline=pool.current.global_timeout or settings.default_deadline,
        max_deadline=settings.max_deadline,
        embargo=settings.as_of_embargo_days,
    )


def _way_to(
    transport: httpx.AsyncBaseTransport, public: httpx.AsyncBaseTransport, allowed: Collection[str]
) -> Callable[[str], httpx.AsyncBaseTransport]:
    """By which way to a URL that was not given as a provider's: inwards only where the operator lists the host."""
    return lambda url: transport if is_allowed_private(url, allowed) else public


async def _tools_over_http(settings: Settings, stack: AsyncExitStack) -> HttpTools:
    """Tools over connections of their own, none of which is used twice."""
    inward = await stack.enter_async_context(open_transport(_TOOLS))
    outward = await stack.enter_async_context(open_transport(_TOOLS, private_allowed=False))
    return HttpTools(_way_to(inward, outward, settings.allowed_private_hosts))


def _tools(settings: Settings, database: Database, rounds: Rounds) -> ToolService:
    return ToolService(
        SqlToolRepository(database, Vault(settings.encryption_keys)),
        SqlToolCallRepository(database),
        ToolRegistry(),
        rounds,
        lambda url: objection_to(url, settings.allowed_private_hosts),
    )


def _close_last_first(stack: AsyncExitStack, *closers: Callable[[], Awaitable[None]]) -> None:
    """Have these called at the end, the last one first."""
    for close in closers:
        stack.push_async_callback(close)


def _alarms(
    pool: Pool,
    metrics: Metrics,
    clock: Clock,
    firing: SqlFiringRepository | None,
    transport_for: Callable[[str], httpx.AsyncBaseTransport],
) -> tuple[AlertMonitor, OneVoice, Webhooks]:
    """What watches for trouble, what agrees with the other processes who tells, and what carries the news.

    `transport_for` says by which way to a webhook.
    """
    webhooks = Webhooks(
        lambda: pool.current.alerts.webhooks, transport_for, now=clock.now, counted=metrics.alert_delivered
    )
    voice = OneVoice(firing, webhooks.tell, holder=os.urandom(8).hex())
    told = [log_alert, metrics.alert_changed, voice.tell]
    return AlertMonitor(pool, told, now=clock.now, wall=clock.wall, failed=metrics.event_lost), voice, webhooks


def _register_secrets(settings: Settings) -> None:
    """Have the log blot out what is secret in the settings themselves."""
    for secret in (*settings.encryption_keys, *(key.key for key in settings.api_keys)):
        register_secret(secret)
    password = urlsplit(settings.database_url).password
    if password:
        register_secret(password)


def adapters_over(
    transport: httpx.AsyncBaseTransport, pictures: PictureSource | None = None
) -> Callable[[ProviderConfig], Adapter]:
    """Builds the adapter of a configured provider."""

    def build_one(config: ProviderConfig) -> Adapter:
        if config.type is ProviderType.SANDBOX:
            return SandboxAdapter(config)
        return build_adapter(config, transport, pictures)

    return build_one


def _look_up_prices(pool: Pool) -> None:
    """The first price of all takes a fifth of a second to find: no request should be the one that waits for it."""
    for provider in pool.providers():
        default = pool.default_model(provider.config.name)
        if default is not None:
            pool.candidate(Target(provider.config.name, default))


def _states(
    pool: Pool, writer: UsageWriter, directory: AgentDirectory, registry: ToolRegistry
) -> Callable[[Metrics], None]:
    """Sets what is a state rather than an event, when somebody looks."""

    def collect(metrics: Metrics) -> None:
        now, ejections = time.monotonic(), 0
        for provider in pool.providers():
            metrics.set_in_flight(provider.config.name, provider.in_flight)
            for target in pool.states(provider.config.name):
                metrics.set_circuit(target.target, target.breaker.circuit(now))
                ejections += target.breaker.ejections
        metrics.set_ejections(ejections)
        metrics.set_tasks(len(asyncio.all_tasks()))
        metrics.set_usage_queue(writer.depth, writer.spilled)
        metrics.set_configuration(max(directory.revision, 0), directory.undecryptable + registry.undecryptable)

    return collect


def _refreshed(metrics: Metrics) -> Callable[[], Awaitable[None]]:
    """The job that keeps this worker's states fresh where another worker may be the one that is scraped."""

    async def refresh() -> None:
        while True:
            metrics.refresh()
            await anyio.sleep(1)

    return refresh


async def _refresh(views: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Read again what is kept in memory of the stored configuration."""
    for refresh in views:
        await refresh()


def _each_told(*listeners: Callable[[T], None]) -> Callable[[T], None]:
    """Tells all of them."""

    def told(news: T) -> None:
        for listener in listeners:
            listener(news)

    return told


def _unready(loaded: Sequence[bool], draining: asyncio.Event) -> list[str]:
    reasons = [] if all(loaded) else ["the database has not answered yet"]
    return [*reasons, "the service is stopping"] if draining.is_set() else reasons
