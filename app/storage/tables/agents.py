"""Agents and their model configurations."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import ExactDecimal, UTCDateTime
from app.storage.tables.numbers import NO_REUSE, NUMBER


class AgentRow(SQLModel, table=True):
    """An agent of the trading system."""

    __tablename__ = "agents"
    __table_args__ = NO_REUSE

    id: int | None = Field(default=None, sa_column=Column(NUMBER, primary_key=True, autoincrement=True))
    name: str = Field(sa_column=Column(String(200), nullable=False))
    description: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    enabled: bool = True
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    updated_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    metadata_json: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class AgentLLMConfigRow(SQLModel, table=True):
    """One model configuration of an agent; the key is a ciphertext here and nowhere else."""

    __tablename__ = "agent_llm_configs"
    __table_args__ = NO_REUSE

    id: int | None = Field(default=None, sa_column=Column(NUMBER, primary_key=True, autoincrement=True))
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
