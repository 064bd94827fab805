"""What runs in the background, still at rest; docs/architecture.md says what each is for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import anyio

from app.agents.service import AgentService
from app.ledger.rollups import RollUpJob, RollUpRules
from app.storage.arrival import Arrival
from app.storage.bell import Bell
from app.storage.leases import CHANNEL
from app.storage.listener import ConfigListener
from app.storage.rollups import SqlRollUps
from app.storage.write_ahead import WriteAheadLog
from app.supervisor import Supervisor
from app.telemetry.metrics import Metrics
from app.wiring.asking import Asking
from app.wiring.deciding import Deciding
from app.wiring.ground import Ground
from app.wiring.purse import Purse
from app.wiring.recording import Recording
from app.wiring.watching import Watchers


def jobs(
    ground: Ground,
    watching: Watchers,
    way: Asking,
    purses: Purse,
    judging: Deciding,
    *,
    listener: ConfigListener,
    agents: AgentService,
    record: Recording,
    stack: AsyncExitStack,
) -> Supervisor:
    """The supervisor of this process; `stack` gives back its part of the limits once all have ended."""
    database, settings = ground.database, ground.settings
    supervisor = Supervisor(ground.metrics.job_restarted)
    arrival = Arrival(database, settings.database_url)
    # What is stopped comes first: it must hold here within a second of when it was stopped elsewhere.
    views = [
        way.kills.refresh,
        agents.refresh,
        judging.trials.refresh,
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
        "rollups": arrival.before(_rollups(ground).run),
        "decisions": judging.decisions.run,
        "runs": way.tapes.run,
        "days": arrival.before(watching.days.run),
        "scores": arrival.before(judging.reader.run),
        "outcomes": arrival.before(judging.outcomes.run),
        "idempotency": arrival.before(judging.idempotency.run),
        "retention": arrival.before(record.retain),
        "spending": arrival.before(purses.record.run),
        "budgets": purses.alerts.run,
        "configuration": arrival.before(partial(listener.run, partial(_refresh, views))),
    }.items():
        supervisor.add(name, job)
    if database.is_sqlite:
        supervisor.add("write_ahead", WriteAheadLog(database).run)
    if settings.is_shared:
        bell = Bell(database, CHANNEL, hurries=lambda: watching.leases.is_needed() or purses.record.is_needed())
        stack.push_async_callback(watching.leases.leave)
        supervisor.add("leases", arrival.before(watching.leases.run))
        supervisor.add("news", arrival.before(watching.news.run))
        supervisor.add(
            "bell", arrival.before(lambda: bell.run(ground.shortage.told, watching.news.ring, purses.record.wake))
        )
    if ground.metrics.is_shared:
        supervisor.add("metrics", _refreshed(ground.metrics))
    return supervisor


def _rollups(ground: Ground) -> RollUpJob:
    usage = ground.settings.usage
    # Sums are never forgotten before what they were made of: that would be lost from both.
    rules = RollUpRules(usage.rollup_interval, usage.attempts_days, max(usage.rollups_days, usage.attempts_days + 1))
    return RollUpJob(SqlRollUps(ground.database), rules, now=ground.clock.now, wall=ground.clock.wall)


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
