"""Attempts say which market, strategy, configuration and experiment they belong to, and the day of their price."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0010"
down_revision = "0009"

_COLUMNS = (
    ("price_dated", sa.String(10)),
    ("config_id", sa.BigInteger),
    ("symbol", sa.Text),
    ("strategy", sa.String(64)),
    ("variant", sa.String(128)),
)


def upgrade() -> None:
    for name, kind in _COLUMNS:
        op.add_column("attempts", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("attempts") as attempts:
        for name, _ in reversed(_COLUMNS):
            attempts.drop_column(name)
