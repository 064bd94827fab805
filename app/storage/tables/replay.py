"""Recorded runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime


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


REPLAY_RUNS: Any = SQLModel.metadata.tables["replay_runs"]
REPLAY_TAKES: Any = SQLModel.metadata.tables["replay_takes"]

Index("ix_replay_takes_question", REPLAY_TAKES.c.owner, REPLAY_TAKES.c.run, REPLAY_TAKES.c.key)
Index("ix_replay_takes_order", REPLAY_TAKES.c.owner, REPLAY_TAKES.c.run, REPLAY_TAKES.c.began_at, REPLAY_TAKES.c.id)
