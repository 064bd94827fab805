"""Registered tools and their calls."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime
from app.storage.tables.numbers import NO_REUSE, NUMBER


class ToolRow(SQLModel, table=True):
    """A tool that the gateway calls; the values of its headers are a ciphertext here and nowhere else."""

    __tablename__ = "tools"
    __table_args__ = NO_REUSE

    id: int | None = Field(default=None, sa_column=Column(NUMBER, primary_key=True, autoincrement=True))
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


TOOL_CALLS: Any = SQLModel.metadata.tables["tool_calls"]

Index("ix_tool_calls_tool_started_at_id", TOOL_CALLS.c.tool, TOOL_CALLS.c.started_at, TOOL_CALLS.c.id)
