"""Keys of requests that may come again, and the decision that each stands for."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.String(64), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("leased_until", UTCDateTime, nullable=False),
        sa.Column("decision_id", sa.String(64), nullable=True),
        sa.Column("is_told", sa.Boolean, nullable=False),
        sa.Column("expires_at", UTCDateTime, nullable=False),
    )
    op.create_index("ix_idempotency_keys_owner", "idempotency_keys", ["owner"], unique=True)
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
