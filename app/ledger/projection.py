"""What usage comes to per day and per month if it goes on as in the last day, or the last week.

    per day = what was seen * 86400 / seconds covered, per month = 30 times that

A service that has run for three hours has covered three hours of its last day, not a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final, Protocol

from app.domain.usage_query import UsageFilter

_WINDOWS: Final = {"last_24h": timedelta(hours=24), "last_7d": timedelta(days=7)}
_DAY: Final = 86_400
_MONTH_DAYS: Final = 30
_HOUR: Final = 3_600.0
# What happened within the last seconds says nothing about a day; it is taken for what happens in a minute.
_LEAST: Final = 60.0
_COUNTS: Final = ("requests", "attempts", "input_tokens", "output_tokens", "unpriced_requests")
_MONEY: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_SMALLEST: Final = Decimal("1e-12")


class Totals(Protocol):
    """Sums of usage, and since when there are any."""

    async def totals(
        self, wanted: UsageFilter, *, group: Sequence[str]
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]: ...
    async def first(self) -> datetime | None: ...


async def project(usage: Totals, now: datetime) -> dict[str, Any]:
    """The projection at this moment: for each window its rows per provider and model, and their total."""
    first = await usage.first()
    windows = {name: await _window(usage, now - length, now, first) for name, length in _WINDOWS.items()}
    return {"month_days": _MONTH_DAYS, **windows}


async def _window(usage: Totals, since: datetime, until: datetime, first: datetime | None) -> dict[str, Any]:
    covered = 0.0 if first is None else max((until - max(since, first)).total_seconds(), 0.0)
    rows, total = await usage.totals(UsageFilter(since=since, until=until), group=("provider", "model"))
    return {
        "since": _rendered(since),
        "until": _rendered(until),
        "covered_seconds": round(covered, 3),
        "rows": [{"provider": row["provider"], "model": row["model"], **projected(row, covered)} for row in rows],
        "total": projected(total, covered),
        "warnings": list(_warnings(rows, covered)),
    }


def projected(seen: Mapping[str, Any], covered: float) -> dict[str, Any]:
    """What was seen in that many seconds, and what it comes to; money that is unknown stays unknown."""
    seconds = max(covered, _LEAST)
    return {
        "seen": {name: seen[name] for name in (*_COUNTS, "cost_usd")},
        "per_day": _over(seen, _DAY, seconds),
        "per_month": _over(seen, _DAY * _MONTH_DAYS, seconds),
    }


def _over(seen: Mapping[str, Any], length: int, seconds: float) -> dict[str, Any]:
    scaled: dict[str, Any] = {name: round(seen[name] * length / seconds, 2) for name in _COUNTS}
    cost = seen["cost_usd"]
    return scaled | {"cost_usd": None if cost is None else _scaled(Decimal(cost), length, seconds)}


def _scaled(cost: Decimal, length: int, seconds: float) -> str:
    amount = _MONEY.divide(_MONEY.multiply(cost, Decimal(length)), Decimal(str(seconds)))
    text = format(_MONEY.quantize(amount, _SMALLEST) if abs(amount) < 10**40 else amount, "f")
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def _warnings(rows: Sequence[Mapping[str, Any]], covered: float) -> list[str]:
    said = [
        f"{row['unpriced_requests']} requests to {row['provider']}/{row['model']} have no known price: "
        "their money is not in the figures"
        for row in rows
        if row["unpriced_requests"]
    ]
    if covered < _HOUR:
        said.append(f"only {covered:.0f} s are on record: little to project from")
    return said


def _rendered(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
