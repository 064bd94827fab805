"""Health samples as JSON and as CSV."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Final

import orjson

from app.api.exports import Pages, csv_lines
from app.api.times import rendered_time
from app.domain.health import HealthSample, HistoryWindow

COLUMNS: Final = (
    "at", "provider", "status", "circuit", "requests", "failures", "success_rate", "uptime_percentage",
    "response_time_ms", "p95_ms", "in_flight", "last_error", "process",
)  # fmt: skip


async def as_json(pages: Pages, window: HistoryWindow) -> AsyncGenerator[bytes]:
    """An object with the window and all samples, a piece per page."""
    head = {"since": rendered_time(window.since), "until": rendered_time(window.until)}
    before = b'{"window":' + orjson.dumps(head) + b',"items":['
    async for page in pages:
        if page:
            yield before + b",".join(orjson.dumps(row) for row in page)
            before = b","
    yield (b"" if before == b"," else before) + b"]}"


async def as_csv(pages: Pages) -> AsyncGenerator[bytes]:
    """A line of names, then one per sample, a piece per page."""
    head: list[tuple[str, ...]] = [COLUMNS]
    async for page in pages:
        yield csv_lines([*head, *([row[name] for name in COLUMNS] for row in page)])
        head = []


def rendered_sample(sample: HealthSample) -> dict[str, Any]:
    """A sample, or a bucket of several."""
    return {
        "at": rendered_time(sample.at),
        "provider": sample.provider,
        "status": sample.status,
        "circuit": sample.circuit,
        **figures(sample),
        "in_flight": sample.in_flight,
        "last_error": sample.last_error,
        "process": sample.process or None,
    }


def figures(sample: HealthSample) -> dict[str, Any]:
    """What was counted and measured, with the shares that follow from it."""
    uptime, rate = sample.uptime, sample.success_rate
    return {
        "samples": sample.samples,
        "requests": sample.requests,
        "failures": sample.failures,
        "success_rate": rate,
        "error_rate": None if rate is None else 1.0 - rate,
        "uptime_percentage": None if uptime is None else round(100.0 * uptime, 2),
        "response_time_ms": _milliseconds(sample.p50),
        "p95_ms": _milliseconds(sample.p95),
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 3)
