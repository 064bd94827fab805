"""Votes beside their decisions, outcomes and grades, who waits for a price, and prices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from alembic import op
from app.storage.columns import ExactDecimal, UTCDateTime

revision = "0013"
down_revision = "0012"

_BATCH = 200


def upgrade() -> None:
    votes = op.create_table(
        "votes",
        sa.Column("decision_id", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("action", sa.String(20), nullable=True),
        sa.Column("confidence", sa.Float, nullable=True),
        sa.Column("reason", sa.Text, nullable=True),
        sa.Column("weight", sa.Float, nullable=True),
        sa.Column("family", sa.Text, nullable=True),
        sa.Column("latency", sa.Float, nullable=True),
        sa.Column("cost_usd", ExactDecimal, nullable=True),
        sa.Column("is_shadow", sa.Boolean, nullable=False),
        sa.Column("decided_at", UTCDateTime, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("agent_id", sa.BigInteger, nullable=True),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("consensus", sa.String(20), nullable=False),
        sa.Column("variant", sa.Text, nullable=True),
        sa.Column("is_replayed", sa.Boolean, nullable=False),
    )
    op.create_index("ix_votes_decided_at", "votes", ["decided_at", "decision_id", "number"])
    op.create_table(
        "outcomes",
        sa.Column("decision_id", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(128), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("observed_at", UTCDateTime, nullable=False),
        sa.Column("recorded_at", UTCDateTime, nullable=False),
        sa.Column("horizon", sa.Float, nullable=True),
        sa.Column("entry_price", sa.Float, nullable=True),
        sa.Column("exit_price", sa.Float, nullable=True),
        sa.Column("forward_return", sa.Float, nullable=True),
        sa.Column("realized_pnl", sa.Float, nullable=True),
        sa.Column("fees", sa.Float, nullable=True),
        sa.Column("currency", sa.Text, nullable=True),
        sa.Column("quantity", sa.Float, nullable=True),
        sa.Column("exit_reason", sa.Text, nullable=True),
        sa.Column("source", sa.Text, nullable=True),
        sa.Column("measured_return", sa.Float, nullable=True),
        sa.Column("threshold", sa.Float, nullable=True),
        sa.Column("counts", sa.Boolean, nullable=False),
    )
    op.create_table(
        "grades",
        sa.Column("decision_id", sa.String(64), primary_key=True),
        sa.Column("outcome_id", sa.String(128), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("correct", sa.Boolean, nullable=True),
    )
    horizons = op.create_table(
        "horizons",
        sa.Column("decision_id", sa.String(64), primary_key=True),
        sa.Column("action", sa.String(20), nullable=False),
        sa.Column("intent", sa.Text, nullable=True),
        sa.Column("decided_at", UTCDateTime, nullable=False),
        sa.Column("entry_price", sa.Float, nullable=True),
        sa.Column("atr", sa.Float, nullable=True),
        sa.Column("is_replayed", sa.Boolean, nullable=False),
        sa.Column("base", sa.String(64), nullable=False),
        sa.Column("quote", sa.String(64), nullable=False),
        sa.Column("venue", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(40), nullable=True),
        sa.Column("length", sa.Float, nullable=True),
        sa.Column("due_at", UTCDateTime, nullable=True),
        sa.Column("latest_at", UTCDateTime, nullable=True),
        sa.Column("expires_at", UTCDateTime, nullable=True),
        sa.Column("bar_at", UTCDateTime, nullable=True),
    )
    op.create_index("ix_horizons_due", "horizons", ["state", "base", "due_at"])
    op.create_index("ix_horizons_expiry", "horizons", ["state", "expires_at"])
    op.create_table(
        "price_bars",
        sa.Column("symbol", sa.String(64), primary_key=True),
        sa.Column("venue", sa.String(64), primary_key=True),
        sa.Column("at", UTCDateTime, primary_key=True),
        sa.Column("base", sa.String(64), nullable=False),
        sa.Column("quote", sa.String(64), nullable=False),
        sa.Column("open", sa.Float, nullable=True),
        sa.Column("high", sa.Float, nullable=True),
        sa.Column("low", sa.Float, nullable=True),
        sa.Column("close", sa.Float, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("batch", sa.String(32), nullable=False),
    )
    op.create_index("ix_price_bars_market", "price_bars", ["base", "at"])
    _fill(votes, horizons)


def downgrade() -> None:
    for table in ("price_bars", "horizons", "grades", "outcomes", "votes"):
        op.drop_table(table)


def _fill(votes: Any, horizons: Any) -> None:  # noqa: ANN401 - what alembic gives
    """The votes of decisions that were made before; they are graded by outcomes and wait for no price."""
    connection = op.get_bind()
    wanted = sa.text(
        "SELECT id, created_at, symbol, agent_id, action, answer, request FROM decisions "
        "WHERE id > :after ORDER BY id LIMIT :batch"
    ).columns(created_at=UTCDateTime)
    after = ""
    while rows := connection.execute(wanted, {"after": after, "batch": _BATCH}).all():
        cast = [vote for row in rows for vote in _votes(row)]
        if cast:
            connection.execute(votes.insert(), cast)
        connection.execute(horizons.insert(), [_horizon(row) for row in rows])
        after = rows[-1].id


def _votes(row: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a Row
    answer = _json(row.answer)
    given = answer.get("votes")
    for number, vote in enumerate(given if isinstance(given, list) else [], start=1):
        if vote.get("role") == "risk_officer":
            continue
        is_vote = vote["status"] in ("ok", "repaired")
        latency, cost = vote.get("latency_ms"), vote.get("cost_usd")
        yield {
            "decision_id": row.id,
            "number": number,
            "provider": vote["provider"],
            "model": vote["model"],
            "status": vote["status"],
            "action": vote["action"] if is_vote else None,
            "confidence": vote["confidence"] if is_vote else None,
            "reason": None if is_vote else (vote.get("reason") or "").split(":", 1)[0].strip()[:64] or None,
            "weight": vote.get("weight"),
            "family": vote.get("family"),
            "latency": None if latency is None else latency / 1000,
            "cost_usd": None if cost is None else Decimal(cost),
            "is_shadow": False,
            "decided_at": row.created_at,
            "symbol": row.symbol,
            "agent_id": row.agent_id,
            "method": (answer.get("consensus") or {}).get("method") or "majority",
            "consensus": row.action,
            "variant": None,
            "is_replayed": answer.get("replayed") is True,
        }


def _horizon(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a Row
    answer, request = _json(row.answer), _json(row.request)
    market = request.get("market") or {}
    as_of = market.get("as_of")
    moments = [row.created_at] if as_of is None else [row.created_at, datetime.fromisoformat(as_of)]
    return {
        "decision_id": row.id,
        "action": row.action,
        "intent": answer.get("intent"),
        "decided_at": min(moments),
        "entry_price": (market.get("price") or {}).get("last"),
        "atr": ((market.get("indicators") or {}).get("atr") or {}).get("value"),
        "is_replayed": answer.get("replayed") is True,
        "base": "",
        "quote": "",
        "venue": "",
        "state": "none",
        "reason": "before_prices_were_taken",
    }


def _json(value: Any) -> dict[str, Any]:  # noqa: ANN401 - text in SQLite
    read: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return read
