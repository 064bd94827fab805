"""What is changed while the service runs and outlives it, by name."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "runtime_settings",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.JSON, nullable=False),
        sa.Column("changed_at", UTCDateTime, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("runtime_settings")
