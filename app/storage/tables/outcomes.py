"""How decisions went: their votes, what the market said of them, until when they wait for that, and prices."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import ExactDecimal, UTCDateTime


class VoteRow(SQLModel, table=True):
    """One member's vote, with what of its decision a statistic asks for. `number` is its place on the panel, from 1."""

    __tablename__ = "votes"

    decision_id: str = Field(sa_column=Column(String(64), primary_key=True))
    number: int = Field(primary_key=True)
    provider: str = Field(sa_column=Column(Text, nullable=False))
    model: str = Field(sa_column=Column(Text, nullable=False))
    status: str = Field(sa_column=Column(String(20), nullable=False))
    action: str | None = Field(default=None, sa_column=Column(String(20), nullable=True))
    confidence: float | None = None
    reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    weight: float | None = None
    family: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    latency: float | None = None
    cost_usd: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))
    is_shadow: bool
    decided_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    symbol: str = Field(sa_column=Column(Text, nullable=False))
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    method: str = Field(sa_column=Column(Text, nullable=False))
    consensus: str = Field(sa_column=Column(String(20), nullable=False))
    variant: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    is_replayed: bool


class OutcomeRow(SQLModel, table=True):
    """One version of an outcome. `counts` for the one of its decision that votes are scored by."""

    __tablename__ = "outcomes"

    decision_id: str = Field(sa_column=Column(String(64), primary_key=True))
    id: str = Field(sa_column=Column(String(128), primary_key=True))
    version: int = Field(primary_key=True)
    kind: str = Field(sa_column=Column(String(20), nullable=False))
    observed_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    recorded_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    horizon: float | None = None
    entry_price: float | None = None
    exit_price: float | None = None
    forward_return: float | None = None
    realized_pnl: float | None = None
    fees: float | None = None
    currency: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    quantity: float | None = None
    exit_reason: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    source: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    measured_return: float | None = None
    threshold: float | None = None
    counts: bool


class GradeRow(SQLModel, table=True):
    """Whether a vote was right, by one version of an outcome; None where there is nothing to be right about."""

    __tablename__ = "grades"

    decision_id: str = Field(sa_column=Column(String(64), primary_key=True))
    outcome_id: str = Field(sa_column=Column(String(128), primary_key=True))
    version: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    correct: bool | None = None


class HorizonRow(SQLModel, table=True):
    """What a decision's grades start from, and until when it waits for a price. `bar_at` is the bar that it got."""

    __tablename__ = "horizons"

    decision_id: str = Field(sa_column=Column(String(64), primary_key=True))
    action: str = Field(sa_column=Column(String(20), nullable=False))
    intent: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    decided_at: datetime = Field(sa_column=Column(UTCDateTime, nullable=False))
    entry_price: float | None = None
    atr: float | None = None
    is_replayed: bool
    base: str = Field(sa_column=Column(String(64), nullable=False))
    quote: str = Field(sa_column=Column(String(64), nullable=False))
    venue: str = Field(sa_column=Column(String(64), nullable=False))
    state: str = Field(sa_column=Column(String(10), nullable=False))
    reason: str | None = Field(default=None, sa_column=Column(String(40), nullable=True))
    length: float | None = None
    due_at: datetime | None = Field(default=None, sa_column=Column(UTCDateTime, nullable=True))
    latest_at: datetime | None = Field(default=None, sa_column=Column(UTCDateTime, nullable=True))
    expires_at: datetime | None = Field(default=None, sa_column=Column(UTCDateTime, nullable=True))
    bar_at: datetime | None = Field(default=None, sa_column=Column(UTCDateTime, nullable=True))


class PriceBarRow(SQLModel, table=True):
    """What a symbol cost; the symbol without separators. `batch` names the post that wrote it last."""

    __tablename__ = "price_bars"

    symbol: str = Field(sa_column=Column(String(64), primary_key=True))
    venue: str = Field(sa_column=Column(String(64), primary_key=True))
    at: datetime = Field(sa_column=Column(UTCDateTime, primary_key=True))
    base: str = Field(sa_column=Column(String(64), nullable=False))
    quote: str = Field(sa_column=Column(String(64), nullable=False))
    open: float | None = None
    high: float | None = None
    low: float | None = None
    close: float
    revision: int
    batch: str = Field(sa_column=Column(String(32), nullable=False))


VOTES: Any = SQLModel.metadata.tables["votes"]
OUTCOMES: Any = SQLModel.metadata.tables["outcomes"]
GRADES: Any = SQLModel.metadata.tables["grades"]
HORIZONS: Any = SQLModel.metadata.tables["horizons"]
PRICE_BARS: Any = SQLModel.metadata.tables["price_bars"]

Index("ix_votes_decided_at", VOTES.c.decided_at, VOTES.c.decision_id, VOTES.c.number)
# What came of an experiment's arms; most votes belong to none.
Index(
    "ix_votes_variant",
    VOTES.c.variant,
    VOTES.c.decided_at,
    sqlite_where=VOTES.c.variant.is_not(None),
    postgresql_where=VOTES.c.variant.is_not(None),
)
# Who waits for a price of this market, and who waits in vain.
Index("ix_horizons_due", HORIZONS.c.state, HORIZONS.c.base, HORIZONS.c.due_at)
Index("ix_horizons_expiry", HORIZONS.c.state, HORIZONS.c.expires_at)
Index("ix_price_bars_market", PRICE_BARS.c.base, PRICE_BARS.c.at)
