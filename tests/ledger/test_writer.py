"""Usage gets on record once, whatever the database does meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from app.domain.attempt import AttemptRecord
from app.ledger.lines import line_of
from app.ledger.spill import Spill
from app.ledger.writer import LedgerRules, UsageWriter
from tests.ledger.conftest import Repository, record


def _give(writer: UsageWriter, count: int, first: int = 0) -> list[AttemptRecord]:
    records = [record(number) for number in range(first, first + count)]
    for each in records:
        writer.attempt_finished(each)
    return records


def _ids(records: list[AttemptRecord]) -> set[str]:
    return {each.id for each in records}


def _holds(repository: Repository, count: int) -> Callable[[], bool]:
    return lambda: len(repository.rows) == count


def _files(rules: LedgerRules) -> list[Path]:
    return sorted(rules.spill_path.parent.glob("*"))


async def test_records_are_written_in_batches(repository: Repository, rules: LedgerRules) -> None:
    writer = UsageWriter(repository, rules)
    records = _give(writer, 10)

    await writer.drain()

    assert set(repository.rows) == _ids(records)
    assert repository.batches == [4, 4, 2]
    assert (writer.depth, writer.spilled, writer.lost) == (0, 0, 0)
    assert _files(rules) == []


async def test_a_record_shows_without_a_full_batch(repository: Repository, rules: LedgerRules) -> None:
    writer = UsageWriter(repository, rules)
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        _give(writer, 1)

        await repository.until(lambda: len(repository.rows) == 1)
        jobs.cancel_scope.cancel()


async def test_a_full_batch_does_not_wait_for_the_interval(repository: Repository, rules: LedgerRules) -> None:
    writer = UsageWriter(repository, replace(rules, interval=3600.0))
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        _give(writer, 4)
        await repository.until(lambda: len(repository.rows) == 4)
        _give(writer, 4, first=4)

        await repository.until(lambda: len(repository.rows) == 8)
        jobs.cancel_scope.cancel()


async def test_over_capacity_goes_to_disk_and_is_counted(repository: Repository, rules: LedgerRules) -> None:
    writer = UsageWriter(repository, rules)

    records = _give(writer, 13)

    assert (writer.depth, writer.spilled, writer.lost) == (10, 3, 0)
    await writer.drain()
    assert set(repository.rows) == _ids(records)
    assert _files(rules) == []


async def test_an_outage_ends_with_every_record_once(repository: Repository, rules: LedgerRules) -> None:
    writer = UsageWriter(repository, rules)
    repository.is_away = True
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        records = _give(writer, 9)
        await repository.until(lambda: writer.spilled == 9)
        assert writer.depth == 0
        records += _give(writer, 3, first=9)

        repository.is_away = False

        await repository.until(lambda: len(repository.rows) == 12)
        jobs.cancel_scope.cancel()
    await writer.drain()
    assert set(repository.rows) == _ids(records)
    assert _files(rules) == []


async def test_a_batch_whose_answer_never_came_is_offered_again_and_stored_once(
    repository: Repository, rules: LedgerRules
) -> None:
    writer = UsageWriter(repository, rules)
    repository.silent_after_storing = True
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        records = _give(writer, 3)
        await repository.until(lambda: len(repository.rows) == 3)
        jobs.cancel_scope.cancel()
    repository.silent_after_storing = False

    await writer.drain()

    assert set(repository.rows) == _ids(records)
    assert repository.batches == [3, 3]


async def test_at_the_end_a_silent_database_costs_only_the_given_time(
    repository: Repository, rules: LedgerRules
) -> None:
    repository.silent_after_storing = True
    writer = UsageWriter(repository, rules)
    records = _give(writer, 9)

    with anyio.fail_after(2):
        await writer.drain(within=0.05)

    repository.rows.clear()
    repository.silent_after_storing = False
    successor = UsageWriter(repository, rules)
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(successor.run)
        await repository.until(lambda: set(repository.rows) == _ids(records))
        jobs.cancel_scope.cancel()


async def test_what_a_dead_process_left_is_replayed_and_what_a_living_one_has_is_not(
    repository: Repository, rules: LedgerRules
) -> None:
    dead, living = (Spill(rules.spill_path, 10**6) for _ in range(2))
    left, kept = [record(1), record(2)], [record(3)]
    dead.append(map(line_of, left))
    living.append(map(line_of, kept))
    dead.close()
    writer = UsageWriter(repository, rules)

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        await repository.until(lambda: len(repository.rows) == 2)
        jobs.cancel_scope.cancel()
    await writer.drain()

    assert set(repository.rows) == _ids(left)
    assert len(_files(rules)) == 1
    living.close()


async def test_a_line_that_a_crash_cut_costs_only_itself(repository: Repository, rules: LedgerRules) -> None:
    dead = Spill(rules.spill_path, 10**6)
    left = [record(1), record(2)]
    dead.append(map(line_of, left))
    dead.close()
    (path,) = _files(rules)
    path.write_bytes(path.read_bytes() + b'{"request_id": "cut')
    writer = UsageWriter(repository, rules)

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        await repository.until(lambda: len(repository.rows) == 2)
        jobs.cancel_scope.cancel()

    assert set(repository.rows) == _ids(left)


async def test_a_record_that_no_database_takes_does_not_hold_up_the_others(
    repository: Repository, rules: LedgerRules, caplog: pytest.LogCaptureFixture
) -> None:
    repository.refused = {"req-2"}
    writer = UsageWriter(repository, rules)
    records = _give(writer, 6)

    await writer.drain()

    assert set(repository.rows) == _ids(records) - {records[2].id}
    assert writer.lost == 1
    assert "cannot be stored" in caplog.text


async def test_the_spill_takes_no_more_than_its_size(repository: Repository, rules: LedgerRules) -> None:
    writer = UsageWriter(repository, replace(rules, queue=0, spill_max_bytes=2_000))

    _give(writer, 10)

    (path,) = _files(rules)
    assert path.stat().st_size <= 2_000
    assert (writer.spilled > 0, writer.spilled + writer.lost) == (True, 10)


async def test_a_spill_that_cannot_be_written_loses_and_says_so_but_never_raises(
    repository: Repository, rules: LedgerRules, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    await anyio.to_thread.run_sync(blocked.write_text, "not a directory")
    writer = UsageWriter(repository, replace(rules, queue=1, spill_path=blocked / "usage.jsonl"))

    _give(writer, 3)

    assert (writer.depth, writer.spilled, writer.lost) == (1, 0, 2)
    assert "lost" in caplog.text
    with suppress(OSError):
        await writer.drain()
    assert len(repository.rows) == 1


async def test_what_a_silent_database_keeps_waiting_is_on_disk_before_it_answers(
    repository: Repository, rules: LedgerRules
) -> None:
    repository.is_silent = True
    writer = UsageWriter(repository, rules)
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        records = _give(writer, 4)
        await repository.called.wait()
        records += _give(writer, 3, first=4)  # while the others are under way

        with anyio.fail_after(5):
            while writer.spilled < 7:
                await anyio.lowlevel.checkpoint()
        jobs.cancel_scope.cancel()  # and nobody drains: it was killed

    assert writer.depth == 0
    (path,) = _files(rules)
    assert len(path.read_bytes().splitlines()) == 7


async def test_what_was_copied_to_disk_is_stored_once_when_the_database_speaks_again(
    repository: Repository, rules: LedgerRules
) -> None:
    repository.silent_after_storing = True
    writer = UsageWriter(repository, rules)
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        records = _give(writer, 3)
        with anyio.fail_after(5):
            while writer.spilled < 3:
                await anyio.lowlevel.checkpoint()
        jobs.cancel_scope.cancel()
    repository.silent_after_storing = False

    await writer.drain()

    assert set(repository.rows) == _ids(records)
    assert _files(rules) == []


async def test_what_the_disk_does_not_take_waits_in_memory_and_is_stored(
    repository: Repository, rules: LedgerRules, caplog: pytest.LogCaptureFixture
) -> None:
    repository.is_away = True
    writer = UsageWriter(repository, replace(rules, spill_max_bytes=0))
    async with anyio.create_task_group() as jobs:
        jobs.start_soon(writer.run)
        records = _give(writer, 9)
        with anyio.fail_after(5):
            for _ in range(3):
                await repository.called.wait()
        assert (writer.spilled, writer.lost) == (0, 0)

        repository.is_away = False

        await repository.until(lambda: len(repository.rows) == 9)
        jobs.cancel_scope.cancel()
    assert set(repository.rows) == _ids(records)
    assert "the disk takes no usage records" in caplog.text
    assert "are lost" not in caplog.text


async def test_what_neither_disk_nor_memory_has_room_for_is_lost_and_said_once_an_outage(
    repository: Repository, rules: LedgerRules, caplog: pytest.LogCaptureFixture
) -> None:
    writer = UsageWriter(repository, replace(rules, spill_max_bytes=0))
    for outage in (1, 2):
        repository.is_away = True
        async with anyio.create_task_group() as jobs:
            jobs.start_soon(writer.run)
            _give(writer, 13)
            await repository.called.wait()
            assert writer.lost == 3 * outage
            repository.is_away = False
            await repository.until(_holds(repository, 10 * outage))
            jobs.cancel_scope.cancel()
        await writer.drain()

    assert caplog.text.count("usage records are lost") == 2


def test_a_spill_says_beforehand_that_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    assert Spill(tmp_path / "file" / "usage.jsonl", 100).refuses()
    assert not Spill(tmp_path / "new" / "usage.jsonl", 100).refuses()


def test_a_spill_says_why_it_refused_a_line(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "usage.jsonl", 10)

    assert spill.append([b"0123456789\n"]) == 0

    assert "10 bytes" in spill.refusal
    assert spill.size == 0
