"""Budgets: what is spent of them, where that is on record, who is told."""

from __future__ import annotations

import os
from dataclasses import dataclass

from app.ledger.budget_alerts import BudgetAlerts
from app.ledger.budgets import BudgetService
from app.ledger.spend_record import SpendRecord
from app.ledger.spending import Spending
from app.storage.budgets import SqlBudgetRepository
from app.storage.spend import SqlSpendRepository
from app.telemetry.alerts import log_alert
from app.telemetry.metrics import Metrics
from app.wiring.ground import Ground
from app.wiring.watching import Watchers


@dataclass(frozen=True, slots=True)
class Purse:
    """One of each."""

    spending: Spending
    record: SpendRecord
    budgets: BudgetService
    alerts: BudgetAlerts

    def collect(self, metrics: Metrics) -> None:
        """What is left, for whoever looks at the metrics."""
        metrics.set_budgets(self.spending.states())


def purse(ground: Ground, watching: Watchers) -> Purse:
    """The budgets of this gateway."""
    clock, metrics, is_shared = ground.clock, ground.metrics, ground.settings.is_shared
    spending = Spending(clock.wall, is_shared=is_shared, refused=metrics.budget_refused)
    record = SpendRecord(
        spending,
        SqlSpendRepository(ground.database),
        holder=os.urandom(8).hex(),
        is_shared=is_shared,
        now=clock.now,
    )
    spending.short = record.wake
    told = [log_alert, metrics.alert_changed, watching.voice.tell]
    return Purse(
        spending,
        record,
        BudgetService(SqlBudgetRepository(ground.database), spending, record, clock.wall),
        BudgetAlerts(spending, told, wall=clock.wall, failed=metrics.event_lost),
    )
