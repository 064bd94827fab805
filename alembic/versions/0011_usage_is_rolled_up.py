"""Usage is rolled up by the hour and by the day."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import ExactDecimal

revision = "0011"
down_revision = "0010"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TABLES = (
    "usage_lanes", "usage_cells", "usage_patterns", "usage_pattern_lanes", "usage_counts", "usage_wanderers",
    "usage_marks",
)  # fmt: skip


def upgrade() -> None:
    op.add_column("attempts", sa.Column("is_rolled", sa.Boolean, nullable=False, server_default=sa.false()))
    op.create_index(
        "ix_attempts_not_rolled",
        "attempts",
        ["started_at", "id"],
        sqlite_where=sa.text("is_rolled = 0"),
        postgresql_where=sa.text("NOT is_rolled"),
    )
    op.create_index(
        "ix_attempts_decision_id",
        "attempts",
        ["decision_id"],
        sqlite_where=sa.text("decision_id IS NOT NULL"),
        postgresql_where=sa.text("decision_id IS NOT NULL"),
    )
    _create_lanes()
    _create_patterns()
    op.create_table(
        "usage_marks",
        sa.Column("name", sa.String(16), primary_key=True),
        sa.Column("hour", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
    op.drop_index("ix_attempts_decision_id", "attempts")
    op.drop_index("ix_attempts_not_rolled", "attempts")
    with op.batch_alter_table("attempts") as attempts:
        attempts.drop_column("is_rolled")


def _create_lanes() -> None:
    op.create_table(
        "usage_lanes",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(32), nullable=False, unique=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=True),
        sa.Column("strategy", sa.String(64), nullable=True),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("code", sa.String(64), nullable=True),
        sa.Column("is_unpriced", sa.Boolean, nullable=False),
    )
    op.create_table(
        "usage_cells",
        sa.Column("hours", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("lane_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("attempts", "input_tokens", "output_tokens", "priced", "dollars", "picos")
        ),
        sa.Column("cost_rest", ExactDecimal, nullable=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_cells_hours_hour", "usage_cells", ["hours", "hour"])


def _create_patterns() -> None:
    op.create_table(
        "usage_patterns",
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("digest", sa.String(32), nullable=False, unique=True),
    )
    op.create_table(
        "usage_pattern_lanes",
        sa.Column("pattern_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("lane_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_counts",
        sa.Column("hours", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("pattern_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_wanderers",
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("hour", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("lane_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_wanderers_hour", "usage_wanderers", ["hour"])
