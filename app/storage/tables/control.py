"""What is changed while the service runs: stops, settings, the revision; and the canaries of the encryption keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime
from app.storage.tables.numbers import NUMBER


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


class VaultCanaryRow(SQLModel, table=True):
    """A known text under each encryption key that was ever first: tells a wrong key at start."""

    __tablename__ = "vault_canaries"

    id: int | None = Field(default=None, sa_column=Column(NUMBER, primary_key=True, autoincrement=True))
    key_id: str = Field(sa_column=Column(String(8), nullable=False, unique=True))
    ciphertext: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))


KILL_EVENTS: Any = SQLModel.metadata.tables["kill_events"]

Index("ix_kill_events_at_id", KILL_EVENTS.c.at, KILL_EVENTS.c.id)
