"""The record of usage, asked: pages of attempts, and summaries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.usage import money
from app.domain.usage_query import UsageFilter
from app.storage.cursors import cursor_at, older_than
from app.storage.database import Database, reads
from app.storage.tables import ATTEMPTS, USAGE_CELLS
from app.storage.usage_rows import began, matches_attempt, start_of
from app.storage.usage_summary import BUCKETS, Figures, Summing, check_names

_A: Final = ATTEMPTS.c
_SHOWN: Final = [column for column in ATTEMPTS.columns if column.name != "is_rolled"]


class SqlUsageQueries:
    """Attempts on record; also those that failed or sent nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    async def summary(
        self, session: AsyncSession, wanted: UsageFilter, *, by: str, group: Sequence[str]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """One row per bucket of time and group, oldest first, and the total of all; both of one moment.

        `requests` are distinct request ids, `attempts` the calls that were sent, `unpriced_requests` the requests
        with an attempt that cost something unknown. A request whose attempts fall into two rows counts in both, so
        that its two counts are no sum of the rows'; everything else of the total is.
        """
        check_names(by, group)
        summing = await self._summing(session, wanted)
        rows = await summing.figures(group, BUCKETS[by])
        return _in_order(rows, ("bucket", *group)), (await summing.total(rows.values())).rendered()

    @reads
    async def totals(
        self, session: AsyncSession, wanted: UsageFilter, *, group: Sequence[str]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The same without buckets of time."""
        check_names("day", group)
        summing = await self._summing(session, wanted)
        rows = await summing.figures(group, None)
        return _in_order(rows, group), (await summing.total(rows.values())).rendered()

    @reads
    async def page(
        self, session: AsyncSession, wanted: UsageFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of attempts, newest first, and the cursor of the next one; None at the end."""
        attempts = select(*_SHOWN).where(*matches_attempt(wanted), *began(wanted.since, wanted.until))
        attempts = attempts.order_by(_A.started_at.desc(), _A.id.desc()).limit(limit + 1)
        if cursor is not None:
            attempts = attempts.where(older_than(cursor, _A.started_at, _A.id))
        rows = (await session.execute(attempts)).mappings().all()
        last = rows[limit - 1] if len(rows) > limit else None
        return [_item(row) for row in rows[:limit]], None if last is None else cursor_at(last["started_at"], last["id"])

    @reads
    async def first(self, session: AsyncSession) -> datetime | None:
        """When the first attempt on record began, to the hour where only roll-ups know it; None without any."""
        attempt: datetime | None = await session.scalar(select(func.min(_A.started_at)))
        hour = await session.scalar(select(func.min(USAGE_CELLS.c.hour)).where(USAGE_CELLS.c.hours == 1))
        cell = None if hour is None else start_of(hour)
        if attempt is None or cell is None:
            return attempt or cell
        # Of the hour in which the first single attempt began, the attempt knows more.
        return attempt if (attempt - cell).total_seconds() < 3600 else cell

    async def _summing(self, session: AsyncSession, wanted: UsageFilter) -> Summing:
        if not self._database.is_sqlite:
            # Cells and attempts of one moment, though they are read by several statements; SQLite does that anyway.
            await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        return Summing(session, wanted, is_sqlite=self._database.is_sqlite)


def _in_order(rows: Mapping[tuple[Any, ...], Figures], names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows as they are answered, by bucket, then by dimensions, what is None first."""
    found = []
    for key in sorted(rows, key=lambda key: [(value is not None, value) for value in key]):
        row = dict(zip(names, key, strict=True))
        if "bucket" in row:
            row["bucket"] = _rendered(start_of(row["bucket"]))
        found.append(row | rows[key].rendered())
    return found


def _item(row: RowMapping) -> dict[str, Any]:
    """An attempt for a list: moments as ISO 8601 with `Z`, money as a decimal string, durations in milliseconds."""
    item: dict[str, Any] = {name: money(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    item["started_at"] = row["started_at"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    item["latency_ms"] = _milliseconds(item.pop("duration"))
    item["time_to_first_token_ms"] = _milliseconds(item.pop("time_to_first_token"))
    return item


def _rendered(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
