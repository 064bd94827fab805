"""How an attempt looks as a row of the usage table, and how a batch of rows gets there.

A row passes through no more hands than it must: to look at each value of 33 columns takes SQLAlchemy longer than all
else, so that a batch goes to the driver as it is, in one statement.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any, Final

import orjson
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.attempt import AttemptRecord
from app.storage.columns import storable
from app.storage.errors import ValueRefused
from app.storage.tables import ATTEMPTS

Row = tuple[Any, ...]

_LARGEST: Final = 2**63 - 1
_UNCOUNTED: Final = (None,) * 7

COLUMNS: Final = (
    *("id", "request_id", "ordinal", "provider", "model", "kind", "outcome", "started_at", "duration", "streamed"),
    *("code", "upstream_status", "message", "time_to_first_token", "cost_usd", "price_source", "price_dated"),
    *("credential_id", "agent_id", "config_id", "decision_id", "key_id", "route", "symbol", "strategy", "variant"),
    *("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens"),
    *("usage_source", "reported_cost"),
)
"""The order of a row's values."""

_NAMES: Final = ", ".join(COLUMNS)
_INTO: Final = f"INSERT INTO attempts ({_NAMES})"
_ONCE: Final = "ON CONFLICT (id) DO NOTHING"


def _as_column(place: int, name: str) -> str:
    """One value of a JSON array as its column has it; moments are in UTC and do not say so."""
    kind = ATTEMPTS.c[name].type.dialect_impl(_DIALECT).compile(_DIALECT)
    value = f"(r ->> {place})"
    return f"({value} || '+00')::timestamptz" if kind.startswith("TIMESTAMP") else f"{value}::{kind.partition('(')[0]}"


_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]
_FROM_SQLITE: Final = f"{_INTO} VALUES ({', '.join('?' * len(COLUMNS))}) {_ONCE}"
# One parameter for the whole batch: encoding 33 arrays takes the driver twice as long.
_VALUES: Final = ", ".join(_as_column(place, name) for place, name in enumerate(COLUMNS))
_FROM_JSON: Final = f"{_INTO} SELECT {_VALUES} FROM jsonb_array_elements($1::text::jsonb) AS r {_ONCE}"  # noqa: S608 - our own names


async def insert(session: AsyncSession, records: Sequence[AttemptRecord], *, is_sqlite: bool) -> None:
    """Store what is not stored yet. Raises ValueRefused for a value that no column takes."""
    connection = await session.connection()
    rows = [row_of(record) for record in records]
    if is_sqlite:
        await connection.exec_driver_sql(_FROM_SQLITE, rows)
        return
    try:
        batch = orjson.dumps(rows).decode()
    except TypeError:
        raise ValueRefused("a value of a row has no JSON form") from None
    await connection.exec_driver_sql(_FROM_JSON, (batch,))


def row_of(record: AttemptRecord) -> Row:
    """The values of one attempt, in the order of COLUMNS and in forms that both drivers take.

    What a provider sent is cut to what the columns hold: a row is never refused.
    """
    usage, code, message = record.usage, record.code, record.message
    if usage is None:
        counted: Row = _UNCOUNTED
    else:
        counted = (
            _count(usage.input_tokens),
            _count(usage.output_tokens),
            _count(usage.cached_tokens),
            _count(usage.cache_write_tokens),
            _count(usage.reasoning_tokens),
            usage.source.value,
            _money(usage.reported_cost),
        )
    return (
        record.id,
        _plain(record.request_id),
        record.ordinal,
        _plain(record.target.provider),
        _plain(record.target.model),
        record.kind.value,
        record.outcome.value,
        # As SQLAlchemy writes a moment for SQLite; PostgreSQL is told that it is UTC.
        record.started_at.astimezone(UTC).isoformat(" ", "microseconds")[:26],
        record.duration,
        record.streamed,
        None if code is None else code.value,
        record.upstream_status,
        None if message is None else _plain(message),
        record.time_to_first_token,
        _money(record.cost_usd),
        record.price_source,
        record.price_dated,
        record.credential_id,
        record.agent_id,
        record.config_id,
        record.decision_id,
        _plain(record.key_id),
        record.route,
        None if record.symbol is None else _plain(record.symbol),
        None if record.strategy is None else _plain(record.strategy),
        record.variant,
        *counted,
    )


def _plain(text: str) -> str:
    """Text that both databases take; nearly all of it already is."""
    return text if text.isascii() and "\x00" not in text else storable(text)


def _count(tokens: int) -> int:
    return tokens if 0 <= tokens <= _LARGEST else min(max(tokens, 0), _LARGEST)


def _money(dollars: Decimal | None) -> str | None:
    return None if dollars is None or not dollars.is_finite() else format(dollars, "f")
