"""What was used, what it cost, and what that comes to if it goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Query
from fastapi.responses import Response

from app.api.deps import CurrentExchange, CurrentServices
from app.api.exports import Export
from app.api.usage_wire import COLUMNS, ExportQuery, Format, NoQuery, PageQuery, SummaryQuery, as_csv, as_lines
from app.domain.usage_query import UsageFilter
from app.ledger.projection import project
from app.services import UsageQueries

router = APIRouter(prefix="/usage", tags=["usage"])

_PAGE: Final = 1_000
_EXPORTS: Final[dict[str, Any]] = {
    "text/csv": {"schema": {"type": "string"}, "example": ",".join(COLUMNS) + "\r\n"},
    "application/x-ndjson": {"schema": {"type": "string"}, "example": '{"id":"1f0c","cost_usd":"0.0001026"}\n'},
}


@router.get("", summary="Attempts on record, newest first")
async def list_usage(services: CurrentServices, query: Annotated[PageQuery, Query()]) -> dict[str, Any]:
    """A page of attempts: also those that failed, and answers that cost nothing."""
    items, following = await services.usage.page(query.wanted(), limit=query.limit, cursor=query.cursor)
    return {"items": items, "next": following}


@router.get("/summary", summary="Tokens and money over time", response_model=dict[str, Any])
async def summarise(services: CurrentServices, query: Annotated[SummaryQuery, Query()]) -> Response:
    """One row per bucket and group, and the total over everything.

    A request whose attempts fall into two rows counts in both, and once in the total; all other sums of the rows are
    the total. Where single attempts have been deleted, `since` and `until` have to be whole hours.
    """
    rows, total = await services.usage.summary(query.wanted(), by=query.by.value, group=query.groups)
    # Straight to JSON: the framework's own way takes longer than the sums.
    return Response(orjson.dumps({"rows": rows, "total": total}), media_type="application/json")


@router.get("/projection", summary="What usage comes to per day and per month if it goes on")
async def read_projection(services: CurrentServices, _: Annotated[NoQuery, Query()]) -> dict[str, Any]:
    """From the last 24 hours and from the last 7 days, each per model and in total.

    `covered_seconds` is how much of the window has anything on record; money that is unknown is null, and the requests
    without a price are counted beside what is known.
    """
    return await project(services.usage, datetime.now(UTC))


@router.get(
    "/export",
    summary="Every attempt that matches, newest first",
    response_class=Response,
    responses={200: {"description": "CSV, or JSON lines; written while it is read", "content": _EXPORTS}},
)
async def export_usage(exchange: CurrentExchange, query: Annotated[ExportQuery, Query()]) -> Response:
    """All attempts. An answer that broke off is not whole: its connection was cut."""
    pages = _pages(exchange.services.usage, query.wanted())
    if query.format is Format.CSV:
        return Export(exchange, as_csv(pages), kind="text/csv; charset=utf-8", name="usage.csv")
    return Export(exchange, as_lines(pages), kind="application/x-ndjson", name="usage.jsonl")


async def _pages(usage: UsageQueries, wanted: UsageFilter) -> AsyncGenerator[list[dict[str, Any]]]:
    """Page by page, each a transaction of its own: a slow reader holds no connection of the database."""
    cursor: str | None = None
    while True:
        found, cursor = await usage.page(wanted, limit=_PAGE, cursor=cursor)
        yield found
        if cursor is None:
            return
