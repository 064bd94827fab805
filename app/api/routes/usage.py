"""What was used and what it cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.api.deps import CurrentServices, Cursor, Limit
from app.api.dollars import money
from app.api.errors import field_errors
from app.domain.errors import Violation

router = APIRouter(prefix="/usage", tags=["usage"])


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
        str,
        Query(max_length=256, description="Any of model, provider, agent, key, route, outcome, code; comma-separated"),
    ] = "",
    since: Annotated[datetime | None, Query(description="ISO 8601 with offset; everything when absent")] = None,
) -> dict[str, Any]:
    """One row per bucket and group, and the total over everything."""
    groups = list(dict.fromkeys(name.strip() for name in group.split(",") if name.strip()))
    start = None if since is None else _in_utc(since)
    rows = await services.usage.summary(by=by.value, group=groups, since=start)
    # A request whose attempts fall into two rows counts once in all: the total is no sum of the rows.
    total = await services.usage.total(since=start)
    return {"rows": [_rendered(row) for row in rows], "total": _rendered(total)}


def _in_utc(since: datetime) -> datetime:
    """The moment in UTC. Raises RequestRejected where that lies before the first year or after the last."""
    try:
        return since.replace(tzinfo=UTC) if since.tzinfo is None else since.astimezone(UTC)
    except OverflowError:
        raise field_errors([Violation("since", "is no moment of the years 1 to 9999 in UTC")]) from None


def _rendered(row: dict[str, Any]) -> dict[str, Any]:
    return {name: money(value) if isinstance(value, Decimal) else value for name, value in row.items()}
