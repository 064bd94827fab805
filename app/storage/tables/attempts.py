"""What was used: finished attempts, and what providers were asked on a day."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, String, Text, false, text
from sqlmodel import Field, SQLModel

from app.storage.columns import ExactDecimal, UTCDateTime


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
    price_dated: str | None = Field(default=None, sa_column=Column(String(10), nullable=True))
    credential_id: str = Field(default="", sa_column=Column(String(64), nullable=False))
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    config_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    decision_id: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    key_id: str = Field(default="local", sa_column=Column(Text, nullable=False))
    route: str = Field(default="chat", sa_column=Column(Text, nullable=False))
    symbol: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    strategy: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    variant: str | None = Field(default=None, sa_column=Column(String(128), nullable=True))
    is_rolled: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))


class ProviderDayRow(SQLModel, table=True):
    """What one provider was asked on one UTC day, by all processes together."""

    __tablename__ = "provider_days"

    day: date = Field(sa_column=Column(Date, primary_key=True))
    provider: str = Field(sa_column=Column(String(64), primary_key=True))
    requests: int = Field(sa_column=Column(BigInteger, nullable=False))
    tokens: int = Field(sa_column=Column(BigInteger, nullable=False))


ATTEMPTS: Any = SQLModel.metadata.tables["attempts"]
PROVIDER_DAYS: Any = SQLModel.metadata.tables["provider_days"]

# Lists are read newest first, a page at a time; summaries by time.
Index("ix_attempts_started_at_id", ATTEMPTS.c.started_at, ATTEMPTS.c.id)
# What came of an experiment's arm is read by request; of most traffic there is nothing in it.
Index(
    "ix_attempts_variant_request_id",
    ATTEMPTS.c.variant,
    ATTEMPTS.c.request_id,
    sqlite_where=ATTEMPTS.c.variant.is_not(None),
    postgresql_where=ATTEMPTS.c.variant.is_not(None),
)
Index(
    "ix_attempts_not_rolled",
    ATTEMPTS.c.started_at,
    ATTEMPTS.c.id,
    sqlite_where=text("is_rolled = 0"),
    postgresql_where=text("NOT is_rolled"),
)
Index(
    "ix_attempts_decision_id",
    ATTEMPTS.c.decision_id,
    sqlite_where=text("decision_id IS NOT NULL"),
    postgresql_where=text("decision_id IS NOT NULL"),
)
