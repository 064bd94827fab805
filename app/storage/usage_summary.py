"""Sums of usage over any time: whole days and hours from roll-ups, the rest from single attempts, nothing twice.

    since      10:00          00:00            00:00      14:00      until
      |--------|--------------|----------------|----------|----------|
       attempts  cells of hours  cells of days   hours      attempts

What is not rolled up yet is read as single attempts wherever it lies. Everything is read in one snapshot.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    Subquery,
    case,
    cast,
    exists,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Code, RequestRejected, Violation
from app.domain.usage import money
from app.domain.usage_query import GROUPS, UsageFilter
from app.storage.columns import ExactDecimal
from app.storage.exact_money import EXACT, joined
from app.storage.tables import (
    ATTEMPTS,
    USAGE_CELLS,
    USAGE_COUNTS,
    USAGE_LANES,
    USAGE_MARKS,
    USAGE_PATTERN_LANES,
    USAGE_WANDERERS,
)
from app.storage.usage_rows import (
    IS_SENT,
    LANE_UNPRICED,
    UNPRICED,
    began,
    dimensions,
    hour_at,
    hour_of,
    matches,
    matches_attempt,
    start_of,
)
from app.storage.usage_sums import Sums

BUCKETS: Final = {"hour": 1, "day": 24}
MOST_ROWS: Final = 20_000
_A: Final = ATTEMPTS.c
_DAY: Final = 24
_FIRST: Final = -_DAY * 10**7
_LAST: Final = _DAY * 10**7
# Literals: parameters of an unknown type are not what PostgreSQL takes a maximum of.
_ZERO: Final = literal_column("0", Integer)
_ONE: Final = literal_column("1", Integer)
_NOT_OLD: Final = (_ZERO.label("is_old"), _ZERO.label("old_unpriced"))

Key = tuple[Any, ...]
"""The first hour of a bucket, then the values of the dimensions."""


@dataclass(slots=True)
class Figures(Sums):
    """Sums over attempts, and the distinct requests that they belong to, which do not add up."""

    requests: int = 0
    unpriced_requests: int = 0

    def rendered(self) -> dict[str, Any]:
        """As a summary's row has them: money that is wholly unknown is None, never 0."""
        is_known = self.priced or not self.unpriced_requests
        return {
            "requests": self.requests,
            "attempts": self.attempts,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "unpriced_requests": self.unpriced_requests,
            "cost_usd": money(self.cost) if is_known else None,
        }


@dataclass(frozen=True, slots=True)
class _Reach:
    """What is read from where: `spans` are lengths of cells with their hours, `whole` the hours they cover."""

    spans: tuple[tuple[int, int, int], ...]
    whole: tuple[int, int] | None
    edges: tuple[tuple[datetime | None, datetime | None], ...]


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the rows of a summary are: buckets of `width` hours, None for none, and dimensions."""

    group: tuple[str, ...]
    width: int | None
    reach: _Reach

    @property
    def names(self) -> tuple[str, ...]:
        return self.group if self.width is None else ("bucket", *self.group)

    def bucket(self, hour: ColumnElement[Any]) -> list[ColumnElement[Any]]:
        """The first hour of an hour's bucket."""
        if self.width is None:
            return []
        return [(hour - hour % literal_column(str(self.width), BigInteger)).label("bucket")]


