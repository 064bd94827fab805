"""How an attempt looks as a row of the usage table, and how a batch of rows gets there.

A row passes through no more hands than it must: to look at each value of 33 columns takes SQLAlchemy longer than all
else, so that a batch goes to the driver as it is: PostgreSQL's in one statement, SQLite's in one visit to its thread.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Final

import orjson
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.attempt import AttemptRecord
from app.domain.usage import Usage
from app.storage.columns import storable
from app.storage.errors import ValueRefused
from app.storage.tables import ATTEMPTS

Row = tuple[Any, ...]

_LARGEST: Final = 2**63 - 1
_UNCOUNTED: Final = (None,) * 7
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

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
_PLACES: Final = f"({', '.join('?' * len(COLUMNS))})"
_FROM_SQLITE: Final = f"{_INTO} VALUES {_PLACES} {_ONCE}"
_TOGETHER: Final = 50
"""Rows of one statement: to begin one and to end it costs SQLite an eighth of what a row does."""
# Its own way back from the middle of a statement would cost it as much again: the transaction's is enough.
_OR_ALL_GO: Final = _INTO.replace("INSERT", "INSERT OR ROLLBACK")
_TOGETHER_FROM_SQLITE: Final = f"{_OR_ALL_GO} VALUES {', '.join([_PLACES] * _TOGETHER)} {_ONCE}"
# One parameter for the whole batch: encoding 33 arrays takes the driver twice as long.
_VALUES: Final = ", ".join(_as_column(place, name) for place, name in enumerate(COLUMNS))
_FROM_JSON: Final = f"{_INTO} SELECT {_VALUES} FROM jsonb_array_elements($1::text::jsonb) AS r {_ONCE}"  # noqa: S608 - our own names


def insert_in_sqlite(connection: sqlite3.Connection, records: Sequence[AttemptRecord]) -> None:
    """Store what is not stored yet, in the connection's own thread."""
    rows = map(row_of, records)
    for _ in range(len(records) // _TOGETHER):
        connection.execute(_TOGETHER_FROM_SQLITE, [*chain.from_iterable(islice(rows, _TOGETHER))])
    connection.executemany(_FROM_SQLITE, rows)


async def insert_in_postgresql(session: AsyncSession, records: Sequence[AttemptRecord]) -> None:
    """Store what is not stored yet. Raises ValueRefused for a value that no column takes."""
    connection = await session.connection()
    try:
        batch = orjson.dumps([row_of(record) for record in records]).decode()
    except TypeError:
        raise ValueRefused("a value of a row has no JSON form") from None
    await connection.exec_driver_sql(_FROM_JSON, (batch,))


def row_of(record: AttemptRecord) -> Row:
    """The values of one attempt, in the order of COLUMNS and in forms that both drivers take.

    What a provider sent is cut to what the columns hold: a row is never refused.
    """
    usage, target = record.usage, record.target
    request_id, key_id, provider, model = record.request_id, record.key_id, target.provider, target.model
    symbol, strategy, message = record.symbol, record.strategy, record.message
    # One look at them all together; nearly always there is nothing to see.
    if not _is_plain(f"{request_id}{key_id}{provider}{model}{symbol}{strategy}{message}"):
        request_id, key_id, provider, model = map(_plain, (request_id, key_id, provider, model))
        symbol, strategy, message = (None if text is None else _plain(text) for text in (symbol, strategy, message))
    return (
        record.id,
        request_id,
        record.ordinal,
        provider,
        model,
        record.kind._value_,
        record.outcome._value_,
        _moment(record.started_at),
        record.duration,
        record.streamed,
        None if record.code is None else record.code._value_,
        record.upstream_status,
        message,
        record.time_to_first_token,
        _money(record.cost_usd),
        record.price_source,
        record.price_dated,
        record.credential_id,
        record.agent_id,
        record.config_id,
        record.decision_id,
        key_id,
        record.route,
        symbol,
        strategy,
        record.variant,
    ) + (_UNCOUNTED if usage is None else _counted(usage))


def _is_plain(text: str) -> bool:
    return text.isascii() and "\x00" not in text


def _plain(text: str) -> str:
    """Text that both databases take."""
    return text if _is_plain(text) else storable(text)


def _moment(moment: datetime) -> str:
    """As SQLAlchemy writes one for SQLite; PostgreSQL is told that it is UTC."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    since = moment - _EPOCH
    return _second(since.days, since.seconds) + str(since.microseconds).zfill(6)


@functools.lru_cache(maxsize=64)
def _second(days: int, seconds: int) -> str:
    """A moment up to its point: a batch has few of them, and to write one takes as long as half of a row."""
    return (_EPOCH + timedelta(days, seconds)).isoformat(" ", "seconds")[:19] + "."


def _counted(usage: Usage) -> Row:
    read, written, cached = usage.input_tokens, usage.output_tokens, usage.cached_tokens
    filled, reasoned = usage.cache_write_tokens, usage.reasoning_tokens
    # What is below zero or beyond 63 bits leaves something here.
    if (read | written | cached | filled | reasoned) >> 63:
        read, written, cached, filled, reasoned = map(_count, (read, written, cached, filled, reasoned))
    return read, written, cached, filled, reasoned, usage.source._value_, _money(usage.reported_cost)


def _count(tokens: int) -> int:
    return min(max(tokens, 0), _LARGEST)


def _money(dollars: Decimal | None) -> str | None:
    if dollars is None:
        return None
    text = str(dollars)
    if text.replace(".", "", 1).isdigit():
        return text
    # In powers of ten, below zero, or no number at all.
    return format(dollars, "f") if dollars.is_finite() else None
