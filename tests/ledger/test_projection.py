"""What usage comes to, from what was seen and how long that was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from app.domain.usage_query import UsageFilter
from app.ledger.projection import project, projected

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)


def seen(**changes: Any) -> dict[str, Any]:
    counts = {"requests": 3, "attempts": 4, "input_tokens": 300, "output_tokens": 30, "unpriced_requests": 0}
    return counts | {"provider": "alpha", "model": "a", "cost_usd": "0.003"} | changes


class Seen:
    """One model, the same in every window."""

    def __init__(self, first: datetime | None, **changes: Any) -> None:
        self._first = first
        self._row = seen(**changes)

    async def totals(self, wanted: UsageFilter, *, group: Sequence[str]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        return [self._row], self._row

    async def first(self) -> datetime | None:
        return self._first


async def test_three_hours_of_service_are_projected_from_three_hours() -> None:
    body = await project(Seen(NOW - timedelta(hours=3)), NOW)

    for window in (body["last_24h"], body["last_7d"]):
        assert window["covered_seconds"] == 3 * 3600
        assert window["total"]["per_day"]["requests"] == 24
        assert Decimal(window["total"]["per_day"]["cost_usd"]) == Decimal("0.024")
        assert Decimal(window["total"]["per_month"]["cost_usd"]) == Decimal("0.72")
        assert window["warnings"] == []


async def test_a_window_that_is_full_covers_itself() -> None:
    body = await project(Seen(NOW - timedelta(days=3)), NOW)

    assert (body["last_24h"]["covered_seconds"], body["last_7d"]["covered_seconds"]) == (86_400, 3 * 86_400)
    assert (body["last_24h"]["total"]["per_day"]["requests"], body["last_7d"]["total"]["per_day"]["requests"]) == (3, 1)


async def test_money_that_is_unknown_stays_unknown_and_is_named() -> None:
    body = await project(Seen(NOW - timedelta(days=9), cost_usd=None, unpriced_requests=3), NOW)

    assert body["last_24h"]["rows"][0]["per_month"]["cost_usd"] is None
    assert "3 requests to alpha/a have no known price" in body["last_24h"]["warnings"][0]


@pytest.mark.parametrize("first", [None, NOW, NOW - timedelta(seconds=5), NOW + timedelta(seconds=5)])
async def test_seconds_on_record_are_said_and_not_blown_up(first: datetime | None) -> None:
    body = await project(Seen(first), NOW)

    assert body["last_24h"]["total"]["per_day"]["requests"] == 3 * 1440
    assert "little to project from" in body["last_24h"]["warnings"][-1]


def test_the_smallest_and_the_largest_sums_are_projected() -> None:
    assert projected(seen(cost_usd="0.000000000001"), 86_400)["per_day"]["cost_usd"] == "0.000000000001"
    assert projected(seen(cost_usd="1" + "0" * 50), 86_400)["per_day"]["cost_usd"] == "1" + "0" * 50
