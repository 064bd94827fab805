"""Rows that one transaction inserts, by the sheaf: they wait in their session, and go in one visit to SQLite's thread.

A statement of its own for each table, and for each of several decisions that are committed together, costs more than
what it inserts. Whoever reads what he has put must `flush` before; the end of a transaction that writes does it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.sqlite_driver import SCRIPT

_WAITING: Final = "outcry_rows"

Row = dict[str, Any]
Processor = Callable[[Any], Any]


@dataclass(frozen=True)
class _Into:
    """Where rows go; `once` leaves alone what is there already."""

    table: Table
    once: bool


def put(session: AsyncSession, table: Table, rows: Iterable[Row], *, once: bool = False) -> None:
    """Insert these, which have the same columns, with the next `flush`; `once` leaves alone what is there already."""
    waiting: dict[_Into, list[Row]] = session.info.setdefault(_WAITING, {})
    waiting.setdefault(_Into(table, once), []).extend(rows)


async def flush(session: AsyncSession) -> None:
    """Insert what was put, table by table as they were first named."""
    waiting: dict[_Into, list[Row]] = session.info.pop(_WAITING, {})
    full = [(into, rows) for into, rows in waiting.items() if rows]
    if not full:
        return
    connection = await session.connection()
    dialect = connection.dialect
    if dialect.name == "sqlite":
        await connection.exec_driver_sql(SCRIPT, [_bound(dialect, into, rows) for into, rows in full])
        return
    for into, rows in full:
        await connection.execute(_in_postgresql(into), rows)


def _bound(dialect: Dialect, into: _Into, rows: list[Row]) -> tuple[str, list[list[Any]]]:
    """A statement for SQLite, and its parameters as the driver takes them."""
    sql, columns = _in_sqlite(dialect, into, tuple(rows[0]))
    return sql, [[row[name] if process is None else process(row[name]) for name, process in columns] for row in rows]


@functools.lru_cache(maxsize=64)
def _in_sqlite(dialect: Dialect, into: _Into, names: tuple[str, ...]) -> tuple[str, list[tuple[str, Processor | None]]]:
    quoted, places = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
    end = " ON CONFLICT DO NOTHING" if into.once else ""
    sql = f"INSERT INTO {into.table.name} ({quoted}) VALUES ({places}){end}"  # noqa: S608 - our own names
    types = [into.table.c[name].type.dialect_impl(dialect) for name in names]
    return sql, [(name, kind.bind_processor(dialect)) for name, kind in zip(names, types, strict=True)]


@functools.cache
def _in_postgresql(into: _Into) -> postgresql.Insert:
    insert = postgresql.insert(into.table)
    return insert.on_conflict_do_nothing() if into.once else insert
