"""What processes tell each other: shares of limits, alerts that fire, news of providers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, String
from sqlmodel import Field, SQLModel


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


LIMIT_LEASES: Any = SQLModel.metadata.tables["limit_leases"]
FIRING_ALERTS: Any = SQLModel.metadata.tables["firing_alerts"]
PROVIDER_NEWS: Any = SQLModel.metadata.tables["provider_news"]
