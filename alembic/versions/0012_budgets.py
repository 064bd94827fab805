"""Budgets, and what each process spent of them."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import ExactDecimal, UTCDateTime

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "budgets",
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("budget_window", sa.String(8), primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("cost_usd", ExactDecimal, nullable=True),
        sa.Column("tokens", sa.BigInteger, nullable=True),
        sa.Column("alert_at", sa.Float, nullable=True),
        sa.Column("on_exceeded", sa.String(16), nullable=False),
        sa.Column("changed_at", UTCDateTime, nullable=False),
        sa.Column("changed_by", sa.String(64), nullable=False),
    )
    op.create_table(
        "budget_spend",
        sa.Column("budget_id", sa.String(32), primary_key=True),
        sa.Column("begins", UTCDateTime, primary_key=True),
        sa.Column("holder", sa.String(32), primary_key=True),
        sa.Column("ends", UTCDateTime, nullable=False),
        sa.Column("spent_usd", ExactDecimal, nullable=False),
        sa.Column("spent_tokens", sa.BigInteger, nullable=False),
        sa.Column("used_usd", ExactDecimal, nullable=False),
        sa.Column("used_tokens", sa.BigInteger, nullable=False),
        sa.Column("granted_usd", ExactDecimal, nullable=False),
        sa.Column("granted_tokens", sa.BigInteger, nullable=False),
        sa.Column("wants_usd", ExactDecimal, nullable=True),
        sa.Column("wants_tokens", sa.BigInteger, nullable=True),
        sa.Column("alive_until", sa.Float, nullable=False),
    )
    op.create_index("ix_budget_spend_ends", "budget_spend", ["ends"])


def downgrade() -> None:
    op.drop_table("budget_spend")
    op.drop_table("budgets")
