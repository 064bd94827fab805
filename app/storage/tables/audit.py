"""The record: chains of entries, their payloads, and the checkpoints of all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime


class AuditChainRow(SQLModel, table=True):
    """One process's chain, and how much of it checkpoints have covered: only what a next one has to look at."""

    __tablename__ = "audit_chains"

    chain: str = Field(sa_column=Column(String(40), primary_key=True))
    begun_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    sealed: int = Field(sa_column=Column(BigInteger, nullable=False))


class AuditEntryRow(SQLModel, table=True):
    """One entry; never changed. Every column is in its hash."""

    __tablename__ = "audit_entries"

    chain: str = Field(sa_column=Column(String(40), primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: str = Field(sa_column=Column(String(32), nullable=False))
    kind: str = Field(sa_column=Column(String(32), nullable=False))
    subject: str = Field(sa_column=Column(Text, nullable=False, index=True))
    by: str = Field(sa_column=Column(Text, nullable=False))
    payload_hash: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    state: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    prev: str = Field(sa_column=Column(String(64), nullable=False))
    own: str = Field(sa_column=Column(String(64), nullable=False))
    hash: str = Field(sa_column=Column(String(64), nullable=False))


class AuditPayloadRow(SQLModel, table=True):
    """What an entry's payload hash is of. Without a body it was erased, and a later entry says so."""

    __tablename__ = "audit_payloads"

    chain: str = Field(sa_column=Column(String(40), primary_key=True))
    seq: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    body: str | None = Field(default=None, sa_column=Column(Text, nullable=True))


class AuditCheckpointRow(SQLModel, table=True):
    """How far chains went at a moment: the signed text, and its signature. Numbered without gaps, from 1."""

    __tablename__ = "audit_checkpoints"

    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    at: str = Field(sa_column=Column(String(32), nullable=False))
    body: str = Field(sa_column=Column(Text, nullable=False))
    hash: str = Field(sa_column=Column(String(64), nullable=False))
    key_id: str | None = Field(default=None, sa_column=Column(String(8), nullable=True))
    public_key: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    signature: str | None = Field(default=None, sa_column=Column(String(128), nullable=True))


AUDIT_CHAINS: Any = SQLModel.metadata.tables["audit_chains"]
AUDIT_ENTRIES: Any = SQLModel.metadata.tables["audit_entries"]
AUDIT_PAYLOADS: Any = SQLModel.metadata.tables["audit_payloads"]
AUDIT_CHECKPOINTS: Any = SQLModel.metadata.tables["audit_checkpoints"]
