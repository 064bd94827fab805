"""What was said in a decision, in a table of its own: encrypted, hashed or plain, and erasable."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "payloads",
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("part", sa.String(16), primary_key=True),
        sa.Column("form", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=True),
        sa.Column("key_id", sa.String(8), nullable=True),
        sa.Column("erased_at", UTCDateTime, nullable=True),
        sa.Column("erased_by", sa.Text, nullable=True),
        sa.Column("erased_reason", sa.Text, nullable=True),
    )
    has_content = sa.text("content IS NOT NULL")
    op.create_index(
        "ix_payloads_created_at", "payloads", ["created_at"], sqlite_where=has_content, postgresql_where=has_content
    )


def downgrade() -> None:
    op.drop_table("payloads")
