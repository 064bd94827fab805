"""The job that rolls up: all that waits, then what is old, and a database that is away is waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import StorageUnavailable
from app.ledger.rollups import RollUpJob, RollUpRules

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)


class Rolled:
    """Remembers what it was asked for; `waiting` attempts are there to be rolled up, `old` to be deleted."""

    def __init__(self) -> None:
        self.waiting = 1_200
        self.old = 1_500
        self.before: list[datetime] = []
        self.error: StorageUnavailable | None = None

    async def roll(self, limit: int) -> int:
        if self.error is not None:
            raise self.error
        done = min(self.waiting, limit)
        self.waiting -= done
        return done

    async def forget_attempts(self, before: datetime, limit: int) -> int:
        self.before.append(before)
        done = min(self.old, limit)
        self.old -= done
        return done

    async def forget_cells(self, before: datetime) -> int:
        self.before.append(before)
        return 0


@pytest.fixture
def rolled() -> Rolled:
    return Rolled()


async def test_all_that_waits_is_rolled_up_and_all_that_is_old_is_deleted(rolled: Rolled) -> None:
    job = RollUpJob(rolled, RollUpRules(attempts_days=10, rollups_days=20), now=lambda: 0.0, wall=lambda: NOW)

    await job.work()

    assert (rolled.waiting, rolled.old) == (0, 0)
    assert set(rolled.before) == {NOW - timedelta(days=10), NOW - timedelta(days=20)}


async def test_what_is_old_is_looked_for_every_ten_minutes(rolled: Rolled) -> None:
    moment = 0.0
    job = RollUpJob(rolled, RollUpRules(), now=lambda: moment, wall=lambda: NOW)
    await job.work()
    looked = len(rolled.before)

    moment = 599.0
    await job.work()
    assert len(rolled.before) == looked
    moment = 600.0
    await job.work()
    assert len(rolled.before) > looked


async def test_a_database_that_is_away_is_waited_for(rolled: Rolled, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    job = RollUpJob(rolled, RollUpRules(), now=lambda: 0.0, wall=lambda: NOW)
    rolled.error = StorageUnavailable("away")

    await job.work()
    await job.work()
    assert [record.message for record in caplog.records] == ["usage is not rolled up"]

    rolled.error = None
    await job.work()
    assert rolled.waiting == 0
