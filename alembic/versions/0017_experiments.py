"""Experiments, and ways to what came of their arms."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0017"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=False),
        sa.Column("arms", sa.JSON, nullable=False),
        sa.Column("sticky_by", sa.String(128), nullable=False),
        sa.Column("applies_to", sa.JSON, nullable=False),
        sa.Column("shadow", sa.JSON, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("stopped_at", UTCDateTime, nullable=True),
        sa.Column("stopped_by", sa.Text, nullable=True),
    )
    op.create_index("ix_experiments_created_at_id", "experiments", ["created_at", "id"])
    has_variant = sa.text("variant IS NOT NULL")
    for name, table, columns in (
        ("ix_attempts_variant_request_id", "attempts", ["variant", "request_id"]),
        ("ix_votes_variant", "votes", ["variant", "decided_at"]),
    ):
        op.create_index(name, table, columns, sqlite_where=has_variant, postgresql_where=has_variant)


def downgrade() -> None:
    op.drop_index("ix_votes_variant", "votes")
    op.drop_index("ix_attempts_variant_request_id", "attempts")
    op.drop_table("experiments")
