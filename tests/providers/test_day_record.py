"""A day's limit outlives the process, and processes share it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import date

import pytest

from app.domain.day import DayUse
from app.domain.errors import StorageUnavailable
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType, RateLimit
from app.providers.day_record import DayRecord
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.limits import Denial, Limits
from app.resilience.retry import RetryRules
from tests.fakes import ScriptedAdapter
from tests.fakes_providers import FakeCatalog, FakeClock


class Ledger:
    """A repository in memory that may be away."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, date], DayUse] = {}
        self.is_away = False

    async def of_day(self, day: date) -> Mapping[str, DayUse]:
        if self.is_away:
            raise StorageUnavailable("the database is away")
        return {name: use for (name, of), use in self.rows.items() if of == day}

    async def add(self, used: Mapping[str, DayUse], day: date) -> Mapping[str, DayUse]:
        await self.of_day(day)
        for name, use in used.items():
            old = self.rows.get((name, use.day), DayUse(use.day, 0, 0))
            self.rows[name, use.day] = DayUse(use.day, old.requests + use.requests, old.tokens + use.tokens)
        return await self.of_day(day)


class Process:
    """One gateway with one provider that may be asked five times a day."""

    def __init__(self, ledger: Ledger, clock: FakeClock) -> None:
        self.clock = clock
        self.pool = Pool(
            lambda _: ScriptedAdapter("buy"), FakeCatalog(), breaker=BreakerRules(), retry=RetryRules(),
            now=clock.now, rng=random.Random(1),
        )  # fmt: skip
        alpha = ProviderConfig(
            "alpha", ProviderType.OPENAI_COMPATIBLE, "http://alpha/v1", models=(ModelConfig("a"),),
            rate_limit=RateLimit(requests_per_day=5),
        )  # fmt: skip
        self.pool.replace(ProviderSet((alpha,)))
        self.record = DayRecord(self.pool, ledger, now=clock.now, wall=clock.wall)

    @property
    def limits(self) -> Limits:
        state = self.pool.provider("alpha")
        assert state is not None
        return state.limits

    def asks(self, times: int) -> int:
        """How many of so many requests were denied."""
        answers = [self.limits.reserve(self.clock.now(), self.clock.wall()) for _ in range(times)]
        return sum(isinstance(answer, Denial) for answer in answers)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def test_what_a_process_was_asked_counts_in_the_next_one(ledger: Ledger, clock: FakeClock) -> None:
    first = Process(ledger, clock)
    first.asks(3)
    await first.record.sync()

    second = Process(ledger, clock)
    before = second.record.is_loaded
    await second.record.sync()

    assert (False, True) == (before, second.record.is_loaded)
    assert (3, 1) == (second.limits.day.requests(clock.now()), second.asks(3))


async def test_processes_side_by_side_share_the_limit(ledger: Ledger, clock: FakeClock) -> None:
    one, other = Process(ledger, clock), Process(ledger, clock)
    one.asks(2)
    other.asks(2)
    for process in (one, other, one):
        await process.record.sync()

    assert [4, 4] == [process.limits.day.requests(clock.now()) for process in (one, other)]
    assert [1, 1] == [one.asks(2), other.asks(2)]


async def test_the_next_day_starts_anew(ledger: Ledger, clock: FakeClock) -> None:
    process = Process(ledger, clock)
    process.asks(5)
    await process.record.sync()
    clock.advance(12 * 3600)

    await process.record.sync()

    assert 1 == process.asks(6)
    await process.record.sync()
    assert {day.day: use.requests for (_, day), use in ledger.rows.items()} == {2: 5, 3: 5}


async def test_while_the_database_is_away_a_process_counts_for_itself_and_adds_it_later(
    ledger: Ledger, clock: FakeClock
) -> None:
    process = Process(ledger, clock)
    ledger.is_away = True
    process.asks(2)
    await process.record.sync()
    assert (False, 2) == (process.record.is_loaded, process.limits.day.requests(clock.now()))

    ledger.is_away = False
    await process.record.sync()

    assert [2] == [use.requests for use in ledger.rows.values()]
    assert 2 == process.limits.day.requests(clock.now())


async def test_a_reload_of_the_configuration_keeps_the_day(ledger: Ledger, clock: FakeClock) -> None:
    process = Process(ledger, clock)
    process.asks(4)

    config = process.pool.current.providers[0]
    more = ProviderConfig(config.name, config.type, "http://elsewhere/v1", rate_limit=RateLimit(requests_per_day=6))
    process.pool.replace(ProviderSet((more,)))

    assert 1 == process.asks(3)