class Summing:
    """Summaries of the attempts that a filter matches, within one session."""

    def __init__(self, session: AsyncSession, wanted: UsageFilter, *, is_sqlite: bool) -> None:
        self._session = session
        self._wanted = wanted
        self._hour = hour_of(is_sqlite=is_sqlite)
        self._exact_sum = func.exact_sum if is_sqlite else func.sum

    async def figures(self, group: Sequence[str], width: int | None) -> dict[Key, Figures]:
        """By bucket, of `width` hours, and dimensions; without a width there are no buckets.

        Raises RequestRejected where exact figures are gone, or too many.
        """
        shape = _Shape(tuple(group), width, _reach(self._wanted, width))
        await self._check(shape.reach)
        found: defaultdict[Key, Figures] = defaultdict(Figures)
        for sums, names in await self._with_names(shape, self._of_cells(shape), self._of_attempts(shape)):
            for *key, attempts, tokens_in, tokens_out, priced, dollars, picos, rest in await self._rows(sums):
                row = found[_named(key, names)]
                row.attempts += int(attempts or 0)
                row.input_tokens += int(tokens_in or 0)
                row.output_tokens += int(tokens_out or 0)
                row.priced += int(priced or 0)
                row.cost = EXACT.add(row.cost, joined(int(dollars or 0), int(picos or 0), rest))
        await self._count(shape, found)
        return {key: row for key, row in found.items() if row.requests}

    async def total(self, rows: Iterable[Figures]) -> Figures:
        """The total of `figures`: the sums of its rows, and requests counted anew, since one may be in several."""
        everything: defaultdict[Key, Figures] = defaultdict(Figures)
        total = everything[()]
        for row in rows:
            total.add(row)
        await self._count(_Shape((), None, _reach(self._wanted, None)), everything)
        return total

    async def _count(self, shape: _Shape, found: defaultdict[Key, Figures]) -> None:
        for counts, names in await self._with_names(shape, self._of_counts(shape), self._of_names(shape)):
            for *key, requests, unpriced in await self._rows(counts):
                row = found[_named(key, names)]
                row.requests += int(requests or 0)
                row.unpriced_requests += int(unpriced or 0)

    async def _rows(self, statement: Select[Any]) -> Sequence[Any]:
        rows: Sequence[Any] = (await self._session.execute(statement.limit(MOST_ROWS + 1))).all()
        if len(rows) > MOST_ROWS:
            raise _refused("group", f"more than {MOST_ROWS} rows: ask for fewer groups, a shorter time, or for days")
        return rows

    async def _check(self, reach: _Reach) -> None:
        """Refuse a part of an hour whose single attempts may be gone."""
        mark = await self._session.scalar(select(USAGE_MARKS.c.hour).where(USAGE_MARKS.c.name == "attempts"))
        if mark is None or (reach.whole is None and self._wanted.names_rows):
            return
        for name in ("since", "until"):
            moment = getattr(self._wanted, name)
            if moment is not None and hour_at(moment) < mark and start_of(hour_at(moment)) != moment:
                raise _refused(name, "single attempts of that time are deleted: only whole hours are known")

    async def _with_names(
        self, shape: _Shape, by_number: Iterable[Select[Any]], by_name: Select[Any]
    ) -> list[tuple[Select[Any], dict[int, Key] | None]]:
        """Statements beside what the numbers of groups in their rows stand for; None for rows that have the names."""
        numbered = list(by_number)
        if not numbered or not shape.group:
            return [*((statement, None) for statement in numbered), (by_name, None)]
        lanes = self._lanes(shape)
        wanted = select(lanes.c.number, *(lanes.c[name] for name in shape.group)).distinct()
        names = {number: tuple(values) for number, *values in await self._rows(wanted)}
        return [*((statement, names) for statement in numbered), (by_name, None)]

    def _lanes(self, shape: _Shape) -> Subquery:
        """The lanes that match, and the number of each one's group: sorting numbers takes half the time of names."""
        lanes = USAGE_LANES.c
        keys = dimensions(lanes, shape.group)
        number = [func.dense_rank().over(order_by=keys).label("number")] if keys else []
        return (
            select(lanes.id, LANE_UNPRICED.label("unpriced"), *keys, *number)
            .where(*matches(lanes, self._wanted))
            .subquery()
        )

    def _of_cells(self, shape: _Shape) -> Iterator[Select[Any]]:
        c, lanes = USAGE_CELLS.c, self._lanes(shape)
        keys = [*shape.bucket(c.hour), *([lanes.c.number] if shape.group else [])]
        rest = self._exact_sum(c.cost_rest, type_=ExactDecimal()).filter(c.cost_rest.is_not(None))
        # Of tokens providers may say too much for that.
        tokens = [func.sum(c.input_tokens), func.sum(c.output_tokens)]
        whole = [_sum(c.priced), _sum(c.dollars), _sum(c.picos)]
        sums = select(*keys, _sum(c.attempts), *tokens, *whole, rest).group_by(*keys)
        sums = sums.select_from(USAGE_CELLS.join(lanes, lanes.c.id == c.lane_id))
        for span in shape.reach.spans:
            yield sums.where(*_within(c, span))

    def _of_attempts(self, shape: _Shape) -> Select[Any]:
        """What is read one by one."""
        columns = [IS_SENT.label("is_sent"), _A.input_tokens, _A.output_tokens, _A.cost_usd]
        loose = union_all(*self._single(shape, columns)).subquery().c
        keys = [loose[name] for name in shape.names]
        return select(
            *keys,
            func.count(case((loose.is_sent, _ONE))),
            func.sum(loose.input_tokens),
            func.sum(loose.output_tokens),
            func.count(loose.cost_usd),
            _ZERO,
            _ZERO,
            self._exact_sum(loose.cost_usd, type_=ExactDecimal()),
        ).group_by(*keys)

    def _of_counts(self, shape: _Shape) -> Iterator[Select[Any]]:
        """Requests that are counted, each once in every group that its pattern touches."""
        c, members, lanes = USAGE_COUNTS.c, USAGE_PATTERN_LANES.c, self._lanes(shape)
        keys = [members.pattern_id, *([lanes.c.number] if shape.group else [])]
        touched = select(*keys, func.max(lanes.c.unpriced).label("unpriced")).group_by(*keys)
        groups = touched.select_from(USAGE_PATTERN_LANES.join(lanes, lanes.c.id == members.lane_id)).subquery()
        keys = [*shape.bucket(c.hour), *([groups.c.number] if shape.group else [])]
        counts = select(*keys, _sum(c.requests), _sum(c.requests * groups.c.unpriced)).group_by(*keys)
        counts = counts.select_from(USAGE_COUNTS.join(groups, groups.c.pattern_id == c.pattern_id))
        for span in shape.reach.spans:
            yield counts.where(*_within(c, span))

    def _of_names(self, shape: _Shape) -> Select[Any]:
        """Requests that are told apart by name: wanderers, and those of single attempts.

        One that is in a count of the same group already is not counted again.
        """
        loose = [_A.request_id, _ONE.label("is_loose"), UNPRICED.label("unpriced"), *_NOT_OLD]
        parts = self._single(shape, loose)
        if shape.reach.whole is not None:
            parts += [self._wanderers(shape, shape.reach.whole), self._counted(shape, shape.reach.whole)]
        named = union_all(*parts).subquery().c
        keys = [named[name] for name in shape.names]
        flags = [func.max(named[flag]).label(flag) for flag in ("is_loose", "unpriced", "is_old", "old_unpriced")]
        once = select(*keys, *flags).group_by(*keys, named.request_id).subquery().c
        keys = [once[name] for name in shape.names]
        return select(
            *keys,
            func.count(case(((once.is_loose == _ONE) & (once.is_old == _ZERO), _ONE))),
            func.count(case(((once.unpriced == _ONE) & (once.old_unpriced == _ZERO), _ONE))),
        ).group_by(*keys)

    def _wanderers(self, shape: _Shape, whole: tuple[int, int]) -> Select[Any]:
        w, lanes = USAGE_WANDERERS.c, USAGE_LANES.c
        keys = [*shape.bucket(w.hour), *dimensions(lanes, shape.group)]
        flags = [_ONE.label("is_loose"), LANE_UNPRICED.label("unpriced"), *_NOT_OLD]
        wandering = select(*keys, w.request_id, *flags).select_from(
            USAGE_WANDERERS.join(USAGE_LANES, lanes.id == w.lane_id)
        )
        return wandering.where(w.hour >= whole[0], w.hour < whole[1], *matches(lanes, self._wanted))

    def _counted(self, shape: _Shape, whole: tuple[int, int]) -> Select[Any]:
        """The attempts by which requests that also have one not rolled up yet are in a count."""
        fresh = ATTEMPTS.alias("fresh").c
        flags = [_ZERO.label("is_loose"), _ZERO.label("unpriced"), _ONE.label("is_old"), UNPRICED.label("old_unpriced")]
        return self._attempts(shape, [_A.request_id, *flags]).where(
            _A.is_rolled,
            _A.request_id.in_(select(fresh.request_id).where(~fresh.is_rolled)),
            ~exists().where(USAGE_WANDERERS.c.request_id == _A.request_id),
            *began(start_of(whole[0]), start_of(whole[1])),
        )

    def _single(self, shape: _Shape, columns: Sequence[ColumnElement[Any]]) -> list[Select[Any]]:
        """Attempts that no cell in reach holds: those that are not rolled up, and those of parts of hours."""
        attempts = self._attempts(shape, columns)
        if shape.reach.whole is None:
            return [attempts.where(*began(self._wanted.since, self._wanted.until))]
        fresh = attempts.where(~_A.is_rolled, *began(self._wanted.since, self._wanted.until))
        return [fresh, *(attempts.where(_A.is_rolled, *began(*edge)) for edge in shape.reach.edges)]

    def _attempts(self, shape: _Shape, columns: Sequence[ColumnElement[Any]]) -> Select[Any]:
        keys = [*shape.bucket(self._hour), *dimensions(_A, shape.group)]
        return select(*keys, *columns).where(*matches_attempt(self._wanted))


