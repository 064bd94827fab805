"""Runs that were recorded, to be answered from again."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "replay_runs",
        sa.Column("owner", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(128), primary_key=True),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("written_at", UTCDateTime, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("lost", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_replay_runs_written_at", "replay_runs", ["written_at"])
    op.create_table(
        "replay_takes",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("run", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("member", sa.Text, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("began_at", UTCDateTime, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_replay_takes_question", "replay_takes", ["owner", "run", "key"])
    op.create_index("ix_replay_takes_order", "replay_takes", ["owner", "run", "began_at", "id"])


def downgrade() -> None:
    op.drop_table("replay_takes")
    op.drop_table("replay_runs")
