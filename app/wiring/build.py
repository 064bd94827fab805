"""Everything behind the edge, put together, and its background jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import anyio

from app.agents.directory import AgentDirectory
from app.agents.service import AgentService
from app.agents.trials import Trials
from app.conformance.suite import ConformanceTests
from app.decisions.idempotency import Idempotency
from app.decisions.rendering import PromptRendering
from app.decisions.seating import Seating
from app.decisions.service import DecisionService
from app.domain.horizons import Horizons
from app.gateway.admission import Admission
from app.gateway.control import RoutingControl
from app.gateway.estimates import Estimates
from app.ledger.rollups import RollUpJob, RollUpRules
from app.ledger.spill import Spill
from app.ledger.writer import UsageWriter
from app.model_listing import ModelListing
from app.outcomes.board import Boards
from app.outcomes.refreshing import ScoreReader
from app.outcomes.service import OutcomeService
from app.providers.lookup import ProviderLookup
from app.providers.pool import Pool
from app.services import GatewayKey, Services
from app.settings import Settings
from app.storage.agents import SqlAgentRepository
from app.storage.arrival import Arrival
from app.storage.bell import Bell
from app.storage.changes import SqlChangeRepository
from app.storage.decisions import SqlDecisionRepository
from app.storage.experiments import SqlArmRecords, SqlExperimentRepository
from app.storage.idempotency import SqlIdempotencyRepository
from app.storage.leases import CHANNEL
from app.storage.listener import ConfigListener
from app.storage.outcomes import SqlOutcomeRepository
from app.storage.prices import SqlPriceRepository
from app.storage.rollups import SqlRollUps
from app.storage.scores import SqlScores
from app.storage.usage_queries import SqlUsageQueries
from app.storage.vault import Vault
from app.supervisor import Supervisor
from app.telemetry.metrics import Metrics
from app.tools.registry import ToolRegistry
from app.wiring.asking import Asking, asking, each_told
from app.wiring.auditing import auditor, inventory
from app.wiring.ground import Ground, laid, score_rules
from app.wiring.purse import Purse, purse
from app.wiring.recording import Recording, recording
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
    decisions = DecisionService(
        way.gateway,
        Seating(pool, way.directory),
        SqlDecisionRepository(database, record.sealer, Horizons(**settings.outcomes.model_dump())),
        now=clock.now,
        wall=clock.wall,
        decided=each_told(metrics.decision_finished, ground.validity.decided),
        stops=way.kills,
        grades=ground.book,
        confidences=ground.book,
        spill=Spill(settings.ledger.decision_spill_path, settings.ledger.spill_max_bytes),
        shelf=way.tapes,
        sealer=record.sealer,
        payloads=record.payloads,
        witness=way.witness,
        made_by=record.made_by,
        billing=way.billing,
        experiments=way.experiments,
    )
    scores = SqlScores(database)
    trials = Trials(
        SqlExperimentRepository(database),
        way.experiments,
        agents,
        scores,
        SqlArmRecords(database),
        known=Seating(pool, way.directory).known,
        wall=clock.wall,
    )
    reader = ScoreReader(scores, ground.book, score_rules(settings), clock.wall)
    outcomes = OutcomeService(
        SqlOutcomeRepository(database, clock.wall),
        SqlPriceRepository(database, clock.wall),
        decisions.get,
        now=clock.now,
        wall=clock.wall,
        recorded=metrics.outcomes_recorded,
    )
    audit, stock = auditor(ground), inventory(ground)
    idempotency = Idempotency(
        SqlIdempotencyRepository(database, record.sealer),
        now=clock.now,
        wall=clock.wall,
        stops=way.kills,
        spilled=decisions.held_on_disk,
    )
    metrics.collectors += [
        _states(pool, way.writer, way.directory, way.tools.registry),
        lambda metrics: metrics.set_cache(way.cache.kept.size),
        lambda metrics: metrics.set_unreadable(record.sealer.unreadable),
        purses.collect,
    ]
    for close in (
        audit.close, watching.days.sync, purses.record.leave, way.writer.drain, way.tapes.drain,
        way.cache.flights.close, decisions.close, idempotency.close,
    ):  # fmt: skip
        stack.push_async_callback(close)
    jobs = _jobs(
        ground,
        watching,
        way,
        purses,
        stack,
        agents=agents,
        trials=trials,
        decisions=decisions,
        outcomes=outcomes,
        idempotency=idempotency,
        record=record,
        reader=reader,
    )
    jobs.add("inventory", Arrival(database, settings.database_url).before(stock.run))
    jobs.add("audit", Arrival(database, settings.database_url).before(audit.run))
    await stack.enter_async_context(jobs)
    stack.enter_context(ground.configuration.reloaded_on_hangup(stock.wake))
    listing = ModelListing(pool, ground.catalog)
    return Services(
        gateway=way.gateway,
        admission=Admission(
            lambda: pool.current.caller_limits, now=clock.now, wall=clock.wall, rejected=metrics.limit_rejected
        ),
        decisions=decisions,
        outcomes=outcomes,
        prompts=PromptRendering(Seating(pool, way.directory), Estimates(way.planner, way.counter), clock.wall),
        idempotency=idempotency,
        agents=agents,
        tools=way.tools,
        providers=pool,
        monitor=watching.monitor,
        routing=RoutingControl(pool, way.planner, way.strategy, told=watching.news.reset),
        routing_stats=way.routing_stats.report,
        kills=way.kills,
        audit=audit,
        changes=SqlChangeRepository(database),
        experiments=trials,
        scoring=Boards(scores, ground.book, wall=clock.wall),
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


def _jobs(
    ground: Ground,
    watching: Watchers,
    way: Asking,
    purses: Purse,
    stack: AsyncExitStack,
    *,
    agents: AgentService,
    trials: Trials,
    decisions: DecisionService,
    outcomes: OutcomeService,
    idempotency: Idempotency,
    record: Recording,
    reader: ScoreReader,
) -> Supervisor:
    """What runs in the background, still at rest; docs/architecture.md says what each is for."""
    metrics, database, settings = ground.metrics, ground.database, ground.settings
    supervisor = Supervisor(metrics.job_restarted)
    arrival = Arrival(database, settings.database_url)
    bell = Bell(database, CHANNEL, hurries=lambda: watching.leases.is_needed() or purses.record.is_needed())
    usage = settings.usage
    # Sums are never forgotten before what they were made of: that would be lost from both.
    rules = RollUpRules(usage.rollup_interval, usage.attempts_days, max(usage.rollups_days, usage.attempts_days + 1))
    rollups = RollUpJob(SqlRollUps(database), rules, now=ground.clock.now, wall=ground.clock.wall)
    # What is stopped comes first: it must hold here within a second of when it was stopped elsewhere.
    views = [
        way.kills.refresh,
        agents.refresh,
        trials.refresh,
        way.tools.refresh,
        way.strategy.refresh,
        purses.budgets.refresh,
    ]
    for name, job in {
        "health": watching.monitor.run,
        "history": watching.history.run,
        "alerts": watching.alerts.run,
        "voice": watching.voice.run,
        "webhooks": watching.webhooks.run,
        "usage": way.writer.run,
        "rollups": arrival.before(rollups.run),
        "decisions": decisions.run,
        "runs": way.tapes.run,
        "days": arrival.before(watching.days.run),
        "scores": arrival.before(reader.run),
        "outcomes": arrival.before(outcomes.run),
        "idempotency": arrival.before(idempotency.run),
        "retention": arrival.before(record.retain),
        "spending": arrival.before(purses.record.run),
        "budgets": purses.alerts.run,
        "configuration": arrival.before(lambda: ConfigListener(database).run(partial(_refresh, views))),
    }.items():
        supervisor.add(name, job)
    if settings.is_shared:
        stack.push_async_callback(watching.leases.leave)
        supervisor.add("leases", arrival.before(watching.leases.run))
        supervisor.add("news", arrival.before(watching.news.run))
        supervisor.add(
            "bell", arrival.before(lambda: bell.run(ground.shortage.told, watching.news.ring, purses.record.wake))
        )
    if metrics.is_shared:
        supervisor.add("metrics", _refreshed(metrics))
    return supervisor


def _unready(settings: Settings, watching: Watchers, way: Asking, purses: Purse, draining: asyncio.Event) -> list[str]:
    views = (way.directory, way.tools.registry, way.experiments, watching.days, purses.budgets)
    is_loaded = all(view.is_loaded for view in views) and (watching.leases.is_loaded or not settings.is_shared)
    reasons = [] if is_loaded else ["the database has not answered yet"]
    return [*reasons, "the service is stopping"] if draining.is_set() else reasons


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
        metrics.set_usage_queue(writer.depth, writer.spilled, writer.lost, writer.spill_size)
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
