"""Tools that the gateway calls itself, and every call of them."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import UTCDateTime

revision = "0006"
down_revision = "0005"

_Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "tools",
        sa.Column("id", _Id, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(64), nullable=False, unique=True),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("timeout", sa.Float, nullable=False),
        sa.Column("header_names", sa.JSON, nullable=False),
        sa.Column("headers_encrypted", sa.Text, nullable=True),
        sa.Column("key_id", sa.String(8), nullable=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tools_key_id", "tools", ["key_id"])
    op.create_table(
        "tool_calls",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("tool", sa.Text, nullable=False),
        sa.Column("call_id", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("started_at", UTCDateTime, nullable=False),
        sa.Column("duration", sa.Float, nullable=False),
        sa.Column("http_status", sa.Integer, nullable=True),
        sa.Column("code", sa.String(64), nullable=True),
        sa.Column("message", sa.Text, nullable=True),
        sa.Column("bytes_out", sa.Integer, nullable=False),
        sa.Column("bytes_in", sa.Integer, nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=True),
        sa.Column("key_id", sa.Text, nullable=False),
    )
    op.create_index("ix_tool_calls_request_id", "tool_calls", ["request_id"])
    op.create_index("ix_tool_calls_tool_started_at_id", "tool_calls", ["tool", "started_at", "id"])


def downgrade() -> None:
    op.drop_table("tool_calls")
    op.drop_table("tools")
