"""The tables, as SQLModel sees them; migrations under alembic/ make them and are compared with this in a test.

Each module has those of one subject; importing the package fills the metadata.
"""

from __future__ import annotations

from app.storage.tables.agents import AgentLLMConfigRow, AgentRow
from app.storage.tables.attempts import ATTEMPTS, PROVIDER_DAYS, AttemptRow, ProviderDayRow
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
from app.storage.tables.usage import (
    USAGE_CELLS,
    USAGE_COUNTS,
    USAGE_LANES,
    USAGE_MARKS,
    USAGE_PATTERN_LANES,
    USAGE_PATTERNS,
    USAGE_WANDERERS,
)

__all__ = [
    "ATTEMPTS",
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
    "USAGE_CELLS",
    "USAGE_COUNTS",
    "USAGE_LANES",
    "USAGE_MARKS",
    "USAGE_PATTERNS",
    "USAGE_PATTERN_LANES",
    "USAGE_WANDERERS",
    "AgentLLMConfigRow",
    "AgentRow",
    "AttemptRow",
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
