"""Health samples on record: once each, in steps, in pages, and forgotten in slices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.errors import RequestRejected
from app.domain.health import HealthSample, HistoryWindow
from app.storage.database import Database
from app.storage.health import SqlHealthRepository

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = HistoryWindow(NOON, NOON + timedelta(days=1))


def sample(seconds: float, provider: str = "alpha", **figures: object) -> HealthSample:
    at = NOON + timedelta(seconds=seconds)
    return replace(HealthSample(provider, at, "healthy", "closed", looks=12, looks_up=12), **figures)  # type: ignore[arg-type]


@pytest.fixture
def health(database: Database) -> SqlHealthRepository:
    return SqlHealthRepository(database)


async def test_a_sample_comes_back_as_it_was_and_only_once(health: SqlHealthRepository) -> None:
    one = sample(0.5, requests=3, failures=1, p50=0.1, p95=0.9, in_flight=2, last_error="refused", process="5f0c9d2e")

    await health.append([one])
    await health.append([one, one])

    assert await health.page("alpha", DAY, limit=10, cursor=None) == ([one], None)


async def test_pages_are_newest_first_and_miss_nothing(health: SqlHealthRepository) -> None:
    samples = [sample(n // 2) for n in range(7)]  # two at each moment
    await health.append(samples)

    read, cursor, pages = list[HealthSample](), None, 0
    while pages == 0 or cursor is not None:
        found, cursor = await health.page("alpha", DAY, limit=3, cursor=cursor)
        read, pages = [*read, *found], pages + 1

    assert pages == 3
    assert read == sorted(samples, key=lambda each: (each.at, each.id), reverse=True)


async def test_a_page_of_everybody_has_everybody(health: SqlHealthRepository) -> None:
    await health.append([sample(0), sample(1, "beta")])

    found, _ = await health.page(None, DAY, limit=10, cursor=None)

    assert [each.provider for each in found] == ["beta", "alpha"]


async def test_a_window_includes_its_start_and_not_its_end(health: SqlHealthRepository) -> None:
    await health.append([sample(-0.001), sample(0), sample(59.999), sample(60)])

    found, _ = await health.page("alpha", HistoryWindow(NOON, NOON + timedelta(seconds=60)), limit=10, cursor=None)

    assert [(each.at - NOON).total_seconds() for each in found] == [59.999, 0]


async def test_a_step_sums_what_was_counted_and_keeps_the_worst(health: SqlHealthRepository) -> None:
    await health.append(
        [
            sample(0, requests=10, p50=0.1, p95=0.5),
            sample(30.25, requests=10, failures=5, looks_up=6, status="down", circuit="open", p50=0.3, p95=0.4),
            sample(60, status="degraded", circuit="half_open"),
        ]
    )

    found, cursor = await health.page("alpha", replace(DAY, step=60), limit=10, cursor=None)

    later, first = found
    assert cursor is None
    assert (first.at, later.at) == (NOON, NOON + timedelta(seconds=60))
    assert (first.status, first.circuit, first.samples) == ("down", "open", 2)
    assert (first.requests, first.failures, first.success_rate, first.uptime) == (20, 5, 0.75, 0.75)
    assert first.p50 == pytest.approx(0.2)
    assert first.p95 == 0.5
    assert (later.status, later.circuit, later.success_rate, later.p95) == ("degraded", "half_open", None, None)


async def test_steps_page_without_tearing_a_bucket(health: SqlHealthRepository) -> None:
    await health.append([sample(n) for n in range(120)])

    found, cursor = await health.page("alpha", replace(DAY, step=30), limit=3, cursor=None)
    rest, end = await health.page("alpha", replace(DAY, step=30), limit=3, cursor=cursor)

    assert [each.samples for each in [*found, *rest]] == [30, 30, 30, 30]
    assert end is None


async def test_the_total_is_the_windows_and_none_of_nothing(health: SqlHealthRepository) -> None:
    await health.append([sample(n, requests=2, failures=1) for n in range(5)])

    total = await health.total("alpha", DAY)

    assert total is not None
    assert (total.samples, total.requests, total.success_rate) == (5, 10, 0.5)
    assert await health.total("beta", DAY) is None


async def test_the_oldest_are_forgotten_first_and_no_more_than_asked(health: SqlHealthRepository) -> None:
    await health.append([sample(n) for n in range(5)])

    assert await health.forget(NOON + timedelta(seconds=4), 3) == 3
    assert await health.forget(NOON + timedelta(seconds=4), 3) == 1

    found, _ = await health.page("alpha", DAY, limit=10, cursor=None)
    assert [each.at for each in found] == [NOON + timedelta(seconds=4)]


async def test_what_a_provider_wrote_is_made_storable(health: SqlHealthRepository) -> None:
    await health.append([sample(0, last_error="a\x00b\ud800")])

    found, _ = await health.page("alpha", DAY, limit=1, cursor=None)
    assert found[0].last_error == "ab?"


async def test_a_cursor_of_somebody_elses_is_refused(health: SqlHealthRepository) -> None:
    for window in (DAY, replace(DAY, step=60)):
        with pytest.raises(RequestRejected):
            await health.page("alpha", window, limit=1, cursor="made up")
