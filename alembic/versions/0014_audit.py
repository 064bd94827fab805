"""The record: chains of entries, their payloads, and checkpoints."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.String(40), primary_key=True),
        sa.Column("begun_at", UTCDateTime, nullable=False),
        sa.Column("sealed", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "audit_entries",
        sa.Column("chain", sa.String(40), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("payload_hash", sa.String(64), nullable=True),
        sa.Column("state", sa.String(64), nullable=True),
        sa.Column("prev", sa.String(64), nullable=False),
        sa.Column("own", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject"])
    op.create_table(
        "audit_payloads",
        sa.Column("chain", sa.String(40), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("body", sa.Text, nullable=True),
    )
    op.create_table(
        "audit_checkpoints",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("key_id", sa.String(8), nullable=True),
        sa.Column("public_key", sa.String(64), nullable=True),
        sa.Column("signature", sa.String(128), nullable=True),
    )


def downgrade() -> None:
    for table in ("audit_checkpoints", "audit_payloads", "audit_entries", "audit_chains"):
        op.drop_table(table)
