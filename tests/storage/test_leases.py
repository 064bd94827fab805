"""What processes hold is decided one after the other, and what nobody renewed is forgotten."""

from __future__ import annotations

import anyio
import pytest

from app.domain.leases import Claim, Held, Holding, LimitKey, Word
from app.storage.bell import Bell
from app.storage.database import Database
from app.storage.leases import CHANNEL, SqlLeaseRepository

KEY: LimitKey = ("alpha", "requests_per_minute")


@pytest.fixture
def leases(database: Database) -> SqlLeaseRepository:
    return SqlLeaseRepository(database)


async def put(leases: SqlLeaseRepository, holding: Holding, lasts: float = 60.0, *, rings: bool = False) -> None:
    await leases.exchange(lambda _held, _clock: Word({KEY: Claim(holding, 5.0, lasts)}, rings), forgets=False)


async def test_what_was_said_last_is_on_record(leases: SqlLeaseRepository) -> None:
    await put(leases, Holding("a", 20, 3))
    await put(leases, Holding("a", 10, 4, wants=7, least=2))
    await put(leases, Holding("b", 10, 10**30))

    held, clock = await leases.everything()

    assert held == {KEY: [Holding("a", 10, 4, 7, 2), Holding("b", 10, 10**15)]}
    assert clock > 1_000_000_000


async def test_what_has_expired_is_forgotten_only_by_who_may_judge_it(leases: SqlLeaseRepository) -> None:
    seen: list[Held] = []

    def look(held: Held, _clock: float) -> Word:
        seen.append(dict(held))
        return Word({}, rings=False)

    await put(leases, Holding("a", 20, 3), lasts=-6.0)
    for forgets in (False, True):
        await leases.exchange(look, forgets=forgets)

    assert seen == [{KEY: [Holding("a", 20, 3)]}, {}]


async def test_two_that_take_the_rest_at_the_same_time_do_not_both_get_it(leases: SqlLeaseRepository) -> None:
    async def take(holder: str) -> None:
        def decide(held: Held, _clock: float) -> Word:
            free = 20 - sum(one.share for one in held.get(KEY, ()))
            return Word({KEY: Claim(Holding(holder, free, 0), 5.0, 60.0)}, rings=False)

        await leases.exchange(decide, forgets=True)

    async with anyio.create_task_group() as processes:
        for number in range(8):
            processes.start_soon(take, f"process{number}")

    held, _ = await leases.everything()
    assert sorted(one.share for one in held[KEY]) == [0] * 7 + [20]


async def test_others_hear_at_once_when_they_are_to_look(database: Database, leases: SqlLeaseRepository) -> None:
    rung = anyio.Event()
    listening = anyio.Event()

    def heard() -> None:
        (rung if listening.is_set() else listening).set()

    async with anyio.create_task_group() as jobs:
        jobs.start_soon(Bell(database, CHANNEL).run, heard)
        if database.is_sqlite:
            await put(leases, Holding("a", 1, 0))
        with anyio.fail_after(5):
            await listening.wait()
            await put(leases, Holding("a", 20, 0), rings=True)
            await rung.wait()
        jobs.cancel_scope.cancel()
