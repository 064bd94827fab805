"""How providers did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import UTCDateTime


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


HEALTH_SAMPLES: Any = SQLModel.metadata.tables["health_samples"]

Index("ix_health_samples_provider_at_id", HEALTH_SAMPLES.c.provider, HEALTH_SAMPLES.c.at, HEALTH_SAMPLES.c.id)
Index("ix_health_samples_at_id", HEALTH_SAMPLES.c.at, HEALTH_SAMPLES.c.id)
