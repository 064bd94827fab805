"""Decisions, and the keys that keep one from being made twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime


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


DECISIONS: Any = SQLModel.metadata.tables["decisions"]
IDEMPOTENCY_KEYS: Any = SQLModel.metadata.tables["idempotency_keys"]

# Lists are read newest first, a page at a time; summaries by time.
Index("ix_decisions_created_at_id", DECISIONS.c.created_at, DECISIONS.c.id)
