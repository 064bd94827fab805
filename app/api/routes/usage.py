"""What was used and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.api.completions import money
from app.api.deps import CurrentServices, Cursor, Limit
from app.api.errors import field_errors
from app.domain.errors import Violation

router = APIRouter(prefix="/usage", tags=["usage"])
COUNTS = ("requests", "attempts", "input_tokens", "output_tokens", "unpriced_requests")
GROUPS = ("model", "provider", "agent", "key")


class Bucket(StrEnum):
    """How long a row of the summary is."""

    HOUR = "hour"
    DAY = "day"


@router.get("", summary="Attempts on record, newest first")
async def list_usage(services: CurrentServices, limit: Limit = 50, cursor: Cursor = None) -> dict[str, Any]:
    """A page of attempts."""
    items, following = await services.usage.page(limit=limit, cursor=cursor)
    return {"items": [_rendered(item) for item in items], "next": following}


@router.get("/summary", summary="Tokens and money over time")
async def summarise(
    services: CurrentServices,
    by: Bucket = Bucket.DAY,
    group: Annotated[
        str, Query(max_length=256, description="Any of model, provider, agent, key; comma-separated")
    ] = "",
    since: Annotated[datetime | None, Query(description="ISO 8601 with offset; everything when absent")] = None,
) -> dict[str, Any]:
    """One row per bucket and group, and the total of all rows."""
    groups = list(dict.fromkeys(name.strip() for name in group.split(",") if name.strip()))
    unknown = [name for name in groups if name not in GROUPS]
    if unknown:
        raise field_errors([Violation("group", f"must be any of {', '.join(GROUPS)}")])
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    rows = await services.usage.summary(by=by.value, group=groups, since=since)
    return {"rows": [_rendered(row) for row in rows], "total": total_of(rows)}


def total_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The sum of all rows; `cost_usd` is what is known, null when nothing is."""
    costs = [Decimal(str(row["cost_usd"])) for row in rows if row.get("cost_usd") is not None]
    total: dict[str, Any] = {name: sum(row.get(name) or 0 for row in rows) for name in COUNTS}
    total["cost_usd"] = money(sum(costs, Decimal(0))) if costs else None
    return total


def _rendered(row: dict[str, Any]) -> dict[str, Any]:
    return {name: money(value) if isinstance(value, Decimal) else value for name, value in row.items()}
