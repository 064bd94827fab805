"""What an operator stopped, and who did what about it."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "kills",
        sa.Column("scope", sa.String(400), primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", UTCDateTime, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
    )
    op.create_table(
        "kill_events",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("action", sa.String(10), nullable=False),
        sa.Column("scope", sa.String(400), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("by", sa.String(64), nullable=False),
    )
    op.create_index("ix_kill_events_at_id", "kill_events", ["at", "id"])


def downgrade() -> None:
    op.drop_table("kill_events")
    op.drop_table("kills")
