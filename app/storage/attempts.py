"""How an attempt looks as a row of the usage table."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from app.domain.attempt import AttemptRecord
from app.domain.usage import Usage
from app.storage.columns import storable

_LARGEST: Final = 2**63 - 1


def row_of(record: AttemptRecord) -> dict[str, Any]:
    """The columns of one attempt. What a provider sent is cut to what the columns hold: a row is never refused."""
    return {
        "id": record.id,
        "request_id": storable(record.request_id),
        "ordinal": record.ordinal,
        "provider": storable(record.target.provider),
        "model": storable(record.target.model),
        "kind": record.kind.value,
        "outcome": record.outcome.value,
        "started_at": record.started_at,
        "duration": record.duration,
        "streamed": record.streamed,
        "code": None if record.code is None else record.code.value,
        "upstream_status": record.upstream_status,
        "message": None if record.message is None else storable(record.message),
        "time_to_first_token": record.time_to_first_token,
        "cost_usd": _money(record.cost_usd),
        "price_source": record.price_source,
        "price_dated": record.price_dated,
        "credential_id": record.credential_id,
        "agent_id": record.agent_id,
        "config_id": record.config_id,
        "decision_id": record.decision_id,
        "key_id": storable(record.key_id),
        "route": record.route,
        "symbol": None if record.symbol is None else storable(record.symbol),
        "strategy": None if record.strategy is None else storable(record.strategy),
        "variant": record.variant,
        **_usage_columns(record.usage),
    }


def _usage_columns(usage: Usage | None) -> dict[str, Any]:
    if usage is None:
        absent = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
        return dict.fromkeys((*absent, "usage_source", "reported_cost"))
    return {
        "input_tokens": _count(usage.input_tokens),
        "output_tokens": _count(usage.output_tokens),
        "cached_tokens": _count(usage.cached_tokens),
        "cache_write_tokens": _count(usage.cache_write_tokens),
        "reasoning_tokens": _count(usage.reasoning_tokens),
        "usage_source": usage.source.value,
        "reported_cost": _money(usage.reported_cost),
    }


def _count(tokens: int) -> int:
    return min(max(tokens, 0), _LARGEST)


def _money(dollars: Decimal | None) -> Decimal | None:
    return dollars if dollars is not None and dollars.is_finite() else None
