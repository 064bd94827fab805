"""Usage rolled up by the hour and by the day.

    lane     what attempts have in common: provider, model, agent, key, route, symbol, strategy, outcome, code, priced
    cell     the sums over one lane in one hour (`hours` 1) or one UTC day (`hours` 24)
    pattern  the set of lanes that the attempts of one request lie in
    count    how many requests of one hour, or day, have one pattern
    wanderer a request whose attempts lie in several hours: in no count, and kept by name

Keys lead with the lane or pattern: a summary goes from those it wants to their hours, and never the other way round.
A request is in one count of each length or a wanderer, never both: that is what makes distinct counts exact. An `hour`
is a number of whole hours since 1970 in UTC; a day's is its first.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Index, SmallInteger, String, Text
from sqlmodel import Field, SQLModel

from app.storage.columns import ExactDecimal
from app.storage.tables.numbers import NUMBER

# In SQLite a table that is read along its key lies in the order of it: a row is found without a second look-up.
_BY_KEY: Final = {"sqlite_with_rowid": False}


class UsageLaneRow(SQLModel, table=True):
    """One lane; `digest` is of all that follows it, since a unique index holds no two NULLs for the same."""

    __tablename__ = "usage_lanes"

    id: int | None = Field(default=None, sa_column=Column(NUMBER, primary_key=True, autoincrement=True))
    digest: str = Field(sa_column=Column(String(32), nullable=False, unique=True))
    provider: str = Field(sa_column=Column(Text, nullable=False))
    model: str = Field(sa_column=Column(Text, nullable=False))
    agent_id: int | None = Field(default=None, sa_column=Column(BigInteger, nullable=True))
    key_id: str = Field(sa_column=Column(Text, nullable=False))
    route: str = Field(sa_column=Column(Text, nullable=False))
    symbol: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    strategy: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    outcome: str = Field(sa_column=Column(String(20), nullable=False))
    code: str | None = Field(default=None, sa_column=Column(String(64), nullable=True))
    is_unpriced: bool = Field(sa_column=Column(Boolean, nullable=False))


class UsageCellRow(SQLModel, table=True):
    """Sums of one lane. Money is `dollars` + `picos` * 10^-12 + `cost_rest`: integers are what databases sum fast."""

    __tablename__ = "usage_cells"
    __table_args__ = _BY_KEY

    hours: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    lane_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hour: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    attempts: int = Field(sa_column=Column(BigInteger, nullable=False))
    input_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    output_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    priced: int = Field(sa_column=Column(BigInteger, nullable=False))
    dollars: int = Field(sa_column=Column(BigInteger, nullable=False))
    picos: int = Field(sa_column=Column(BigInteger, nullable=False))
    cost_rest: Decimal | None = Field(default=None, sa_column=Column(ExactDecimal, nullable=True))


class UsagePatternRow(SQLModel, table=True):
    """One pattern; `digest` is of the ids of its lanes."""

    __tablename__ = "usage_patterns"

    id: int | None = Field(default=None, sa_column=Column(NUMBER, primary_key=True, autoincrement=True))
    digest: str = Field(sa_column=Column(String(32), nullable=False, unique=True))


class UsagePatternLaneRow(SQLModel, table=True):
    """A lane of a pattern."""

    __tablename__ = "usage_pattern_lanes"
    __table_args__ = _BY_KEY

    pattern_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    lane_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class UsageCountRow(SQLModel, table=True):
    """Requests of one pattern."""

    __tablename__ = "usage_counts"
    __table_args__ = _BY_KEY

    hours: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    pattern_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hour: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    requests: int = Field(sa_column=Column(BigInteger, nullable=False))


class UsageWandererRow(SQLModel, table=True):
    """One hour and lane in which a wanderer has attempts."""

    __tablename__ = "usage_wanderers"
    __table_args__ = _BY_KEY

    request_id: str = Field(sa_column=Column(Text, primary_key=True))
    hour: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    lane_id: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))


class UsageMarkRow(SQLModel, table=True):
    """The hour before which single attempts (`attempts`) may have been deleted."""

    __tablename__ = "usage_marks"

    name: str = Field(sa_column=Column(String(16), primary_key=True))
    hour: int = Field(sa_column=Column(BigInteger, nullable=False))


USAGE_LANES: Any = SQLModel.metadata.tables["usage_lanes"]
USAGE_CELLS: Any = SQLModel.metadata.tables["usage_cells"]
USAGE_PATTERNS: Any = SQLModel.metadata.tables["usage_patterns"]
USAGE_PATTERN_LANES: Any = SQLModel.metadata.tables["usage_pattern_lanes"]
USAGE_COUNTS: Any = SQLModel.metadata.tables["usage_counts"]
USAGE_WANDERERS: Any = SQLModel.metadata.tables["usage_wanderers"]
USAGE_MARKS: Any = SQLModel.metadata.tables["usage_marks"]

Index("ix_usage_cells_hours_hour", USAGE_CELLS.c.hours, USAGE_CELLS.c.hour)
Index("ix_usage_wanderers_hour", USAGE_WANDERERS.c.hour)
