"""Attempts on record: once each, summed up exactly, listed newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Code, RequestRejected
from app.domain.target import Target
from app.domain.usage import Usage
from app.domain.usage_query import UsageFilter
from app.storage.database import Database
from app.storage.errors import ValueRefused
from app.storage.usage import SqlUsageRepository
from app.storage.usage_queries import SqlUsageQueries

EVERYTHING = UsageFilter()
MORNING = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
OK = AttemptRecord(
    "req-1",
    1,
    Target("alpha", "alpha-1"),
    AttemptKind.FIRST,
    AttemptOutcome.OK,
    MORNING,
    0.25,
    usage=Usage(100, 20),
    cost_usd=Decimal("0.1"),
    agent_id=7,
)
FAILED = replace(OK, outcome=AttemptOutcome.ERROR, code=Code.PROVIDER_ERROR, usage=None, cost_usd=None)


def _next(record: AttemptRecord, **changes: object) -> AttemptRecord:
    """The same attempt with changes, as another attempt."""
    fresh = AttemptRecord("", 1, record.target, record.kind, record.outcome, record.started_at, 0.0).id
    return replace(record, **({"id": fresh} | changes))  # type: ignore[arg-type]


class Books:
    """What is written, and what is told of it."""

    def __init__(self, database: Database) -> None:
        self.append = SqlUsageRepository(database).append
        self.queries = SqlUsageQueries(database)

    async def total(self, wanted: UsageFilter = EVERYTHING) -> dict[str, Any]:
        return (await self.queries.summary(wanted, by="day", group=()))[1]

    async def rows(self, by: str, group: Sequence[str], wanted: UsageFilter = EVERYTHING) -> list[dict[str, Any]]:
        return (await self.queries.summary(wanted, by=by, group=group))[0]

    async def page(
        self, limit: int, cursor: str | None = None, wanted: UsageFilter = EVERYTHING
    ) -> tuple[list[dict[str, Any]], str | None]:
        return await self.queries.page(wanted, limit=limit, cursor=cursor)


@pytest.fixture
def usage(database: Database) -> Books:
    return Books(database)


async def test_a_record_that_comes_again_changes_nothing(usage: Books) -> None:
    second = _next(OK)
    await usage.append([OK])

    await usage.append([OK, second, OK])

    assert (await usage.total())["attempts"] == 2


async def test_however_many_come_at_once_each_is_stored_once(usage: Books) -> None:
    many = [_next(OK, request_id=f"req-{number}") for number in range(130)]
    await usage.append(many[40:60])

    await usage.append([*many[:120], *many[:70]])
    await usage.append(many)

    page, _ = await usage.page(200)
    assert sorted(item["id"] for item in page) == sorted(record.id for record in many)


async def test_of_a_batch_with_a_value_that_no_column_takes_nothing_is_stored(usage: Books) -> None:
    many = [_next(OK) for _ in range(130)]

    for place in (0, 70, 129):
        with pytest.raises(ValueRefused):
            await usage.append([*many[:place], replace(many[place], agent_id=2**70), *many[place + 1 :]])

    assert (await usage.total())["attempts"] == 0


async def test_two_attempts_of_a_repeated_request_id_are_both_kept(usage: Books) -> None:
    await usage.append([OK, _next(OK)])

    assert (await usage.total()) == {
        "requests": 1,
        "attempts": 2,
        "input_tokens": 200,
        "output_tokens": 40,
        "cost_usd": "0.2",
        "unpriced_requests": 0,
    }


async def test_money_is_summed_to_the_last_digit(usage: Books) -> None:
    tiny = Decimal("0.000000000000000001")
    await usage.append([_next(OK, cost_usd=cost) for cost in (Decimal("1234567.1"), tiny, tiny)])

    assert (await usage.total())["cost_usd"] == "1234567.100000000000000002"


async def test_a_summary_has_a_row_per_bucket_and_group(usage: Books) -> None:
    beta = Target("beta", "beta-1")
    fallback = _next(OK, ordinal=2, target=beta, kind=AttemptKind.FALLBACK)
    await usage.append([FAILED, fallback, _next(OK, request_id="req-2", started_at=MORNING + timedelta(hours=1))])

    by_hour = await usage.rows("hour", ["model"])
    by_day = await usage.rows("day", ["provider", "agent"])

    assert [(row["bucket"], row["model"], row["requests"], row["attempts"], row["cost_usd"]) for row in by_hour] == [
        ("2026-11-20T09:00:00Z", "alpha-1", 1, 1, "0"),
        ("2026-11-20T09:00:00Z", "beta-1", 1, 1, "0.1"),
        ("2026-11-20T10:00:00Z", "alpha-1", 1, 1, "0.1"),
    ]
    assert [(row["bucket"], row["provider"], row["agent"], row["attempts"]) for row in by_day] == [
        ("2026-11-20T00:00:00Z", "alpha", 7, 2),
        ("2026-11-20T00:00:00Z", "beta", 7, 1),
    ]
    assert (await usage.total())["requests"] == 2


async def test_an_unknown_price_is_counted_and_not_called_free(usage: Books) -> None:
    await usage.append([replace(OK, cost_usd=None)])

    total = await usage.total()

    assert (total["cost_usd"], total["unpriced_requests"]) == (None, 1)


async def test_nothing_on_record_cost_nothing(usage: Books) -> None:
    assert (await usage.total())["cost_usd"] == "0"
    assert await usage.rows("day", ["model"]) == []


async def test_an_attempt_that_sent_nothing_is_no_attempt(usage: Books) -> None:
    await usage.append([replace(FAILED, outcome=AttemptOutcome.SKIPPED)])

    assert (await usage.total())["attempts"] == 0


async def test_a_summary_since_a_moment_leaves_out_what_was_before(usage: Books) -> None:
    await usage.append([OK, _next(OK, started_at=MORNING + timedelta(days=1))])

    rows = await usage.rows("day", [], UsageFilter(since=MORNING + timedelta(hours=1)))

    assert [row["bucket"] for row in rows] == ["2026-11-21T00:00:00Z"]


async def test_pages_go_back_in_time_without_gap_or_repetition(usage: Books) -> None:
    records = [_next(OK, started_at=MORNING + timedelta(seconds=number // 2)) for number in range(5)]
    await usage.append(records)

    seen, cursor = [], None
    while True:
        items, cursor = await usage.page(limit=2, cursor=cursor)
        seen += items
        if cursor is None:
            break

    expected = sorted(records, key=lambda record: (record.started_at, record.id), reverse=True)
    assert [item["id"] for item in seen] == [record.id for record in expected]
    assert seen[0]["started_at"] == "2026-11-20T09:30:02.000000Z"
    assert (seen[0]["latency_ms"], seen[0]["cost_usd"]) == (250.0, "0.1")


@pytest.mark.parametrize("cursor", ["x", "!!!", "bm90aGluZw", "é", "MjAyNi0xMS0yMHw5"])
async def test_a_cursor_that_is_not_ours_is_refused_by_name(usage: Books, cursor: str) -> None:
    with pytest.raises(RequestRejected) as raised:
        await usage.page(limit=2, cursor=cursor)

    assert [violation.field for violation in raised.value.violations] == ["cursor"]


async def test_unknown_names_of_a_summary_are_all_named(usage: Books) -> None:
    with pytest.raises(RequestRejected) as raised:
        await usage.rows("week", ["model", "colour"])

    assert {violation.field for violation in raised.value.violations} == {"by", "group"}


async def test_whatever_a_provider_sent_a_row_is_never_refused(usage: Books) -> None:
    hostile = replace(
        OK,
        message="\x00 \ud800",
        usage=Usage(10**30, -5, reported_cost=Decimal("NaN")),
        cost_usd=Decimal("Infinity"),
        target=Target("alpha", "m\x00" * 5000),
    )

    await usage.append([hostile])

    assert (await usage.total())["input_tokens"] == 10**12
