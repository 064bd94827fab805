"""The tables, as SQLModel sees them; migrations under alembic/ make them and are compared with this in a test.

Each module has those of one subject; importing the package fills the metadata.
"""

from __future__ import annotations

from app.storage.tables.agents import AgentLLMConfigRow, AgentRow
from app.storage.tables.attempts import ATTEMPTS, PROVIDER_DAYS, AttemptRow, ProviderDayRow
from app.storage.tables.audit import (
    AUDIT_CHAINS,
    AUDIT_CHECKPOINTS,
    AUDIT_ENTRIES,
    AUDIT_PAYLOADS,
    AuditChainRow,
    AuditCheckpointRow,
    AuditEntryRow,
    AuditPayloadRow,
)
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
from app.storage.tables.experiments import EXPERIMENTS, ExperimentRow
from app.storage.tables.health import HEALTH_SAMPLES, HealthSampleRow
from app.storage.tables.outcomes import (
    GRADES,
    HORIZONS,
    OUTCOMES,
    PRICE_BARS,
    VOTES,
    GradeRow,
    HorizonRow,
    OutcomeRow,
    PriceBarRow,
    VoteRow,
)
from app.storage.tables.payloads import PAYLOADS, PayloadRow
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
    "AUDIT_CHAINS",
    "AUDIT_CHECKPOINTS",
    "AUDIT_ENTRIES",
    "AUDIT_PAYLOADS",
    "BUDGETS",
    "BUDGET_SPEND",
    "DECISIONS",
    "EXPERIMENTS",
    "FIRING_ALERTS",
    "GRADES",
    "HEALTH_SAMPLES",
    "HORIZONS",
    "IDEMPOTENCY_KEYS",
    "KILL_EVENTS",
    "LIMIT_LEASES",
    "OUTCOMES",
    "PAYLOADS",
    "PRICE_BARS",
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
    "VOTES",
    "AgentLLMConfigRow",
    "AgentRow",
    "AttemptRow",
    "AuditChainRow",
    "AuditCheckpointRow",
    "AuditEntryRow",
    "AuditPayloadRow",
    "BudgetRow",
    "BudgetSpendRow",
    "ConfigRevisionRow",
    "DecisionRow",
    "ExperimentRow",
    "FiringAlertRow",
    "GradeRow",
    "HealthSampleRow",
    "HorizonRow",
    "IdempotencyKeyRow",
    "KillEventRow",
    "KillRow",
    "LimitLeaseRow",
    "OutcomeRow",
    "PayloadRow",
    "PriceBarRow",
    "ProviderDayRow",
    "ProviderNewsRow",
    "ReplayRunRow",
    "ReplayTakeRow",
    "RuntimeSettingRow",
    "ToolCallRow",
    "ToolRow",
    "VaultCanaryRow",
    "VoteRow",
]
