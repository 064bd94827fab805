"""Everything behind the edge, put together, and its background jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial

from app.agents.service import AgentService
from app.conformance.suite import ConformanceTests
from app.decisions.rendering import PromptRendering
from app.decisions.seating import Seating
from app.gateway.admission import Admission
from app.gateway.control import RoutingControl
from app.gateway.estimates import Estimates
from app.ledger.words import Words
from app.ledger.writer import UsageWriter
from app.model_listing import ModelListing
from app.providers.lookup import ProviderLookup
from app.providers.pool import Pool
from app.services import GatewayKey, Services
from app.settings import Settings
from app.storage.agents import SqlAgentRepository
from app.storage.arrival import Arrival
from app.storage.changes import SqlChangeRepository
from app.storage.listener import ConfigListener
from app.storage.usage_queries import SqlUsageQueries
from app.storage.vault import Vault
from app.telemetry.metrics import Metrics
from app.wiring.asking import Asking, asking
from app.wiring.auditing import auditor, inventory
from app.wiring.deciding import deciding
from app.wiring.ground import laid
from app.wiring.jobs import jobs
from app.wiring.purse import Purse, purse
from app.wiring.recording import recording
from app.wiring.watching import Watchers, watchers


async def build(settings: Settings, draining: asyncio.Event, stack: AsyncExitStack) -> Services:
    """Everything behind the edge; `stack` closes it in the reverse order. The database may still be away."""
    ground = await laid(settings, stack)
    pool, clock, metrics, database = ground.pool, ground.clock, ground.metrics, ground.database
    watching = watchers(ground)
    purses = purse(ground, watching)
    way = await asking(ground, watching, purses.spending, stack)
    rows = SqlAgentRepository(database, Vault(settings.encryption_keys))
    agents = AgentService(rows, way.directory, ProviderLookup(pool, ground.catalog), way.gateway.complete, clock.now)
    record = recording(ground, lambda: {"stored": way.directory.revision, "providers": pool.revision})
    judging = deciding(ground, way, record, agents)
    audit, stock = auditor(ground, Words(record.payloads, record.sealer)), inventory(ground)
    listener = ConfigListener(database)
    metrics.collectors += [
        _states(pool, way.writer),
        lambda metrics: metrics.set_configuration(
            max(listener.revision, 0), way.directory.undecryptable + way.tools.registry.undecryptable
        ),
        lambda metrics: metrics.set_cache(way.cache.kept.size),
        lambda metrics: metrics.set_unreadable(record.sealer.unreadable),
        purses.collect,
    ]
    for close in (
        audit.close, watching.days.sync, purses.record.leave, way.writer.drain, way.tapes.drain,
        way.cache.flights.close, judging.decisions.close, judging.idempotency.close,
    ):  # fmt: skip
        stack.push_async_callback(close)
    background = jobs(
        ground, watching, way, purses, judging, listener=listener, agents=agents, record=record, stack=stack
    )
    background.add("inventory", Arrival(database, settings.database_url).before(stock.run))
    background.add("audit", Arrival(database, settings.database_url).before(audit.run))
    await stack.enter_async_context(background)
    stack.enter_context(ground.configuration.reloaded_on_hangup(stock.wake))
    listing = ModelListing(pool, ground.catalog)
    return Services(
        gateway=way.gateway,
        admission=Admission(
            lambda: pool.current.caller_limits, now=clock.now, wall=clock.wall, rejected=metrics.limit_rejected
        ),
        decisions=judging.decisions,
        outcomes=judging.outcomes,
        prompts=PromptRendering(Seating(pool, way.directory), Estimates(way.planner, way.counter), clock.wall),
        idempotency=judging.idempotency,
        agents=agents,
        tools=way.tools,
        providers=pool,
        monitor=watching.monitor,
        routing=RoutingControl(pool, way.planner, way.strategy, told=watching.news.reset),
        routing_stats=way.routing_stats.report,
        kills=way.kills,
        audit=audit,
        changes=SqlChangeRepository(database),
        experiments=judging.trials,
        scoring=judging.boards,
        history=watching.health_rows,
        # Not the monitor, nor the metrics: what a test provokes says nothing about how the provider is.
        conformance=ConformanceTests(pool, [way.writer], clock, spending=purses.spending),
        budgets=purses.budgets,
        spending=purses.spending,
        usage=SqlUsageQueries(database),
        metrics=metrics,
        models=listing,
        find_model=listing.find,
        unready=lambda: _unready(settings, watching, way, purses, draining),
        reload=lambda by: ground.configuration.reload(partial(stock.take, by)),
        draining=draining,
        keys=tuple(GatewayKey.of(key.key, key.scopes) for key in settings.api_keys),
        default_deadline=pool.current.global_timeout or settings.default_deadline,
        max_deadline=settings.max_deadline,
        embargo=settings.as_of_embargo_days,
    )


def _unready(settings: Settings, watching: Watchers, way: Asking, purses: Purse, draining: asyncio.Event) -> list[str]:
    views = (way.directory, way.tools.registry, way.experiments, watching.days, purses.budgets)
    is_loaded = all(view.is_loaded for view in views) and (watching.leases.is_loaded or not settings.is_shared)
    reasons = [] if is_loaded else ["the database has not answered yet"]
    return [*reasons, "the service is stopping"] if draining.is_set() else reasons


def _states(pool: Pool, writer: UsageWriter) -> Callable[[Metrics], None]:
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
        metrics.set_usage_queue(writer.depth, writer.spilled, writer.lost, writer.spill_size)

    return collect
