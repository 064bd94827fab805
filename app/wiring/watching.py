"""What watches the providers, keeps what it sees, and agrees about it with other processes."""

from __future__ import annotations

import os
from dataclasses import dataclass

from app.providers.alerts import AlertMonitor
from app.providers.day_record import DayRecord
from app.providers.history import HealthHistory, HistoryRules
from app.providers.leases import Leases
from app.providers.monitor import HealthMonitor, HealthRules
from app.providers.news import NewsDesk
from app.providers.one_voice import OneVoice
from app.storage.days import SqlDayRepository
from app.storage.firing import SqlFiringRepository
from app.storage.health import SqlHealthRepository
from app.storage.leases import SqlLeaseRepository
from app.storage.news import SqlNewsRepository
from app.telemetry.alerts import log_alert
from app.telemetry.webhooks import Webhooks
from app.wiring.ground import Ground


@dataclass(frozen=True, slots=True)
class Watchers:
    """One of each. `alerts` sees trouble, `voice` agrees who tells of it, `webhooks` carry the news."""

    monitor: HealthMonitor
    health_rows: SqlHealthRepository
    history: HealthHistory
    days: DayRecord
    leases: Leases
    news: NewsDesk
    alerts: AlertMonitor
    voice: OneVoice
    webhooks: Webhooks


def watchers(ground: Ground) -> Watchers:
    """The watchers of these providers."""
    settings, pool, clock, database = ground.settings, ground.pool, ground.clock, ground.database
    health_rows = SqlHealthRepository(database)
    alerts, voice, webhooks = _alarms(ground, SqlFiringRepository(database) if settings.is_shared else None)
    return Watchers(
        monitor=HealthMonitor(
            pool, now=clock.now, wall=clock.wall, rng=ground.rng, rules=HealthRules(**settings.health.model_dump())
        ),
        health_rows=health_rows,
        history=HealthHistory(
            pool, health_rows, now=clock.now, wall=clock.wall, rules=HistoryRules(**settings.history.model_dump())
        ),
        days=DayRecord(pool, SqlDayRepository(database), now=clock.now, wall=clock.wall),
        leases=Leases(pool, SqlLeaseRepository(database), ground.shortage, holder=os.urandom(8).hex(), now=clock.now),
        news=NewsDesk(
            pool,
            SqlNewsRepository(database),
            origin=os.urandom(8).hex(),
            now=clock.now,
            # A file shows every commit; a notification may be lost on its way. Looking is most of what idling costs.
            listen_every=3.0 if database.is_sqlite else 1.0,
        ),
        alerts=alerts,
        voice=voice,
        webhooks=webhooks,
    )


def _alarms(ground: Ground, firing: SqlFiringRepository | None) -> tuple[AlertMonitor, OneVoice, Webhooks]:
    pool, metrics, clock = ground.pool, ground.metrics, ground.clock
    webhooks = Webhooks(
        lambda: pool.current.alerts.webhooks, ground.transport_for, now=clock.now, counted=metrics.alert_delivered
    )
    voice = OneVoice(firing, webhooks.tell, holder=os.urandom(8).hex())
    told = [log_alert, metrics.alert_changed, voice.tell]
    return AlertMonitor(pool, told, now=clock.now, wall=clock.wall, failed=metrics.event_lost), voice, webhooks
