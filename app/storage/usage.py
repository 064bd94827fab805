"""Attempts in the database: written in batches, summed up by time and by whom, listed newest first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, case, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.attempt import AttemptOutcome, AttemptRecord
from app.domain.errors import Code, RequestRejected, Violation
from app.storage.attempts import insert
from app.storage.columns import ExactDecimal
from app.storage.cursors import cursor_at, older_than
from app.storage.database import Database, reads, writes
from app.storage.tables import ATTEMPTS

_A: Final = ATTEMPTS.c

GROUPS: Final[dict[str, ColumnElement[Any]]] = {
    "model": _A.model,
    "provider": _A.provider,
    "agent": _A.agent_id,
    "key": _A.key_id,
    "route": _A.route,
    "outcome": _A.outcome,
    "code": _A.code,
}
"""What a summary may be grouped by."""

_BUCKETS: Final = {
    "hour": ('YYYY-MM-DD"T"HH24":00:00Z"', "%Y-%m-%dT%H:00:00Z"),
    "day": ('YYYY-MM-DD"T00:00:00Z"', "%Y-%m-%dT00:00:00Z"),
}


class SqlUsageRepository:
    """One row per attempt, also for those that failed or sent nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def append(self, session: AsyncSession, records: Sequence[AttemptRecord]) -> None:
        """Store what is not stored yet: a record that comes again, by its id, changes nothing."""
        if not records:
            return
        await insert(session, records, is_sqlite=self._database.is_sqlite)

    @reads
    async def summary(
        self, session: AsyncSession, *, by: str, group: Sequence[str], since: datetime | None
    ) -> list[dict[str, Any]]:
        """One row per bucket of time and group, oldest first.

        `requests` are distinct request ids, `attempts` the calls that were sent, `unpriced_requests` the requests
        with an attempt that cost something unknown. A request whose attempts fall into two rows counts in both, so
        that `total` is not their sum.
        """
        _check_names(by, group)
        bucket = self._bucket(by)
        keys = [bucket.label("bucket"), *(GROUPS[name].label(name) for name in group)]
        wanted = _since(select(*keys, *self._sums()), since)
        wanted = wanted.group_by(bucket, *(GROUPS[name] for name in group))
        rows = await session.execute(wanted.order_by(bucket, *(GROUPS[name] for name in group)))
        return [{name: row[name] for name in ("bucket", *group)} | _sums_of(row) for row in rows.mappings()]

    @reads
    async def total(self, session: AsyncSession, *, since: datetime | None = None) -> dict[str, Any]:
        """The sums over everything, with the names of a summary's row."""
        return _sums_of((await session.execute(_since(select(*self._sums()), since))).mappings().one())

    @reads
    async def page(
        self, session: AsyncSession, *, limit: int, cursor: str | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of attempts, newest first, and the cursor of the next one; None at the end."""
        wanted = select(ATTEMPTS).order_by(_A.started_at.desc(), _A.id.desc()).limit(limit + 1)
        if cursor is not None:
            wanted = wanted.where(older_than(cursor, _A.started_at, _A.id))
        rows = (await session.execute(wanted)).mappings().all()
        last = rows[limit - 1] if len(rows) > limit else None
        return [_item(row) for row in rows[:limit]], None if last is None else cursor_at(last["started_at"], last["id"])

    def _bucket(self, by: str) -> ColumnElement[Any]:
        postgres_format, sqlite_format = _BUCKETS[by]
        # Literals: the same expression has to be in SELECT and GROUP BY, and two parameters are not the same.
        if self._database.is_sqlite:
            return func.strftime(literal_column(f"'{sqlite_format}'"), _A.started_at)
        return func.to_char(
            func.timezone(literal_column("'UTC'"), _A.started_at), literal_column(f"'{postgres_format}'")
        )

    def _sums(self) -> list[ColumnElement[Any]]:
        exact_sum = func.exact_sum if self._database.is_sqlite else func.sum
        return [
            func.count(_A.request_id.distinct()).label("requests"),
            func.count(case((_A.outcome.not_in(_UNSENT), 1))).label("attempts"),
            func.coalesce(func.sum(_A.input_tokens), 0).label("input_tokens"),
            func.coalesce(func.sum(_A.output_tokens), 0).label("output_tokens"),
            exact_sum(_A.cost_usd, type_=ExactDecimal()).label("cost_usd"),
            func.count(case((_UNPRICED, _A.request_id)).distinct()).label("unpriced_requests"),
        ]


_UNSENT: Final = (AttemptOutcome.SKIPPED.value, AttemptOutcome.CACHED.value)

# A failure without usage used nothing that anybody knows of; an answer without a price cost something.
_UNPRICED: Final = _A.cost_usd.is_(None) & or_(_A.outcome == AttemptOutcome.OK.value, _A.input_tokens.is_not(None))


def _check_names(by: str, group: Sequence[str]) -> None:
    wrong = [Violation("group", f"{name!r} is none of {', '.join(GROUPS)}") for name in group if name not in GROUPS]
    if by not in _BUCKETS:
        wrong.append(Violation("by", f"{by!r} is neither hour nor day"))
    if wrong:
        raise RequestRejected(Code.INVALID_FIELD, wrong[0].message, param=wrong[0].field, violations=wrong)


def _since(wanted: Select[Any], since: datetime | None) -> Select[Any]:
    return wanted if since is None else wanted.where(_A.started_at >= since)


def _sums_of(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a RowMapping, whose values have any type
    cost: Decimal | None = row["cost_usd"]
    if cost is None and not row["unpriced_requests"]:
        cost = Decimal(0)
    counts = ("requests", "attempts", "input_tokens", "output_tokens", "unpriced_requests")
    return {name: int(row[name]) for name in counts} | {"cost_usd": None if cost is None else format(cost, "f")}


def _item(row: Any) -> dict[str, Any]:  # noqa: ANN401 - a RowMapping, whose values have any type
    """An attempt for a list: moments as ISO 8601 with `Z`, money as a decimal string, durations in milliseconds."""
    item: dict[str, Any] = {
        name: format(value, "f") if isinstance(value, Decimal) else value for name, value in row.items()
    }
    item["started_at"] = row["started_at"].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    item["latency_ms"] = _milliseconds(item.pop("duration"))
    item["time_to_first_token_ms"] = _milliseconds(item.pop("time_to_first_token"))
    return item


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