def _sum(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The sum of what an integer holds: PostgreSQL makes decimals of sums, and its driver takes long to read them."""
    return cast(func.sum(column), BigInteger)


def _named(key: list[Any], names: dict[int, Key] | None) -> Key:
    """The key with its group's names in the place of its number, which comes last."""
    return tuple(key) if names is None else (*key[:-1], *names[key[-1]])


def _within(table: Any, span: tuple[int, int, int]) -> Iterator[ColumnElement[bool]]:  # noqa: ANN401 - a table's columns
    hours, first, last = span
    yield table.hours == hours
    yield table.hour >= first
    yield table.hour < last


def _reach(wanted: UsageFilter, width: int | None) -> _Reach:
    first = _FIRST if wanted.since is None else hour_at(wanted.since)
    last = _LAST if wanted.until is None else hour_at(wanted.until)
    edges: list[tuple[datetime | None, datetime | None]] = []
    if wanted.since is not None and start_of(first) != wanted.since:
        first += 1
        edges.append((wanted.since, start_of(first)))
    if wanted.until is not None and start_of(last) != wanted.until:
        edges.append((start_of(last), wanted.until))
    if first >= last or wanted.names_rows:
        return _Reach((), None, ())
    return _Reach(tuple(_spans(first, last, width)), (first, last), tuple(edges))


def _spans(first: int, last: int, width: int | None) -> Iterator[tuple[int, int, int]]:
    """Lengths of cells, each with the hours from and until which to read them."""
    first_day, last_day = -(-first // _DAY) * _DAY, last // _DAY * _DAY
    if width == 1 or first_day >= last_day:
        yield 1, first, last
        return
    yield _DAY, first_day, last_day
    if first < first_day:
        yield 1, first, first_day
    if last_day < last:
        yield 1, last_day, last


def check_names(by: str, group: Sequence[str]) -> None:
    """Raise RequestRejected for a bucket or a dimension that there is not."""
    wrong = [Violation("group", f"{name!r} is none of {', '.join(GROUPS)}") for name in group if name not in GROUPS]
    if by not in BUCKETS:
        wrong.append(Violation("by", f"{by!r} is neither hour nor day"))
    if wrong:
        raise RequestRejected(Code.INVALID_FIELD, wrong[0].message, param=wrong[0].field, violations=wrong)


def _refused(name: str, message: str) -> RequestRejected:
    return RequestRejected(Code.INVALID_FIELD, message, param=name, violations=[Violation(name, message)])
