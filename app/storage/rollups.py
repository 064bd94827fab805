"""Rolls attempts up into cells and counts, each exactly once, and deletes what is rolled up and old.

An attempt is rolled up by the transaction that marks it; one process at a time does either.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from operator import itemgetter
from typing import Any, Final

import orjson
from sqlalchemy import RowMapping, Select, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.database import Database, writes
from app.storage.exact_money import joined
from app.storage.tables import (
    ATTEMPTS,
    USAGE_CELLS,
    USAGE_COUNTS,
    USAGE_LANES,
    USAGE_MARKS,
    USAGE_PATTERN_LANES,
    USAGE_PATTERNS,
    USAGE_WANDERERS,
)
from app.storage.usage_rows import COLUMNS, IS_SENT, UNPRICED, hour_at, hour_of
from app.storage.usage_sums import Sums

_A: Final = ATTEMPTS.c
_DAY: Final = 24
# Any number that no other lock of ours has: "usage" in ASCII.
_LOCK: Final = 0x7573616765
_LANE: Final = (*COLUMNS.values(), "is_unpriced")

Lane = tuple[Any, ...]

_lane: Final[Callable[[Any], Lane]] = itemgetter(*_LANE)
"""The lane of a row: what the database calls a digest is made of it once for all of its rows."""

Place = tuple[int, int]
"""An hour and a lane."""


class SqlRollUps:
    """The roll-ups of usage."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dialect: Any = sqlite if database.is_sqlite else postgresql

    @writes
    async def roll(self, session: AsyncSession, limit: int) -> int:
        """Roll up at most `limit` attempts, the oldest first; how many it were, 0 also while another process does."""
        if not await self._has_turn(session):
            return 0
        oldest = self._attempts().add_columns(_A.id).where(~_A.is_rolled).order_by(_A.started_at, _A.id).limit(limit)
        rows = (await session.execute(oldest)).mappings().all()
        if not rows:
            return 0
        lanes = await self._lanes(session, rows)
        await self._add_to_cells(session, rows, lanes)
        await self._count(session, _places(rows, lanes))
        await session.execute(update(ATTEMPTS).where(_A.id.in_([row["id"] for row in rows])).values(is_rolled=True))
        return len(rows)

    @writes
    async def forget_attempts(self, session: AsyncSession, before: datetime, limit: int) -> int:
        """Delete about `limit` attempts that began before the hour of this moment; how many it were.

        A request whose attempts lie in one hour goes as a whole, and none goes before all of it is rolled up: what is
        rolled up later must still find what was counted.
        """
        hour = hour_at(before)
        old = (_A.started_at < before.replace(minute=0, second=0, microsecond=0), _A.is_rolled)
        if not await self._has_turn(session):
            return 0
        oldest = select(_A.request_id).where(*old).order_by(_A.started_at, _A.id).limit(limit)
        requests = set(await session.scalars(oldest))
        late = select(_A.request_id).where(~_A.is_rolled, _A.request_id.in_(requests))
        requests -= set(await session.scalars(late))
        if not requests:
            return 0
        mark = self._dialect.insert(USAGE_MARKS).values(name="attempts", hour=hour)
        later = {"hour": mark.excluded.hour}
        await session.execute(
            mark.on_conflict_do_update(
                index_elements=["name"], set_=later, where=USAGE_MARKS.c.hour < mark.excluded.hour
            )
        )
        deleted: Any = await session.execute(delete(ATTEMPTS).where(_A.request_id.in_(requests), *old))
        return int(deleted.rowcount)

    @writes
    async def forget_cells(self, session: AsyncSession, before: datetime) -> int:
        """Delete the oldest day of roll-ups that ended before this moment's day; how many cells that were."""
        cut = hour_at(before) // _DAY * _DAY
        if not await self._has_turn(session):
            return 0
        oldest = await session.scalar(select(func.min(USAGE_CELLS.c.hour)).where(USAGE_CELLS.c.hours == _DAY))
        if oldest is None or oldest >= cut:
            return 0
        for table in (USAGE_COUNTS, USAGE_WANDERERS):
            await session.execute(delete(table).where(table.c.hour < oldest + _DAY))
        deleted: Any = await session.execute(delete(USAGE_CELLS).where(USAGE_CELLS.c.hour < oldest + _DAY))
        return int(deleted.rowcount)

    async def _has_turn(self, session: AsyncSession) -> bool:
        # On SQLite the transaction itself is the turn: it holds the write lock.
        if self._database.is_sqlite:
            return True
        return bool(await session.scalar(text(f"SELECT pg_try_advisory_xact_lock({_LOCK})")))

    def _attempts(self) -> Select[Any]:
        """Attempts as the roll-up reads them."""
        return select(
            _A.request_id,
            hour_of(is_sqlite=self._database.is_sqlite).label("hour"),
            *(_A[name] for name in COLUMNS.values()),
            UNPRICED.label("is_unpriced"),
            IS_SENT.label("is_sent"),
            _A.input_tokens,
            _A.output_tokens,
            _A.cost_usd,
        )

    async def _lanes(self, session: AsyncSession, rows: Iterable[RowMapping]) -> dict[Lane, int]:
        """The ids of these rows' lanes; those that are new are made."""
        wanted = {_digest([*lane[:-1], int(lane[-1])]): lane for lane in {_lane(row) for row in rows}}
        fresh = [
            {"digest": digest} | dict(zip(_LANE, lane, strict=True)) | {"is_unpriced": bool(lane[-1])}
            for digest, lane in wanted.items()
        ]
        ids = await self._numbered(session, USAGE_LANES, fresh)
        return {lane: ids[digest] for digest, lane in wanted.items()}

    async def _numbered(self, session: AsyncSession, table: Any, rows: Sequence[dict[str, Any]]) -> dict[str, int]:  # noqa: ANN401 - a table
        """The ids of rows by digest; those that are not there are inserted."""
        known = select(table.c.digest, table.c.id).where(table.c.digest.in_([row["digest"] for row in rows]))
        found = {row.digest: row.id for row in await session.execute(known)}
        if missing := [row for row in rows if row["digest"] not in found]:
            await session.execute(table.insert(), missing)
            found = {row.digest: row.id for row in await session.execute(known)}
        return found

    async def _add_to_cells(self, session: AsyncSession, rows: Iterable[RowMapping], lanes: Mapping[Lane, int]) -> None:
        added: defaultdict[tuple[int, int, int], Sums] = defaultdict(Sums)
        for row in rows:
            sums, lane = _sums_of(row), lanes[_lane(row)]
            for hours in (1, _DAY):
                added[hours, row["hour"] // hours * hours, lane].add(sums)
        c = USAGE_CELLS.c
        there = select(USAGE_CELLS).where(
            c.hours.in_((1, _DAY)),
            c.lane_id.in_({lane for _, _, lane in added}),
            c.hour.in_({hour for _, hour, _ in added}),
        )
        for row in (await session.execute(there)).mappings():
            key = row["hours"], row["hour"], row["lane_id"]
            if key in added:
                added[key].add(_stored(row))
        keys = ("hours", "hour", "lane_id")
        await self._put(
            session,
            USAGE_CELLS,
            keys,
            [dict(zip(keys, key, strict=True)) | sums.columns() for key, sums in sorted(added.items(), key=_first)],
        )

    async def _count(self, session: AsyncSession, touched: Mapping[str, set[Place]]) -> None:
        """Put each request into the count, or among the wanderers, where it belongs with these places added."""
        w = USAGE_WANDERERS.c
        wanderers = set(await session.scalars(select(w.request_id).distinct().where(w.request_id.in_(touched))))
        before = await self._counted(session, touched.keys() - wanderers)
        moves: defaultdict[tuple[int, frozenset[int]], int] = defaultdict(int)
        wandering: list[tuple[str, Place]] = []
        for request, places in touched.items():
            known = before.get(request, set())
            after = known | places
            if request in wanderers or len({hour for hour, _ in after}) > 1:
                wandering += [(request, place) for place in after]
            elif after != known:
                moves[_pattern(after)] += 1
            else:
                continue
            if known:
                moves[_pattern(known)] -= 1
        if wandering:
            rows = [{"request_id": name, "hour": hour, "lane_id": lane} for name, (hour, lane) in wandering]
            await session.execute(self._dialect.insert(USAGE_WANDERERS).on_conflict_do_nothing(), rows)
        await self._move(session, {move: by for move, by in moves.items() if by})

    async def _counted(self, session: AsyncSession, requests: Iterable[str]) -> dict[str, set[Place]]:
        """The places in which these requests are counted so far: those of their attempts that are rolled up."""
        rolled = self._attempts().with_only_columns(
            _A.request_id,
            hour_of(is_sqlite=self._database.is_sqlite).label("hour"),
            *(_A[name] for name in COLUMNS.values()),
            UNPRICED.label("is_unpriced"),
        )
        found = await session.execute(rolled.distinct().where(_A.request_id.in_(requests), _A.is_rolled))
        rows = found.mappings().all()
        return _places(rows, await self._lanes(session, rows)) if rows else {}

    async def _move(self, session: AsyncSession, moves: Mapping[tuple[int, frozenset[int]], int]) -> None:
        """Change counts by as much as is said for each hour and pattern."""
        if not moves:
            return
        patterns = await self._patterns(session, {lanes for _, lanes in moves})
        changes: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        for (hour, lanes), by in moves.items():
            for hours in (1, _DAY):
                changes[hours, hour // hours * hours, patterns[lanes]] += by
        keys = ("hours", "hour", "pattern_id")
        rows = [dict(zip(keys, key, strict=True)) | {"requests": by} for key, by in sorted(changes.items()) if by]
        if rows:
            insert = self._dialect.insert(USAGE_COUNTS)
            grown = {"requests": USAGE_COUNTS.c.requests + insert.excluded.requests}
            await session.execute(insert.on_conflict_do_update(index_elements=keys, set_=grown), rows)

    async def _patterns(self, session: AsyncSession, wanted: Iterable[frozenset[int]]) -> dict[frozenset[int], int]:
        digests = {_digest(sorted(lanes)): lanes for lanes in wanted}
        ids = await self._numbered(session, USAGE_PATTERNS, [{"digest": digest} for digest in digests])
        members = [{"pattern_id": ids[digest], "lane_id": lane} for digest in digests for lane in digests[digest]]
        await session.execute(self._dialect.insert(USAGE_PATTERN_LANES).on_conflict_do_nothing(), members)
        return {lanes: ids[digest] for digest, lanes in digests.items()}

    async def _put(
        self,
        session: AsyncSession,
        table: Any,  # noqa: ANN401 - a table
        keys: Sequence[str],
        rows: Sequence[dict[str, Any]],
    ) -> None:
        """Insert rows, or give those that are there the new values."""
        insert = self._dialect.insert(table)
        values = {name: insert.excluded[name] for name in rows[0] if name not in keys}
        await session.execute(insert.on_conflict_do_update(index_elements=keys, set_=values), rows)


def _places(rows: Iterable[RowMapping], lanes: Mapping[Lane, int]) -> dict[str, set[Place]]:
    """By request, the hours and lanes in which its attempts lie."""
    places: defaultdict[str, set[Place]] = defaultdict(set)
    for row in rows:
        places[row["request_id"]].add((row["hour"], lanes[_lane(row)]))
    return places


def _pattern(places: Iterable[Place]) -> tuple[int, frozenset[int]]:
    """The one hour of these places, and their lanes."""
    hours, lanes = zip(*places, strict=True)
    return hours[0], frozenset(lanes)


def _sums_of(row: RowMapping) -> Sums:
    cost = row["cost_usd"]
    return Sums(
        attempts=int(row["is_sent"]),
        input_tokens=row["input_tokens"] or 0,
        output_tokens=row["output_tokens"] or 0,
        priced=int(cost is not None),
        cost=Decimal(0) if cost is None else cost,
    )


def _stored(row: RowMapping) -> Sums:
    cost = joined(row["dollars"], row["picos"], row["cost_rest"])
    return Sums(row["attempts"], row["input_tokens"], row["output_tokens"], row["priced"], cost)


def _digest(values: Sequence[Any]) -> str:
    return hashlib.blake2b(orjson.dumps(values), digest_size=16).hexdigest()


def _first(pair: tuple[tuple[int, int, int], object]) -> tuple[int, int, int]:
    return pair[0]
