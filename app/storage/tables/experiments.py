"""Experiments: how an agent's traffic is, or was, split."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime


class ExperimentRow(SQLModel, table=True):
    """One experiment. No foreign key: it and what came of it outlive the agent that it is about."""

    __tablename__ = "experiments"

    id: str = Field(sa_column=Column(String(32), primary_key=True))
    name: str = Field(sa_column=Column(Text, nullable=False))
    agent_id: int = Field(sa_column=Column(BigInteger, nullable=False))
    arms: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))
    sticky_by: str = Field(sa_column=Column(String(128), nullable=False))
    applies_to: list[str] = Field(sa_column=Column(JSON, nullable=False))
    shadow: list[str] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    created_by: str = Field(sa_column=Column(Text, nullable=False))
    stopped_at: datetime | None = Field(default=None, sa_column=Column(UTCDateTime, nullable=True))
    stopped_by: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


EXPERIMENTS: Any = SQLModel.metadata.tables["experiments"]

Index("ix_experiments_created_at_id", EXPERIMENTS.c.created_at, EXPERIMENTS.c.id)
