"""What processes on one database tell each other: shares of limits, trouble, and which alerts fire where."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "limit_leases",
        sa.Column("provider", sa.String(64), primary_key=True),
        sa.Column("limit_name", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(32), primary_key=True),
        sa.Column("share", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("wants", sa.BigInteger, nullable=False),
        sa.Column("least", sa.BigInteger, nullable=False),
        sa.Column("alive_until", sa.Float, nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_table(
        "firing_alerts",
        sa.Column("alert", sa.String(200), primary_key=True),
        sa.Column("holder", sa.String(32), primary_key=True),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_table(
        "provider_news",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("provider", sa.String(64), primary_key=True),
        sa.Column("model", sa.String(256), primary_key=True),
        sa.Column("credential_id", sa.String(64), primary_key=True),
        sa.Column("origin", sa.String(32), nullable=False),
        sa.Column("said_at", sa.Float, nullable=False),
        sa.Column("until", sa.Float, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("provider_news")
    op.drop_table("firing_alerts")
    op.drop_table("limit_leases")
