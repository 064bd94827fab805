from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import Code, StorageUnavailable
from app.domain.target import Target
from app.domain.usage import Usage
from app.ledger.writer import LedgerRules, UsageWriter
from tests.fakes import FakeClock


class Shelf:
    """A repository in memory that can be away; storing an id twice changes nothing."""

    def __init__(self) -> None:
        self.rows: dict[str, AttemptRecord] = {}
        self.batches: list[int] = []
        self.is_away = False
        self.stored = anyio.Event()
        self.hangs = False

    async def append(self, records: Sequence[AttemptRecord]) -> None:
        if self.hangs:
            await anyio.sleep_forever()
        if self.is_away:
            raise StorageUnavailable("the database is away")
        self.batches.append(len(records))
        self.rows.update({record.id: record for record in records})
        self.stored.set()

    async def summary(self, *, by: str, group: Sequence[str], since: datetime | None) -> list[dict[str, Any]]:
        raise NotImplementedError


def record(number: int = 1) -> AttemptRecord:
    return AttemptRecord(
        request_id=f"r{number}",
        ordinal=1,
        target=Target("alpha", "m"),
        kind=AttemptKind.FIRST,
        outcome=AttemptOutcome.ERROR,
        started_at=datetime(2026, 11, 20, 12, 0, 0, 123456, tzinfo=UTC),
        duration=1.25,
        code=Code.PROVIDER_TIMEOUT,
        usage=Usage(10, 5),
        cost_usd=Decimal("0.000000123456789"),
    )


def writer(shelf: Shelf, folder: Path, clock: FakeClock, **rules: Any) -> UsageWriter:
    return UsageWriter(shelf, LedgerRules(spill_path=folder / "spill.jsonl", **rules), now=clock.now)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_records_are_stored_in_batches(shelf: Shelf, clock: FakeClock, tmp_path: Path) -> None:
    ledger = writer(shelf, tmp_path, clock, batch=2)
    for number in range(5):
        ledger.attempt_finished(record(number))

    await ledger.flush()

    assert [2, 2, 1] == shelf.batches
    assert 0 == ledger.depth


async def test_the_job_stores_without_being_asked(shelf: Shelf, clock: FakeClock, tmp_path: Path) -> None:
    ledger = writer(shelf, tmp_path, clock, interval=0.01)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ledger.run)
        ledger.attempt_finished(record())
        with anyio.fail_after(2):
            await shelf.stored.wait()
        tasks.cancel_scope.cancel()

    assert 1 == len(shelf.rows)


async def test_while_the_database_is_away_records_go_to_disk_and_come_back_unchanged(
    shelf: Shelf, clock: FakeClock, tmp_path: Path
) -> None:
    ledger = writer(shelf, tmp_path, clock)
    kept = record()
    shelf.is_away = True
    ledger.attempt_finished(kept)
    await ledger.flush()
    assert (1, 0, {}) == (ledger.spilled, ledger.depth, shelf.rows)

    shelf.is_away = False
    await ledger.flush()

    assert {kept.id: kept} == shelf.rows
    assert not list(tmp_path.iterdir())


async def test_a_replay_that_breaks_off_stores_nothing_twice_and_loses_nothing(
    shelf: Shelf, clock: FakeClock, tmp_path: Path
) -> None:
    ledger = writer(shelf, tmp_path, clock, batch=2)
    shelf.is_away = True
    kept = [record(number) for number in range(5)]
    for one in kept:
        ledger.attempt_finished(one)
    await ledger.flush()
    shelf.is_away = False
    shelf.rows[kept[0].id] = kept[0]

    await ledger.flush()

    assert {one.id for one in kept} == set(shelf.rows)


async def test_beyond_its_bound_the_queue_goes_to_disk(shelf: Shelf, clock: FakeClock, tmp_path: Path) -> None:
    ledger = writer(shelf, tmp_path, clock, queue=2)
    for number in range(3):
        ledger.attempt_finished(record(number))

    assert (2, 1) == (ledger.depth, ledger.spilled)
    await ledger.flush()
    assert 3 == len(shelf.rows)


async def test_a_full_spill_says_what_it_lost(shelf: Shelf, clock: FakeClock, tmp_path: Path) -> None:
    ledger = writer(shelf, tmp_path, clock, spill_max_bytes=10)
    shelf.is_away = True
    ledger.attempt_finished(record())

    await ledger.flush()

    assert (0, 1) == (ledger.spilled, ledger.lost)


async def test_a_cancelled_write_keeps_its_records(shelf: Shelf, clock: FakeClock, tmp_path: Path) -> None:
    ledger = writer(shelf, tmp_path, clock)
    shelf.hangs = True
    ledger.attempt_finished(record())

    with anyio.move_on_after(0.01):
        await ledger.flush()

    assert 1 == ledger.depth


async def test_a_cut_line_of_a_crashed_process_is_passed_over(shelf: Shelf, clock: FakeClock, tmp_path: Path) -> None:
    first = writer(shelf, tmp_path, clock)
    shelf.is_away = True
    first.attempt_finished(record())
    await first.flush()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + b'{"request_id": "cut')
    # A pid beyond what Linux gives out: the process that wrote it is gone.
    file.rename(tmp_path / "spill.4999999.jsonl")

    shelf.is_away = False
    await writer(shelf, tmp_path, clock).flush()

    assert 1 == len(shelf.rows)
    assert not list(tmp_path.iterdir())


async def test_at_the_end_what_cannot_be_stored_is_on_disk(shelf: Shelf, clock: FakeClock, tmp_path: Path) -> None:
    ledger = writer(shelf, tmp_path, clock)
    shelf.is_away = True
    ledger.attempt_finished(record())

    await ledger.drain()

    assert (0, 1) == (ledger.depth, ledger.spilled)
