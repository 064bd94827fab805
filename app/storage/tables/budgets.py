"""Budgets, and what each process spent of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String
from sqlmodel import Field, SQLModel

from app.storage.columns import ExactDecimal, UTCDateTime


class BudgetRow(SQLModel, table=True):
    """One budget: a scope has at most one per window."""

    __tablename__ = "budgets"

    scope: str = Field(sa_column=Column(String(128), primary_key=True))
    window: str = Field(sa_column=Column("budget_window", String(8), primary_key=True))
    id: str = Field(sa_column=Column(String(32), nullable=False, unique=True))
    cost_usd: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    alert_at: float | None = None
    on_exceeded: str = Field(sa_column=Column(String(16), nullable=False))
    changed_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    changed_by: str = Field(sa_column=Column(String(64), nullable=False))


class BudgetSpendRow(SQLModel, table=True):
    """What one process spent of one budget in one window; `alive_until` is in seconds of the database's clock."""

    __tablename__ = "budget_spend"

    budget_id: str = Field(sa_column=Column(String(32), primary_key=True))
    begins: datetime = Field(sa_column=Column(UTCDateTime, primary_key=True))
    holder: str = Field(sa_column=Column(String(32), primary_key=True))
    ends: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    spent_usd: Decimal = Field(sa_column=Column(ExactDecimal, nullable=False))
    spent_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    used_usd: Decimal = Field(sa_column=Column(ExactDecimal, nullable=False))
    used_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    granted_usd: Decimal = Field(sa_column=Column(ExactDecimal, nullable=False))
    granted_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    wants_usd: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    wants_tokens: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    alive_until: float


BUDGETS: Any = SQLModel.metadata.tables["budgets"]
BUDGET_SPEND: Any = SQLModel.metadata.tables["budget_spend"]

Index("ix_budget_spend_ends", BUDGET_SPEND.c.ends)
