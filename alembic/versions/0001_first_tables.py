"""Agents with their model configurations, attempts, decisions, and what guards and counts them."""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op
from app.storage.columns import ExactDecimal, UTCDateTime

revision = "0001"
down_revision = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "agents",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", sa.Text, nullable=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
        sa.Column("metadata_json", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "agent_llm_configs",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("agent_id", sa.BigInteger, sa.ForeignKey("agents.id", ondelete="CASCADE"), nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model_name", sa.Text, nullable=False),
        sa.Column("temperature", sa.Float, nullable=True),
        sa.Column("max_tokens", sa.Integer, nullable=True),
        sa.Column("top_p", sa.Float, nullable=True),
        sa.Column("api_key_encrypted", sa.Text, nullable=True),
        sa.Column("key_id", sa.String(8), nullable=True),
        sa.Column("api_key_hint", sa.String(20), nullable=True),
        sa.Column("key_origin", sa.Text, nullable=True),
        sa.Column("fallback_provider", sa.Text, nullable=True),
        sa.Column("fallback_model", sa.Text, nullable=True),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("cost_per_1k_input_tokens", ExactDecimal, nullable=True),
        sa.Column("cost_per_1k_output_tokens", ExactDecimal, nullable=True),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("updated_at", UTCDateTime, nullable=False),
        sa.Column("metadata_json", sa.JSON, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_agent_llm_configs_agent_id", "agent_llm_configs", ["agent_id"])
    op.create_index("ix_agent_llm_configs_key_id", "agent_llm_configs", ["key_id"])
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("ordinal", sa.Integer, nullable=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("started_at", UTCDateTime, nullable=False),
        sa.Column("duration", sa.Float, nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("code", sa.String(64), nullable=True),
        sa.Column("upstream_status", sa.Integer, nullable=True),
        sa.Column("message", sa.Text, nullable=True),
        sa.Column("time_to_first_token", sa.Float, nullable=True),
        sa.Column("input_tokens", sa.BigInteger, nullable=True),
        sa.Column("output_tokens", sa.BigInteger, nullable=True),
        sa.Column("cached_tokens", sa.BigInteger, nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger, nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger, nullable=True),
        sa.Column("usage_source", sa.String(20), nullable=True),
        sa.Column("reported_cost", ExactDecimal, nullable=True),
        sa.Column("cost_usd", ExactDecimal, nullable=True),
        sa.Column("price_source", sa.Text, nullable=True),
        sa.Column("credential_id", sa.String(64), nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=True),
        sa.Column("decision_id", sa.Text, nullable=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
    )
    op.create_index("ix_attempts_request_id", "attempts", ["request_id"])
    op.create_index("ix_attempts_started_at_id", "attempts", ["started_at", "id"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(64), primary_key=True),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("actionable", sa.Boolean, nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=True),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("answer", sa.JSON, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
    )
    op.create_index("ix_decisions_created_at_id", "decisions", ["created_at", "id"])
    op.create_table(
        "vault_canaries",
        sa.Column("id", _ID, primary_key=True, autoincrement=True),
        sa.Column("key_id", sa.String(8), nullable=False, unique=True),
        sa.Column("ciphertext", sa.Text, nullable=False),
        sa.Column("created_at", UTCDateTime, nullable=False),
    )
    revisions = op.create_table(
        "config_revision",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(revisions, [{"id": 1, "revision": 0}])


def downgrade() -> None:
    for table in ("config_revision", "vault_canaries", "decisions", "attempts", "agent_llm_configs", "agents"):
        op.drop_table(table)
