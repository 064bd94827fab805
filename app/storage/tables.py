"""The tables, as SQLModel sees them; migrations under alembic/ make them and are compared with this in a test."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Date, ForeignKey, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import ExactDecimal, UTCDateTime

# SQLite numbers rows by itself only in a column that is exactly INTEGER.
_Id = BigInteger().with_variant(Integer(), "sqlite")

_NO_REUSE = {"sqlite_autoincrement": True}
"""A deleted row's id never comes back: records and callers that still name it must not mean somebody else."""


class AgentRow(SQLModel, table=True):
    """An agent of the trading system."""

    __tablename__ = "agents"
    __table_args__ = _NO_REUSE

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True, autoincrement=True))
    name: str = Field(sa_column=Column(String(200), nullable=False))
    description: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    enabled: bool = True
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    metadata_json: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class AgentLLMConfigRow(SQLModel, table=True):
    """One model configuration of an agent; the key is a ciphertext here and nowhere else."""

    __tablename__ = "agent_llm_configs"
    __table_args__ = _NO_REUSE

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True, autoincrement=True))
    agent_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("agents.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    provider: str = Field(sa_column=Column(Text, nullable=False))
    model_name: str = Field(sa_column=Column(Text, nullable=False))
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    api_key_encrypted: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    key_id: str | None = Field(default=None, sa_column=Column(String(8), nullable=True, index=True))
    api_key_hint: str | None = Field(default=None, sa_column=Column(String(20), nullable=True))
    key_origin: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    fallback_provider: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    fallback_model: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    priority: int = 0
    cost_per_1k_input_tokens: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    cost_per_1k_output_tokens: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    enabled: bool = True
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    metadata_json: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class AttemptRow(SQLModel, table=True):
    """One finished attempt. No foreign keys: a record outlives the agent that it is about."""

    __tablename__ = "attempts"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    request_id: str = Field(sa_column=Column(Text, nullable=False, index=True))
    ordinal: int
    provider: str = Field(sa_column=Column(Text, nullable=False))
    model: str = Field(sa_column=Column(Text, nullable=False))
    kind: str = Field(sa_column=Column(String(20), nullable=False))
    outcome: str = Field(sa_column=Column(String(20), nullable=False))
    started_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    duration: float
    streamed: bool = False
    code: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    upstream_status: int | None = None
    message: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    time_to_first_token: float | None = None
    input_tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    output_tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    cached_tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    cache_write_tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    reasoning_tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    usage_source: str | None = Field(default=None, sa_column=Column(String(20), nullable=True))
    reported_cost: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    cost_usd: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    price_source: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    credential_id: str = Field(default="", sa_column=Column(String(64), nullable=False))
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    decision_id: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    key_id: str = Field(default="local", sa_column=Column(Text, nullable=False))
    route: str = Field(default="chat", sa_column=Column(Text, nullable=False))


class DecisionRow(SQLModel, table=True):
    """One decision: the answer as the caller got it, the request as it came, the columns that lists filter by."""

    __tablename__ = "decisions"

    id: str = Field(sa_column=Column(String(64), primary_key=True))
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    symbol: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(String(20), nullable=False))
    action: str = Field(sa_column=Column(String(20), nullable=False))
    actionable: bool
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    request_id: str = Field(sa_column=Column(Text, nullable=False))
    answer: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    request: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class ProviderDayRow(SQLModel, table=True):
    """What one provider was asked on one UTC day, by all processes together."""

    __tablename__ = "provider_days"

    day: date = Field(sa_column=Column(Date, primary_key=True))
    provider: str = Field(sa_column=Column(String(64), primary_key=True))
    requests: int = Field(sa_column=Column(BigInteger, nullable=False))
    tokens: int = Field(sa_column=Column(BigInteger, nullable=False))


class LimitLeaseRow(SQLModel, table=True):
    """What one process holds of one limit; moments are seconds of the database's clock."""

    __tablename__ = "limit_leases"

    provider: str = Field(sa_column=Column(String(64), primary_key=True))
    limit_name: str = Field(sa_column=Column(String(32), primary_key=True))
    holder: str = Field(sa_column=Column(String(32), primary_key=True))
    share: int = Field(sa_column=Column(BigInteger, nullable=False))
    used: int = Field(sa_column=Column(BigInteger, nullable=False))
    wants: int = Field(sa_column=Column(BigInteger, nullable=False))
    least: int = Field(sa_column=Column(BigInteger, nullable=False))
    alive_until: float
    expires: float


