"""Roll-ups: every attempt counts once, whenever it comes, and a summary is what counting by hand says."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Code, RequestRejected
from app.domain.target import Target
from app.domain.usage import Usage
from app.domain.usage_query import UsageFilter
from app.storage.database import Database, open_database
from app.storage.exact_money import EXACT, joined, split
from app.storage.rollups import SqlRollUps
from app.storage.usage import SqlUsageRepository
from app.storage.usage_queries import SqlUsageQueries

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLES = (
    "attempts", "usage_cells", "usage_counts", "usage_wanderers", "usage_pattern_lanes", "usage_patterns",
    "usage_lanes", "usage_marks",
)  # fmt: skip
EVERYTHING = UsageFilter()
Row = dict[str, Any]


class Books:
    """One database, written, rolled up and asked."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.append = SqlUsageRepository(database).append
        self.rollups = SqlRollUps(database)
        self.queries = SqlUsageQueries(database)

    async def roll(self, limit: int = 500) -> None:
        while await self.rollups.roll(limit):
            pass

    async def count(self, table: str) -> int:
        found: Any = await self.database.read(lambda session: session.execute(text(f"SELECT count(*) FROM {table}")))
        return int(found.scalar_one())

    async def empty(self) -> None:
        async def delete(session: Any) -> None:
            for table in TABLES:
                await session.execute(text(f"DELETE FROM {table}"))

        await self.database.write(delete)

    async def total(self, wanted: UsageFilter = EVERYTHING) -> Row:
        return (await self.queries.summary(wanted, by="day", group=()))[1]


@pytest.fixture
def books(database: Database) -> Books:
    return Books(database)


def attempt(request: str = "r", minutes: float = 0, **changes: Any) -> AttemptRecord:
    """An attempt that many minutes after noon."""
    record = AttemptRecord(
        request,
        1,
        Target("alpha", "alpha-1"),
        AttemptKind.FIRST,
        AttemptOutcome.OK,
        NOON + timedelta(minutes=minutes),
        0.25,
        usage=Usage(100, 20),
        cost_usd=Decimal("0.1"),
    )
    return replace(record, **changes)


