"""Health samples in the database: written in batches, forgotten in slices, read one by one or in buckets of time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, Select, case, cast, delete, extract, func, literal_column, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.health import HealthSample, HistoryWindow
from app.storage.columns import storable
from app.storage.cursors import cursor_at, older_than, place_of
from app.storage.database import Database, reads, writes
from app.storage.tables import HEALTH_SAMPLES

_H: Final = HEALTH_SAMPLES.c
_STATUSES: Final = ("healthy", "degraded", "down")
_CIRCUITS: Final = ("closed", "half_open", "open")


class SqlHealthRepository:
    """Samples of every provider that was ever configured."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def append(self, session: AsyncSession, samples: Sequence[HealthSample]) -> None:
        """Store what is not stored yet: a sample that comes again, by its id, changes nothing."""
        if not samples:
            return
        dialect = sqlite if self._database.is_sqlite else postgresql
        statement = dialect.insert(HEALTH_SAMPLES).on_conflict_do_nothing(index_elements=["id"])
        await session.execute(statement, [_row_of(sample) for sample in samples])

    @writes
    async def forget(self, session: AsyncSession, before: datetime, limit: int) -> int:
        """Delete at most `limit` samples from before this moment; how many it were."""
        oldest = select(_H.id).where(_H.at < before).order_by(_H.at, _H.id).limit(limit)
        deleted: Any = await session.execute(delete(HEALTH_SAMPLES).where(_H.id.in_(oldest)))
        return int(deleted.rowcount)

    @reads
    async def page(
        self, session: AsyncSession, provider: str | None, window: HistoryWindow, *, limit: int, cursor: str | None
    ) -> tuple[list[HealthSample], str | None]:
        """A page of samples, or of buckets, newest first, and the cursor of the next one; None at the end.

        Without a provider the samples of all, one by one.
        """
        if window.step is not None and provider is not None:
            return await self._buckets(session, provider, window, limit, cursor)
        wanted = _inside(select(HEALTH_SAMPLES), provider, window).order_by(_H.at.desc(), _H.id.desc())
        if cursor is not None:
            wanted = wanted.where(older_than(cursor, _H.at, _H.id))
        rows = (await session.execute(wanted.limit(limit + 1))).mappings().all()
        found = [HealthSample(**row) for row in rows[:limit]]
        return found, cursor_at(found[-1].at, found[-1].id) if len(rows) > limit else None

    @reads
    async def total(self, session: AsyncSession, provider: str, window: HistoryWindow) -> HealthSample | None:
        """Everything in the window as one; None without any sample."""
        row = (await session.execute(_inside(select(*_sums()), provider, window))).mappings().one()
        return _summed(row, provider, window.since) if row["samples"] else None

    async def _buckets(
        self, session: AsyncSession, provider: str, window: HistoryWindow, limit: int, cursor: str | None
    ) -> tuple[list[HealthSample], str | None]:
        bucket = self._bucket(window.step or 1)
        wanted = _inside(select(bucket.label("bucket"), *_sums()), provider, window)
        if cursor is not None:
            wanted = wanted.where(_H.at < place_of(cursor)[0])
        wanted = wanted.group_by(bucket).order_by(bucket.desc()).limit(limit + 1)
        rows = (await session.execute(wanted)).mappings().all()
        found = [_summed(row, provider, datetime.fromtimestamp(int(row["bucket"]), UTC)) for row in rows[:limit]]
        return found, cursor_at(found[-1].at, "") if len(rows) > limit else None

    def _bucket(self, step: int) -> ColumnElement[Any]:
        """The second at which a sample's bucket begins."""
        # A literal: the same expression has to be in SELECT and GROUP BY, and two parameters are not the same.
        width = literal_column(str(int(step)), BigInteger)
        if self._database.is_sqlite:
            seconds = cast(func.strftime(literal_column("'%s'"), _H.at), BigInteger)
        else:
            seconds = cast(func.floor(extract("epoch", _H.at)), BigInteger)
        return seconds - seconds % width


def _row_of(sample: HealthSample) -> dict[str, Any]:
    row = asdict(sample)
    del row["samples"]
    row["provider"] = storable(sample.provider)
    row["last_error"] = None if sample.last_error is None else storable(sample.last_error)
    return row


def _inside(wanted: Select[Any], provider: str | None, window: HistoryWindow) -> Select[Any]:
    wanted = wanted.where(_H.at >= window.since, _H.at < window.until)
    return wanted if provider is None else wanted.where(_H.provider == storable(provider))


def _sums() -> list[ColumnElement[Any]]:
    return [
        func.count().label("samples"),
        func.max(_rank(_H.status, _STATUSES)).label("status"),
        func.max(_rank(_H.circuit, _CIRCUITS)).label("circuit"),
        *(func.coalesce(func.sum(_H[name]), 0).label(name) for name in ("requests", "failures", "looks", "looks_up")),
        func.avg(_H.p50).label("p50"),
        func.max(_H.p95).label("p95"),
        func.max(_H.in_flight).label("in_flight"),
    ]


def _rank(column: ColumnElement[Any], names: tuple[str, ...]) -> ColumnElement[Any]:
    """How bad a state is, so that the worst of several is their maximum."""
    return case(*((column == name, literal_column(str(rank))) for rank, name in enumerate(names)), else_=0)


def _summed(row: Any, provider: str, at: datetime) -> HealthSample:  # noqa: ANN401 - a RowMapping, whose values have any type
    return HealthSample(
        provider=provider,
        at=at,
        status=_STATUSES[row["status"]],
        circuit=_CIRCUITS[row["circuit"]],
        requests=int(row["requests"]),
        failures=int(row["failures"]),
        looks=int(row["looks"]),
        looks_up=int(row["looks_up"]),
        in_flight=row["in_flight"],
        samples=row["samples"],
        p50=row["p50"],
        p95=row["p95"],
        id="",
    )