class FiringAlertRow(SQLModel, table=True):
    """An alert that fires in one process; `expires` is in seconds of the database's clock."""

    __tablename__ = "firing_alerts"

    alert: str = Field(sa_column=Column(String(200), primary_key=True))
    holder: str = Field(sa_column=Column(String(32), primary_key=True))
    expires: float


class ProviderNewsRow(SQLModel, table=True):
    """A pause, a parked key, an open circuit or a reset; moments are seconds of the database's clock."""

    __tablename__ = "provider_news"

    kind: str = Field(sa_column=Column(String(16), primary_key=True))
    provider: str = Field(sa_column=Column(String(64), primary_key=True))
    model: str = Field(sa_column=Column(String(256), primary_key=True))
    credential_id: str = Field(sa_column=Column(String(64), primary_key=True))
    origin: str = Field(sa_column=Column(String(32), nullable=False))
    said_at: float
    until: float


class HealthSampleRow(SQLModel, table=True):
    """How one provider did until a moment, as one process saw it."""

    __tablename__ = "health_samples"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    provider: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    status: str = Field(sa_column=Column(String(20), nullable=False))
    circuit: str = Field(sa_column=Column(String(20), nullable=False))
    requests: int = Field(sa_column=Column(BigInteger, nullable=False))
    failures: int = Field(sa_column=Column(BigInteger, nullable=False))
    looks: int = Field(sa_column=Column(BigInteger, nullable=False))
    looks_up: int = Field(sa_column=Column(BigInteger, nullable=False))
    p50: float | None = None
    p95: float | None = None
    in_flight: int
    last_error: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    process: str = Field(sa_column=Column(String(16), nullable=False))


class ToolRow(SQLModel, table=True):
    """A tool that the gateway calls; the values of its headers are a ciphertext here and nowhere else."""

    __tablename__ = "tools"
    __table_args__ = _NO_REUSE

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True, autoincrement=True))
    name: str = Field(sa_column=Column(String(64), nullable=False, unique=True))
    description: str = Field(sa_column=Column(Text, nullable=False))
    parameters: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    url: str = Field(sa_column=Column(Text, nullable=False))
    timeout: float
    header_names: list[str] = Field(sa_column=Column(JSON, nullable=False))
    headers_encrypted: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    key_id: str | None = Field(default=None, sa_column=Column(String(8), nullable=True, index=True))
    enabled: bool = True
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))


class ToolCallRow(SQLModel, table=True):
    """One finished call of a tool. No foreign keys: a record outlives the tool that it is about."""

    __tablename__ = "tool_calls"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    request_id: str = Field(sa_column=Column(Text, nullable=False, index=True))
    round: int
    tool: str = Field(sa_column=Column(Text, nullable=False))
    call_id: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(String(20), nullable=False))
    started_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    duration: float
    http_status: int | None = None
    code: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    message: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    bytes_out: int
    bytes_in: int
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    key_id: str = Field(sa_column=Column(Text, nullable=False))


class VaultCanaryRow(SQLModel, table=True):
    """A known text under each encryption key that was ever first: tells a wrong key at start."""

    __tablename__ = "vault_canaries"

    id: int | None = Field(default=None, sa_column=Column(_Id, primary_key=True, autoincrement=True))
    key_id: str = Field(sa_column=Column(String(8), nullable=False, unique=True))
    ciphertext: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))


class KillRow(SQLModel, table=True):
    """A stop in force."""

    __tablename__ = "kills"

    scope: str = Field(sa_column=Column(String(400), primary_key=True))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    since: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    by: str = Field(sa_column=Column(String(64), nullable=False))


