"""Samples of a provider's health: what came since the last one, kept while the database is away, then forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import anyio
import pytest

from app.domain.errors import Code, StorageUnavailable
from app.domain.health import HealthSample, HistoryWindow
from app.domain.provider import ProviderSet
from app.providers.history import HealthHistory, HistoryRules
from app.supervisor import SupervisionRules, Supervisor
from tests.providers.test_monitor import ALPHA, BETA, Watched


class Records:
    """A table of samples that can be away, forget how it answered, or refuse what a provider wrote."""

    def __init__(self) -> None:
        self.kept: dict[str, HealthSample] = {}
        self.is_away = False
        self.loses_its_answer = False
        self.refuses: str | None = None
        self.bug: Exception | None = None
        self.batches: list[int] = []
        self.slices: list[int] = []
        self.wrote = anyio.Event()

    async def append(self, samples: Sequence[HealthSample]) -> None:
        if self.bug is not None:
            bug, self.bug = self.bug, None
            raise bug
        if self.is_away:
            raise StorageUnavailable("the database is away")
        if any(sample.last_error == self.refuses for sample in samples if self.refuses):
            raise ValueError("cannot be stored")
        self.kept.update({sample.id: sample for sample in samples})
        self.batches.append(len(samples))
        if self.loses_its_answer:
            self.loses_its_answer = False
            raise StorageUnavailable("no answer to a commit")
        self.wrote.set()

    async def forget(self, before: datetime, limit: int) -> int:
        old = sorted((s for s in self.kept.values() if s.at < before), key=lambda s: s.at)[:limit]
        for sample in old:
            del self.kept[sample.id]
        self.slices.append(len(old))
        return len(old)

    async def page(
        self, provider: str | None, window: HistoryWindow, *, limit: int, cursor: str | None
    ) -> tuple[list[HealthSample], str | None]:
        raise AssertionError("the writer never reads")

    async def total(self, provider: str, window: HistoryWindow) -> HealthSample | None:
        raise AssertionError("the writer never reads")


@pytest.fixture
def watched() -> Watched:
    return Watched(ALPHA, BETA)


@pytest.fixture
def records() -> Records:
    return Records()


def history_of(watched: Watched, records: Records, **rules: float) -> HealthHistory:
    limits = HistoryRules(**rules)  # type: ignore[arg-type]
    return HealthHistory(watched.pool, records, now=watched.clock.now, wall=watched.clock.wall, rules=limits)


async def tick(watched: Watched, history: HealthHistory, seconds: float = 60.0) -> None:
    watched.clock.advance(seconds)
    history.sample()
    await history.write()


async def test_a_sample_has_what_came_since_the_last_one(watched: Watched, records: Records) -> None:
    history = history_of(watched, records)
    watched.attempt("alpha")
    watched.attempt("alpha", Code.PROVIDER_TIMEOUT)
    await tick(watched, history)
    watched.attempt("alpha")

    await tick(watched, history)

    alpha = [sample for sample in records.kept.values() if sample.provider == "alpha"]
    assert [(sample.requests, sample.failures) for sample in alpha] == [(2, 1), (1, 0)]
    assert alpha[0].status == "degraded"
    assert alpha[0].at == watched.clock.wall() - timedelta(seconds=60)
    assert len({sample.process for sample in records.kept.values()}) == 1


async def test_uptime_is_that_of_the_looks_since_the_last_sample(watched: Watched, records: Records) -> None:
    history = history_of(watched, records)
    for is_ejected in (False, False, False, True):
        if is_ejected:
            watched.eject("alpha")
        watched.clock.advance(5)
        watched.monitor.sample_uptime()

    await tick(watched, history, 0)

    alpha = next(sample for sample in records.kept.values() if sample.provider == "alpha")
    assert (alpha.uptime, alpha.status, alpha.circuit) == (0.75, "down", "open")


async def test_a_provider_that_was_configured_anew_counts_from_zero(watched: Watched, records: Records) -> None:
    history = history_of(watched, records)
    for _ in range(5):
        watched.attempt("alpha")
    await tick(watched, history)
    watched.pool.replace(ProviderSet((replace(ALPHA, weight=2.0),)))
    watched.attempt("alpha")

    await tick(watched, history)

    assert [sample.requests for sample in records.kept.values() if sample.provider == "alpha"] == [5, 1]


async def test_samples_wait_for_a_database_that_is_away_the_newest_of_them(watched: Watched, records: Records) -> None:
    history = history_of(watched, records, queue=6)
    records.is_away = True
    for _ in range(5):
        await tick(watched, history)
    assert history.depth == 6

    records.is_away = False
    await tick(watched, history)

    assert history.depth == 0
    assert len(records.kept) == 6
    assert max(sample.at for sample in records.kept.values()) == watched.clock.wall()


async def test_a_write_whose_answer_was_lost_is_offered_again_and_stored_once(
    watched: Watched, records: Records
) -> None:
    history = history_of(watched, records)
    records.loses_its_answer = True

    await tick(watched, history)
    await history.write()

    assert len(records.kept) == 2
    assert history.depth == 0


async def test_one_sample_that_no_database_takes_holds_up_no_other(watched: Watched, records: Records) -> None:
    history = history_of(watched, records)
    watched.state("alpha").last_error = "odd"
    records.refuses = "odd"

    await tick(watched, history)

    assert [sample.provider for sample in records.kept.values()] == ["beta"]
    assert history.depth == 0


async def test_a_long_outage_is_written_in_batches(watched: Watched, records: Records) -> None:
    history = history_of(watched, records)
    for _ in range(600):
        watched.clock.advance(60)
        history.sample()

    await history.write()

    assert records.batches == [500, 500, 200]


async def test_samples_are_forgotten_after_their_days_in_slices_and_not_at_every_write(
    watched: Watched, records: Records
) -> None:
    history = history_of(watched, records, retention_days=1)
    start = watched.clock.wall()
    old = [HealthSample("alpha", start - timedelta(days=2), "healthy", "closed") for _ in range(5_001)]
    records.kept = {sample.id: sample for sample in old}

    await tick(watched, history)
    await tick(watched, history)
    assert records.slices == [5_000, 1]

    await tick(watched, history, 86_400)
    assert min(sample.at for sample in records.kept.values()) == start + timedelta(seconds=86_520 - 86_400)


async def test_the_job_goes_on_with_what_waited_after_it_died(watched: Watched, records: Records) -> None:
    history = history_of(watched, records, interval=0.001)
    records.bug = RuntimeError("a bug of ours")

    async with Supervisor(rules=SupervisionRules(first_pause=0.0)) as supervisor:
        history.sample()
        first = [sample.id for sample in history._waiting]
        supervisor.add("history", history.run)
        with anyio.fail_after(5):
            await records.wrote.wait()

    assert supervisor.restarts["history"] == 1
    assert set(first) <= set(records.kept)
