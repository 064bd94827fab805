"""What is kept of the providers' health over time."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0002_health_samples"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "health_samples",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("circuit", sa.String(20), nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("looks", sa.BigInteger, nullable=False),
        sa.Column("looks_up", sa.BigInteger, nullable=False),
        sa.Column("p50", sa.Float, nullable=True),
        sa.Column("p95", sa.Float, nullable=True),
        sa.Column("in_flight", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text, nullable=True),
        sa.Column("process", sa.String(16), nullable=False),
    )
    op.create_index("ix_health_samples_provider_at_id", "health_samples", ["provider", "at", "id"])
    op.create_index("ix_health_samples_at_id", "health_samples", ["at", "id"])


def downgrade() -> None:
    op.drop_table("health_samples")
