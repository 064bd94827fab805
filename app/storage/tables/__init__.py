"""The tables, as SQLModel sees them; migrations under alembic/ make them and are compared with this in a test.

Each module has those of one subject; importing the package fills the metadata.
"""

from __future__ import annotations

from app.storage.tables.agents import AgentLLMConfigRow, AgentRow
from app.storage.tables.attempts import ATTEMPTS, PROVIDER_DAYS, AttemptRow, ProviderDayRow
from app.storage.tables.budgets import BUDGET_SPEND, BUDGETS, BudgetRow, BudgetSpendRow
from app.storage.tables.control import (
    KILL_EVENTS,
    ConfigRevisionRow,
    KillEventRow,
    KillRow,
    RuntimeSettingRow,
    VaultCanaryRow,
)
from app.storage.tables.decisions import DECISIONS, IDEMPOTENCY_KEYS, DecisionRow, IdempotencyKeyRow
from app.storage.tables.health import HEALTH_SAMPLES, HealthSampleRow
from app.storage.tables.processes import (
    FIRING_ALERTS,
    LIMIT_LEASES,
    PROVIDER_NEWS,
    FiringAlertRow,
    LimitLeaseRow,
    ProviderNewsRow,
)
from app.storage.tables.replay import REPLAY_RUNS, REPLAY_TAKES, ReplayRunRow, ReplayTakeRow
from app.storage.tables.tools import TOOL_CALLS, ToolCallRow, ToolRow

__all__ = [
    "ATTEMPTS",
    "BUDGETS",
    "BUDGET_SPEND",
    "DECISIONS",
    "FIRING_ALERTS",
    "HEALTH_SAMPLES",
    "IDEMPOTENCY_KEYS",
    "KILL_EVENTS",
    "LIMIT_LEASES",
    "PROVIDER_DAYS",
    "PROVIDER_NEWS",
    "REPLAY_RUNS",
    "REPLAY_TAKES",
    "TOOL_CALLS",
    "AgentLLMConfigRow",
    "AgentRow",
    "AttemptRow",
    "BudgetRow",
    "BudgetSpendRow",
    "ConfigRevisionRow",
    "DecisionRow",
    "FiringAlertRow",
    "HealthSampleRow",
    "IdempotencyKeyRow",
    "KillEventRow",
    "KillRow",
    "LimitLeaseRow",
    "ProviderDayRow",
    "ProviderNewsRow",
    "ReplayRunRow",
    "ReplayTakeRow",
    "RuntimeSettingRow",
    "ToolCallRow",
    "ToolRow",
    "VaultCanaryRow",
]
