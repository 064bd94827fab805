from __future__ import annotations

import asyncio
import logging

import anyio
import pytest

from app.supervisor import SupervisionRules, Supervisor


class Clock:
    """A clock that only sleeping moves; it remembers how long each sleep was."""

    def __init__(self) -> None:
        self.time = 0.0
        self.sleeps: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds
        await anyio.lowlevel.checkpoint()


class Dying:
    """A job that dies so many times, each after so many seconds, and then runs until it is cancelled."""

    def __init__(self, clock: Clock, times: int, *, after: float = 0.0, error: BaseException | None = None) -> None:
        self.clock = clock
        self.left = times
        self.after = after
        self.error = error or RuntimeError("boom")
        self.settled = anyio.Event()
        self.was_cancelled = False

    async def run(self) -> None:
        if self.left > 0:
            self.left -= 1
            self.clock.time += self.after
            raise self.error
        self.settled.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.was_cancelled = True


def supervisor(clock: Clock, counted: list[str] | None = None) -> Supervisor:
    count = counted.append if counted is not None else lambda name: None
    return Supervisor(count, now=clock.now, sleep=clock.sleep)


async def test_a_job_that_dies_is_started_again_and_counted() -> None:
    clock, counted = Clock(), list[str]()
    job = Dying(clock, 3)
    watching = supervisor(clock, counted)
    watching.add("writer", job.run)

    async with watching:
        with anyio.fail_after(2):
            await job.settled.wait()

    assert counted == ["writer"] * 3
    assert watching.restarts == {"writer": 3}
    assert job.was_cancelled


async def test_pauses_double_up_to_thirty_seconds() -> None:
    clock = Clock()
    job = Dying(clock, 9)
    watching = supervisor(clock)
    watching.add("writer", job.run)

    async with watching:
        with anyio.fail_after(2):
            await job.settled.wait()

    assert clock.sleeps == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


async def test_a_long_healthy_run_is_forgiven() -> None:
    clock = Clock()
    job = Dying(clock, 3, after=61)
    watching = supervisor(clock)
    watching.add("writer", job.run)

    async with watching:
        with anyio.fail_after(2):
            await job.settled.wait()

    assert clock.sleeps == [0.5, 0.5, 0.5]


async def test_one_jobs_death_is_not_anothers() -> None:
    clock = Clock()
    dying, healthy = Dying(clock, 2), Dying(clock, 0)
    watching = supervisor(clock)
    watching.add("dying", dying.run)
    watching.add("healthy", healthy.run)

    async with watching:
        with anyio.fail_after(2):
            await dying.settled.wait()
        assert not healthy.was_cancelled
        assert watching.running == {"dying", "healthy"}

    assert watching.restarts == {"dying": 2, "healthy": 0}
    assert watching.running == frozenset()


async def test_a_stray_cancellation_is_a_death_not_an_end() -> None:
    clock = Clock()
    job = Dying(clock, 1, error=asyncio.CancelledError())
    watching = supervisor(clock)
    watching.add("writer", job.run)

    async with watching:
        with anyio.fail_after(2):
            await job.settled.wait()

    assert watching.restarts == {"writer": 1}


async def test_a_job_that_returns_is_done() -> None:
    clock = Clock()
    ran = anyio.Event()

    async def once() -> None:
        ran.set()

    watching = supervisor(clock)
    async with watching:
        watching.add("once", once)
        with anyio.fail_after(2):
            await ran.wait()
            await anyio.lowlevel.checkpoint()
        assert watching.running == frozenset()

    assert watching.restarts == {"once": 0}


async def test_a_counter_that_fails_does_not_stop_the_job() -> None:
    clock = Clock()
    job = Dying(clock, 1)

    def broken(name: str) -> None:
        raise OSError("closed")

    watching = Supervisor(broken, now=clock.now, sleep=clock.sleep)
    watching.add("writer", job.run)
    async with watching:
        with anyio.fail_after(2):
            await job.settled.wait()

    assert watching.restarts == {"writer": 1}


async def test_a_job_that_will_not_stop_is_left_behind_and_named(caplog: pytest.LogCaptureFixture) -> None:
    started, release = anyio.Event(), anyio.Event()

    async def stubborn() -> None:
        started.set()
        with anyio.CancelScope(shield=True):
            await release.wait()

    watching = Supervisor(rules=SupervisionRules(stop_within=0.01))
    watching.add("stubborn", stubborn)
    with anyio.fail_after(2), caplog.at_level(logging.ERROR):
        async with watching:
            await started.wait()

    assert [record.job for record in caplog.records if hasattr(record, "job")] == ["stubborn"]
    release.set()
    task = watching._tasks["stubborn"]
    with anyio.fail_after(2):
        await asyncio.wait({task})


async def test_a_job_cannot_be_added_twice() -> None:
    watching = Supervisor()
    watching.add("writer", anyio.sleep_forever)

    with pytest.raises(ValueError, match="writer"):
        watching.add("writer", anyio.sleep_forever)


async def test_leaving_after_an_error_stops_the_jobs_and_lets_the_error_through() -> None:
    clock = Clock()
    job = Dying(clock, 0)
    watching = supervisor(clock)
    watching.add("writer", job.run)

    async def leave_with_an_error() -> None:
        async with watching:
            with anyio.fail_after(2):
                await job.settled.wait()
            raise OSError("outside")

    with pytest.raises(OSError, match="outside"):
        await leave_with_an_error()

    assert job.was_cancelled


async def test_what_a_job_shields_is_finished_before_it_ends() -> None:
    started = anyio.Event()
    drained: list[str] = []

    async def draining() -> None:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.move_on_after(1, shield=True):
                await anyio.lowlevel.checkpoint()
                drained.append("all")

    watching = Supervisor()
    watching.add("writer", draining)
    async with watching:
        with anyio.fail_after(2):
            await started.wait()

    assert drained == ["all"]