class KillEventRow(SQLModel, table=True):
    """One thing done about a stop; never changed."""

    __tablename__ = "kill_events"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    action: str = Field(sa_column=Column(String(10), nullable=False))
    scope: str = Field(sa_column=Column(String(400), nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    by: str = Field(sa_column=Column(String(64), nullable=False))


class IdempotencyKeyRow(SQLModel, table=True):
    """A key under which a caller asked for a decision; without `decision_id` somebody is at it, or was."""

    __tablename__ = "idempotency_keys"

    caller: str = Field(sa_column=Column(String(64), primary_key=True))
    key: str = Field(sa_column=Column(String(255), primary_key=True))
    body_hash: str = Field(sa_column=Column(String(64), nullable=False))
    owner: str = Field(sa_column=Column(String(32), nullable=False, index=True, unique=True))
    leased_until: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    decision_id: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    is_told: bool = False
    expires_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False, index=True))


class ConfigRevisionRow(SQLModel, table=True):
    """One row that counts changes of configuration; its lock orders those who write them."""

    __tablename__ = "config_revision"

    id: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))


class RuntimeSettingRow(SQLModel, table=True):
    """A setting that was changed while the service runs; one without a row is as files and environment have it."""

    __tablename__ = "runtime_settings"

    name: str = Field(sa_column=Column(String(64), primary_key=True))
    value: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    changed_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))


class ReplayRunRow(SQLModel, table=True):
    """A run: everything that one caller recorded under one name."""

    __tablename__ = "replay_runs"

    owner: str = Field(sa_column=Column(String(64), primary_key=True))
    name: str = Field(sa_column=Column(String(128), primary_key=True))
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    written_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False, index=True))
    size: int = Field(sa_column=Column(BigInteger, nullable=False))
    lost: int = Field(sa_column=Column(BigInteger, nullable=False))


class ReplayTakeRow(SQLModel, table=True):
    """One recorded question of a run. The body is text, so that its bytes are those that were hashed."""

    __tablename__ = "replay_takes"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    owner: str = Field(sa_column=Column(String(64), nullable=False))
    run: str = Field(sa_column=Column(String(128), nullable=False))
    kind: str = Field(sa_column=Column(String(10), nullable=False))
    key: str = Field(sa_column=Column(String(64), nullable=False))
    member: str = Field(sa_column=Column(Text, nullable=False))
    outcome: str = Field(sa_column=Column(String(20), nullable=False))
    began_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))


ATTEMPTS: Any = SQLModel.metadata.tables["attempts"]
DECISIONS: Any = SQLModel.metadata.tables["decisions"]
PROVIDER_DAYS: Any = SQLModel.metadata.tables["provider_days"]
LIMIT_LEASES: Any = SQLModel.metadata.tables["limit_leases"]
FIRING_ALERTS: Any = SQLModel.metadata.tables["firing_alerts"]
PROVIDER_NEWS: Any = SQLModel.metadata.tables["provider_news"]
HEALTH_SAMPLES: Any = SQLModel.metadata.tables["health_samples"]
TOOL_CALLS: Any = SQLModel.metadata.tables["tool_calls"]
KILL_EVENTS: Any = SQLModel.metadata.tables["kill_events"]
IDEMPOTENCY_KEYS: Any = SQLModel.metadata.tables["idempotency_keys"]
REPLAY_RUNS: Any = SQLModel.metadata.tables["replay_runs"]
REPLAY_TAKES: Any = SQLModel.metadata.tables["replay_takes"]

# Lists are read newest first, a page at a time; summaries by time.
Index("ix_attempts_started_at_id", ATTEMPTS.c.started_at, ATTEMPTS.c.id)
Index("ix_decisions_created_at_id", DECISIONS.c.created_at, DECISIONS.c.id)
Index("ix_health_samples_provider_at_id", HEALTH_SAMPLES.c.provider, HEALTH_SAMPLES.c.at, HEALTH_SAMPLES.c.id)
Index("ix_kill_events_at_id", KILL_EVENTS.c.at, KILL_EVENTS.c.id)
Index("ix_health_samples_at_id", HEALTH_SAMPLES.c.at, HEALTH_SAMPLES.c.id)
Index("ix_tool_calls_tool_started_at_id", TOOL_CALLS.c.tool, TOOL_CALLS.c.started_at, TOOL_CALLS.c.id)
Index("ix_replay_takes_question", REPLAY_TAKES.c.owner, REPLAY_TAKES.c.run, REPLAY_TAKES.c.key)
Index("ix_replay_takes_order", REPLAY_TAKES.c.owner, REPLAY_TAKES.c.run, REPLAY_TAKES.c.began_at, REPLAY_TAKES.c.id)