def by_hand(records: Iterable[AttemptRecord], wanted: UsageFilter, group: Sequence[str], width: int | None) -> Any:
    """The summary of these attempts, counted one by one."""
    found: defaultdict[tuple[Any, ...], Row] = defaultdict(
        lambda: {
            "requests": set(),
            "attempts": 0,
            "input_tokens": 0,
            "output_tokens": 0,
            "costs": [],
            "unpriced": set(),
        }
    )
    for record in records:
        if not _is_wanted(record, wanted):
            continue
        hour = int(record.started_at.timestamp()) // 3600
        bucket = [] if width is None else [datetime.fromtimestamp(hour // width * width * 3600, UTC)]
        row = found[*bucket, *(_dimension(record, name) for name in group)]
        row["requests"].add(record.request_id)
        row["attempts"] += record.outcome not in {AttemptOutcome.SKIPPED, AttemptOutcome.CACHED}
        if record.usage is not None:
            row["input_tokens"] += record.usage.input_tokens
            row["output_tokens"] += record.usage.output_tokens
        if record.cost_usd is not None:
            row["costs"].append(record.cost_usd)
        elif record.outcome is AttemptOutcome.OK or record.usage is not None:
            row["unpriced"].add(record.request_id)
    return {key: _told(row) for key, row in found.items()}


def _told(row: Row) -> Row:
    costs, unpriced = row.pop("costs"), len(row.pop("unpriced"))
    known = costs or not unpriced
    return row | {
        "requests": len(row["requests"]),
        "unpriced_requests": unpriced,
        "cost_usd": reduce(EXACT.add, costs, Decimal(0)) if known else None,
    }


def _dimension(record: AttemptRecord, name: str) -> Any:
    return {
        "model": record.target.model,
        "provider": record.target.provider,
        "agent": record.agent_id,
        "key": record.key_id,
        "route": record.route,
        "symbol": record.symbol,
        "strategy": record.strategy,
        "outcome": record.outcome.value,
        "code": None if record.code is None else record.code.value,
    }[name]


def _is_wanted(record: AttemptRecord, wanted: UsageFilter) -> bool:
    chosen = ("model", "provider", "agent", "symbol", "outcome")
    return (
        (wanted.since is None or record.started_at >= wanted.since)
        and (wanted.until is None or record.started_at < wanted.until)
        and all(getattr(wanted, name) in (None, _dimension(record, name)) for name in chosen)
        and wanted.request_id in (None, record.request_id)
    )


def told(rows: Sequence[Row], group: Sequence[str]) -> Any:
    """A summary's rows in the form of `by_hand`."""
    found = {}
    for row in rows:
        values = {name: row[name] for name in row if name not in {*group, "bucket"}}
        values["cost_usd"] = None if values["cost_usd"] is None else Decimal(values["cost_usd"])
        bucket = [datetime.fromisoformat(row["bucket"])] if "bucket" in row else []
        found[*bucket, *(row[name] for name in group)] = values
    return found


COSTS = st.sampled_from([None, Decimal(0), Decimal("0.1"), Decimal("1e-18"), Decimal("37.0000000375"), Decimal("1e13")])
RECORDS = st.builds(
    attempt,
    request=st.sampled_from([f"r{number}" for number in range(5)]),
    # Three days around noon, most of them close together, and often on the border of an hour.
    minutes=st.one_of(
        st.sampled_from([-780, -720, -60, -1 / 60, 0, 30, 59.99, 60, 719.99, 720, 1500]),
        st.integers(-200, 200),
    ),
    target=st.sampled_from([Target("alpha", "alpha-1"), Target("beta", "beta-1"), Target("beta", "alpha-1")]),
    outcome=st.sampled_from(list(AttemptOutcome)),
    code=st.sampled_from([None, Code.PROVIDER_ERROR]),
    usage=st.sampled_from([None, Usage(100, 20), Usage(1, 0)]),
    cost_usd=COSTS,
    agent_id=st.sampled_from([None, 7, 8]),
    symbol=st.sampled_from([None, "BTC/USDT"]),
)
STEPS = st.lists(st.one_of(st.lists(RECORDS, min_size=1, max_size=6), st.integers(1, 7)), min_size=1, max_size=8)
MOMENTS = st.one_of(st.none(), st.integers(-300, 300), st.sampled_from([-720, 0, 60, 720, 0.5]))
FILTERS = st.builds(
    lambda since, until, **chosen: UsageFilter(_at(since), _at(until), **chosen),
    MOMENTS,
    MOMENTS,
    model=st.sampled_from([None, None, "alpha-1"]),
    agent=st.sampled_from([None, None, 7]),
    outcome=st.sampled_from([None, None, "ok"]),
    request_id=st.sampled_from([None, None, None, "r1"]),
)
GROUPINGS = st.lists(
    st.sampled_from(["model", "provider", "agent", "symbol", "outcome", "code"]), max_size=3, unique=True
)


def _at(minutes: float | None) -> datetime | None:
    return None if minutes is None else NOON + timedelta(minutes=minutes)


@settings(
    max_examples=40,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=STEPS, wanted=FILTERS, group=GROUPINGS, by=st.sampled_from(["hour", "day"]))
async def test_whatever_came_when_and_was_rolled_up_when_a_summary_is_what_counting_says(
    books: Books, steps: list[list[AttemptRecord] | int], wanted: UsageFilter, group: list[str], by: str
) -> None:
    await books.empty()
    records: list[AttemptRecord] = []
    for step in steps:
        if isinstance(step, int):
            await books.rollups.roll(step)
        else:
            # Each batch comes twice, as after a commit of which nobody heard.
            batch = [replace(record, id=f"{len(records) + position:032x}") for position, record in enumerate(step)]
            records += batch
            await books.append(batch)
            await books.append(batch)
        rows, total = await books.queries.summary(wanted, by=by, group=group)
        assert told(rows, group) == by_hand(records, wanted, group, {"hour": 1, "day": 24}[by])
        if total["requests"]:
            assert told([total], ()) == by_hand(records, wanted, (), None)
        everywhere, _ = await books.queries.totals(wanted, group=group)
        assert told(everywhere, group) == by_hand(records, wanted, group, None)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_money_in_parts_is_the_same_money(amount: Decimal) -> None:
    dollars, picos, rest = split(amount)

    assert joined(dollars, picos, rest) == amount
    assert 0 <= picos < 10**12


async def test_a_late_attempt_counts_once_in_its_own_hour(books: Books) -> None:
    await books.append([attempt("a"), attempt("b", 300)])
    await books.roll()

    late = attempt("c", 10)
    await books.append([late])
    await books.roll()
    await books.append([late])
    await books.roll()

    rows, total = await books.queries.summary(EVERYTHING, by="hour", group=())
    assert [(row["bucket"], row["requests"]) for row in rows] == [
        ("2026-11-20T12:00:00Z", 2),
        ("2026-11-20T17:00:00Z", 1),
    ]
    assert total["cost_usd"] == "0.3"


async def test_a_request_whose_attempts_are_rolled_up_apart_stays_one_request(books: Books) -> None:
    for record in (attempt("a"), attempt("a", 1, target=Target("beta", "b")), attempt("a", 200), attempt("a", 2000)):
        await books.append([record])
        await books.roll()

    assert (await books.total())["requests"] == 1
    by_model, _ = await books.queries.totals(EVERYTHING, group=["provider"])
    assert [(row["provider"], row["requests"]) for row in by_model] == [("alpha", 1), ("beta", 1)]


async def test_two_processes_that_roll_up_at_once_count_every_attempt_once(url: str) -> None:
    async with open_database(url) as one, open_database(url) as other:
        first, second = Books(one), Books(other)
        await first.append([attempt(f"r{number % 40}", number) for number in range(200)])

        while await first.count("attempts WHERE NOT is_rolled"):
            await asyncio.gather(first.rollups.roll(30), second.rollups.roll(30))

        assert (await second.total()) | {"cost_usd": None} == {
            "requests": 40,
            "attempts": 200,
            "input_tokens": 20_000,
            "output_tokens": 4_000,
            "unpriced_requests": 0,
            "cost_usd": None,
        }


async def test_a_summary_is_the_same_after_its_attempts_are_gone(books: Books) -> None:
    records = [attempt(f"r{number // 2}", number * 7) for number in range(100)]
    await books.append(records)
    await books.roll()
    before = await books.queries.summary(EVERYTHING, by="hour", group=["model"])

    while await books.rollups.forget_attempts(NOON + timedelta(hours=5, minutes=30), 10):
        pass

    assert await books.queries.summary(EVERYTHING, by="hour", group=["model"]) == before
    kept = [record for record in records if record.started_at >= NOON + timedelta(hours=5)]
    assert await books.count("attempts") == len(kept)


async def test_an_attempt_that_is_not_rolled_up_is_never_deleted_nor_what_it_belongs_to(books: Books) -> None:
    await books.append([attempt("a"), attempt("b")])
    await books.roll()
    await books.append([attempt("a", 1)])

    assert await books.rollups.forget_attempts(NOON + timedelta(days=1), 10) == 1
    assert await books.count("attempts") == 2

    await books.roll()
    assert await books.rollups.forget_attempts(NOON + timedelta(days=1), 10) == 2
    assert ((await books.total())["requests"], (await books.total())["attempts"]) == (2, 3)


async def test_a_part_of_an_hour_whose_attempts_are_gone_is_refused_and_whole_hours_are_told(books: Books) -> None:
    await books.append([attempt("a", 30), attempt("b", 90)])
    await books.roll()
    await books.rollups.forget_attempts(NOON + timedelta(days=1), 10)

    with pytest.raises(RequestRejected) as raised:
        await books.total(UsageFilter(since=NOON + timedelta(minutes=20)))

    assert [violation.field for violation in raised.value.violations] == ["since"]
    assert (await books.total(UsageFilter(since=NOON + timedelta(hours=1))))["requests"] == 1


async def test_roll_ups_are_forgotten_by_whole_days(books: Books) -> None:
    await books.append([attempt("a", -2 * 1440), attempt("b", -1440), attempt("c")])
    await books.roll()
    await books.rollups.forget_attempts(NOON, 10)

    forgotten = 0
    while cells := await books.rollups.forget_cells(NOON):
        forgotten += cells

    assert forgotten == 4
    rows, _ = await books.queries.summary(EVERYTHING, by="day", group=())
    assert [row["bucket"] for row in rows] == ["2026-11-20T00:00:00Z"]


async def test_the_first_attempt_is_known_to_the_hour_when_it_is_gone(books: Books) -> None:
    assert await books.queries.first() is None
    await books.append([attempt("a", 12)])
    await books.roll()

    assert await books.queries.first() == NOON + timedelta(minutes=12)
    await books.rollups.forget_attempts(NOON + timedelta(days=1), 10)
    assert await books.queries.first() == NOON
