"""Processes lend each other what they do not use of a limit, and lose nothing of it when one ends."""

from __future__ import annotations

import random
from dataclasses import replace

import anyio
import pytest

from app.domain.errors import StorageUnavailable
from app.domain.leases import Claim, Decide, Held, LimitKey
from app.domain.provider import ModelConfig, ProviderConfig, ProviderSet, ProviderType, RateLimit
from app.providers.leases import Leases, Shortage
from app.providers.pool import Pool
from app.resilience.breaker import BreakerRules
from app.resilience.limits import Denial, Limits, Permit
from app.resilience.retry import RetryRules
from tests.fakes import ScriptedAdapter
from tests.fakes_providers import FakeCatalog, FakeClock


class Record:
    """A repository in memory that may be away, or lose what it was told after it has taken it."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.rows: dict[tuple[LimitKey, str], tuple[Claim, float]] = {}
        self.is_away = self.breaks = False
        self.rings = 0

    async def everything(self) -> tuple[Held, float]:
        if self.is_away:
            raise StorageUnavailable("the database is away")
        held: dict[LimitKey, list[object]] = {}
        for (key, _), (claim, said_at) in self.rows.items():
            is_alive = said_at + claim.lives > self._clock.time
            held.setdefault(key, []).append(replace(claim.holding, is_alive=is_alive))
        return held, self._clock.time  # type: ignore[return-value]

    async def exchange(self, decide: Decide, *, forgets: bool) -> None:
        if self.is_away:
            raise StorageUnavailable("the database is away")
        if forgets:
            self.rows = {
                at: row for at, row in self.rows.items() if row[1] + row[0].lives + row[0].lasts >= self._clock.time
            }
        word = decide(*await self.everything())
        for key, claim in word.claims.items():
            self.rows[key, claim.holding.holder] = (claim, self._clock.time)
        self.rings += word.rings
        if self.breaks:
            raise StorageUnavailable("the connection broke after the commit")


class Process:
    """One gateway with one provider."""

    def __init__(self, name: str, record: Record, clock: FakeClock, per_minute: int = 20) -> None:
        self.clock = clock
        self.shortage = Shortage()
        self.pool = Pool(
            lambda _: ScriptedAdapter("buy"), FakeCatalog(), breaker=BreakerRules(), retry=RetryRules(),
            now=clock.now, rng=random.Random(1), short=self.shortage.told,
        )  # fmt: skip
        self.limit_to(per_minute)
        self.leases = Leases(self.pool, record, self.shortage, holder=name, now=clock.now)

    def limit_to(self, per_minute: int) -> None:
        alpha = ProviderConfig(
            "alpha", ProviderType.OPENAI_COMPATIBLE, "http://alpha/v1", models=(ModelConfig("a"),),
            rate_limit=RateLimit(requests_per_minute=per_minute),
        )  # fmt: skip
        self.pool.replace(ProviderSet((alpha,)))

    @property
    def limits(self) -> Limits:
        state = self.pool.provider("alpha")
        assert state is not None
        return state.limits

    def ask(self, times: int = 1) -> int:
        """How many of so many requests are admitted."""
        answers = [self.limits.reserve(self.clock.now(), self.clock.wall()) for _ in range(times)]
        return sum(isinstance(answer, Permit) for answer in answers)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def record(clock: FakeClock) -> Record:
    return Record(clock)


async def beat(*processes: Process) -> None:
    for process in processes:
        await process.leases.beat()


async def test_nothing_is_admitted_before_the_first_lease_and_everything_after_it_to_who_is_alone(
    record: Record, clock: FakeClock
) -> None:
    process = Process("a", record, clock)
    assert (process.ask(), process.leases.is_loaded) == (0, False)

    await beat(process)

    assert (process.ask(30), process.leases.is_loaded) == (20, True)


async def test_what_a_second_process_gets_the_first_no_longer_has(record: Record, clock: FakeClock) -> None:
    first, second = Process("a", record, clock), Process("b", record, clock)

    await beat(first, second)
    assert second.ask(30) == 0
    await beat(first, second)

    assert first.ask(30) + second.ask(30) == 20


async def test_a_refusal_asks_for_what_others_have_and_they_hear_of_it(record: Record, clock: FakeClock) -> None:
    loaded, idle = Process("a", record, clock), Process("b", record, clock)
    await beat(loaded, idle, loaded, idle)
    assert loaded.ask(30) == 10
    with anyio.fail_after(1):
        await loaded.shortage.wait()

    rings = record.rings
    for process in (loaded, idle, loaded):
        await process.leases.look()

    assert loaded.ask(30) == 10
    assert record.rings > rings


async def test_a_look_writes_nothing_where_there_is_nothing_to_be_had(record: Record, clock: FakeClock) -> None:
    first, second = Process("a", record, clock), Process("b", record, clock)
    await beat(first, second, first, second)
    assert first.ask(30) + second.ask(30) == 20
    await beat(first, second, first, second)

    rows = dict(record.rows)
    first.ask(30)
    await first.leases.look()
    await second.leases.look()

    assert record.rows == rows


async def test_a_refusal_that_others_may_undo_is_worth_a_wait_and_one_that_nobody_can_is_not(
    record: Record, clock: FakeClock
) -> None:
    loaded, idle = Process("a", record, clock), Process("b", record, clock)
    await beat(loaded, idle, loaded, idle)
    loaded.ask(10)

    early = loaded.limits.reserve(clock.now(), clock.wall())
    await beat(loaded, idle, loaded)
    loaded.ask(10)
    late = loaded.limits.reserve(clock.now(), clock.wall())

    assert isinstance(early, Denial)
    assert early.may_end_early
    assert isinstance(late, Denial)
    assert (late.may_end_early, late.retry_after) == (False, 60.0)


async def test_while_the_database_is_away_a_process_keeps_what_it_has(record: Record, clock: FakeClock) -> None:
    first, second = Process("a", record, clock), Process("b", record, clock)
    await beat(first, second, first, second)
    record.is_away = True

    clock.advance(300)
    await beat(first, second)

    assert (first.ask(30), second.ask(30)) == (10, 10)


async def test_who_was_away_with_the_database_does_not_take_the_others_for_dead(
    record: Record, clock: FakeClock
) -> None:
    first, second = Process("a", record, clock), Process("b", record, clock)
    await beat(first, second, first, second)
    record.is_away = True
    clock.advance(300)
    await beat(first, second)
    record.is_away = False

    await beat(first)

    assert first.ask(30) + second.ask(30) == 20


async def test_an_exchange_that_may_have_happened_takes_nothing_for_granted(record: Record, clock: FakeClock) -> None:
    first, second = Process("a", record, clock), Process("b", record, clock)
    await beat(first)
    record.breaks = True
    await beat(second, first, second)
    record.breaks = False

    await beat(second)

    assert first.ask(30) + second.ask(30) == 20


async def test_a_killed_processs_share_comes_free_when_what_it_used_has_passed(
    record: Record, clock: FakeClock
) -> None:
    killed, left = Process("a", record, clock), Process("b", record, clock)
    await beat(killed, left, killed, left)
    killed.ask(10)

    for _ in range(64):
        clock.advance(1)
        await beat(left)
        assert left.limits.portions["requests_per_minute"].meter.capacity == 10
    clock.advance(2)
    await beat(left)

    assert left.ask(30) == 20


async def test_a_process_that_ends_in_order_leaves_all_but_what_it_used(record: Record, clock: FakeClock) -> None:
    leaving, staying = Process("a", record, clock), Process("b", record, clock)
    await beat(leaving, staying, leaving, staying)
    assert leaving.ask(4) == 4

    await leaving.leases.leave()
    assert leaving.ask(1) == 0
    await beat(staying)
    assert staying.ask(30) == 16

    for _ in range(61):
        clock.advance(1)
        await beat(staying)
    assert staying.ask(30) == 20


async def test_another_limit_changes_no_share_until_it_is_on_record(record: Record, clock: FakeClock) -> None:
    first, second = Process("a", record, clock), Process("b", record, clock)
    await beat(first, second, first, second)

    first.limit_to(30)
    second.limit_to(30)
    assert (first.ask(6), second.ask(6)) == (6, 6)
    assert (first.ask(30), second.ask(30)) == (4, 4)

    for process in (first, second, first, second):
        await process.leases.look()
    assert first.ask(30) + second.ask(30) == 10


async def test_nobody_hurries_where_nothing_is_limited(record: Record, clock: FakeClock) -> None:
    process = Process("a", record, clock)
    limited = process.leases.is_needed()

    process.pool.replace(ProviderSet(()))

    assert (limited, process.leases.is_needed()) == (True, False)
