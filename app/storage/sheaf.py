"""What a transaction writes, by the sheaf: known before it ends, and there in one visit to SQLite's thread.

A statement of its own for each table, and for each of several decisions that are committed together, costs more than
what it inserts. A session has a sheaf of its own: whoever reads what he has put there must `flush` before; the end of a
transaction that writes does it. A sheaf that is all there is to a transaction needs no session on SQLite.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import Entry
from app.storage.sqlite_driver import SCRIPT

_SHEAF: Final = "outcry_sheaf"

Row = dict[str, Any]
Processor = Callable[[Any], Any]
Script = list[tuple[str, list[list[Any]]]]


@dataclass(frozen=True, slots=True)
class Demand:
    """A statement in words of both databases that has to find its row; `refusal` is raised where it does not."""

    sql: str
    parameters: dict[str, Any]
    refusal: Callable[[], Exception]


@dataclass(slots=True)
class Sheaf:
    """First what is demanded, then rows, table by table as they were first named, and last what goes on record."""

    demands: list[Demand] = field(default_factory=list)
    rows: dict[tuple[Table, bool], list[Row]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    def put(self, table: Table, rows: Iterable[Row], *, once: bool = False) -> None:
        """Insert these, which have the same columns; `once` leaves alone what is there already."""
        self.rows.setdefault((table, once), []).extend(rows)

    def take(self, other: Sheaf) -> None:
        """Hold what another holds, too."""
        self.demands += other.demands
        self.entries += other.entries
        for into, rows in other.rows.items():
            self.rows.setdefault(into, []).extend(rows)

    def script(self, dialect: Dialect) -> Script:
        """The rows as SQLite's driver takes them: statements, each with its parameters."""
        return [_bound(dialect, *into, rows) for into, rows in self.rows.items() if rows]


def joined(sheaves: Sequence[Sheaf]) -> Sheaf:
    """All of them as one."""
    if len(sheaves) == 1:
        return sheaves[0]
    whole = Sheaf()
    for sheaf in sheaves:
        whole.take(sheaf)
    return whole


def put(session: AsyncSession, table: Table, rows: Iterable[Row], *, once: bool = False) -> None:
    """Insert these, which have the same columns, with the next `flush`; `once` leaves alone what is there already."""
    sheaf_of(session).put(table, rows, once=once)


def sheaf_of(session: AsyncSession) -> Sheaf:
    """What waits for the end of this session's transaction."""
    sheaf: Sheaf = session.info.setdefault(_SHEAF, Sheaf())
    return sheaf


async def lay(session: AsyncSession, sheaf: Sheaf) -> None:
    """Write this in a session: the demands at once, the rest with the end of its transaction."""
    for demand in sheaf.demands:
        found: Any = await session.execute(text(demand.sql), demand.parameters)
        if not found.rowcount:
            raise demand.refusal()
    own = sheaf_of(session)
    own.take(Sheaf(rows=sheaf.rows, entries=sheaf.entries))


def lay_in_sqlite(connection: sqlite3.Connection, demands: Sequence[Demand], script: Script) -> None:
    """Write this in the connection's own thread."""
    for demand in demands:
        if not connection.execute(demand.sql, demand.parameters).rowcount:
            raise demand.refusal()
    for statement, rows in script:
        connection.executemany(statement, rows)


async def flush(session: AsyncSession) -> None:
    """Insert what was put, table by table as they were first named."""
    sheaf = sheaf_of(session)
    if not any(sheaf.rows.values()):
        return
    rows, sheaf.rows = sheaf.rows, {}
    connection = await session.connection()
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql(SCRIPT, Sheaf(rows=rows).script(connection.dialect))
        return
    for (table, once), some in rows.items():
        if some:
            await connection.execute(_in_postgresql(table, once), some)


def _bound(dialect: Dialect, table: Table, once: bool, rows: list[Row]) -> tuple[str, list[list[Any]]]:  # noqa: FBT001
    """A statement for SQLite, and its parameters as the driver takes them."""
    sql, values_of, processors = _in_sqlite(dialect, table, once, tuple(rows[0]))
    bound = [list(values_of(row)) for row in rows]
    for values in bound:
        for place, process in processors:
            values[place] = process(values[place])
    return sql, bound


@functools.lru_cache(maxsize=64)
def _in_sqlite(
    dialect: Dialect,
    table: Table,
    once: bool,  # noqa: FBT001
    names: tuple[str, ...],
) -> tuple[str, Callable[[Row], tuple[Any, ...]], list[tuple[int, Processor]]]:
    quoted, places = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
    end = " ON CONFLICT DO NOTHING" if once else ""
    sql = f"INSERT INTO {table.name} ({quoted}) VALUES ({places}){end}"  # noqa: S608 - our own names
    found = (table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)
    return sql, _values_of(names), [(place, process) for place, process in enumerate(found) if process is not None]


def _values_of(names: tuple[str, ...]) -> Callable[[Row], tuple[Any, ...]]:
    return itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)


@functools.cache
def _in_postgresql(table: Table, once: bool) -> postgresql.Insert:  # noqa: FBT001
    insert = postgresql.insert(table)
    return insert.on_conflict_do_nothing() if once else insert
