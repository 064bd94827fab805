"""How providers did over time, in pages, in steps or as one export."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from app.api.deps import CurrentExchange, CurrentServices, Cursor, Limit
from app.api.errors import field_errors
from app.api.exports import Export
from app.api.health_wire import COLUMNS, as_csv, as_json, figures, rendered_sample
from app.api.times import WRITTEN_OUT, rendered_time
from app.domain.errors import Code, NotFound, Violation
from app.domain.health import HealthSample, HistoryWindow
from app.services import HealthRecords

router = APIRouter(prefix="/providers", tags=["providers"])

_DAY: Final = 86_400
_PAGE: Final = 1_000
_NOTHING: Final = HealthSample("", datetime.min.replace(tzinfo=UTC), "", "", samples=0)
_EXPORTS: Final[dict[str, Any]] = {
    "application/json": {"schema": {"type": "object"}},
    "text/csv": {"schema": {"type": "string"}, "example": ",".join(COLUMNS) + "\r\n"},
}


class Format(StrEnum):
    """What an export is written as."""

    JSON = "json"
    CSV = "csv"


Moment = Annotated[datetime | None, WRITTEN_OUT, Query(description="ISO 8601 with offset")]
Step = Annotated[int | None, Query(ge=1, le=31 * _DAY, description="Seconds of one bucket; single samples when absent")]


async def _window(
    since: Moment = None,
    until: Moment = None,
    window: Annotated[
        int, Query(ge=1, le=3_660 * _DAY, description="Seconds before `until`, where `since` is absent")
    ] = _DAY,
) -> HistoryWindow:
    """The window that is asked for: the last day unless it says otherwise."""
    try:
        end = datetime.now(UTC) if until is None else _in_utc(until)
        start = end - timedelta(seconds=window) if since is None else _in_utc(since)
    except OverflowError:
        raise field_errors([Violation("since", "is no moment of the years 1 to 9999 in UTC")]) from None
    if start >= end:
        raise field_errors([Violation("since", "must be before `until`")])
    return HistoryWindow(start, end)


async def _stepped(window: Annotated[HistoryWindow, Depends(_window)], step: Step = None) -> HistoryWindow:
    return replace(window, step=step)


Window = Annotated[HistoryWindow, Depends(_window)]
SteppedWindow = Annotated[HistoryWindow, Depends(_stepped)]


@router.get("/{name}/health/history", summary="One provider's health over time, newest first")
async def read_history(
    name: Annotated[str, Path(max_length=64)],
    services: CurrentServices,
    window: SteppedWindow,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> dict[str, Any]:
    """Samples as they were taken, or one row per `step` seconds; `summary` is over the whole window.

    A row says how it was until `at`; a bucket's, from `at` on, with the worst status, circuit and p95 in it.
    """
    found, following = await services.history.page(name, window, limit=limit, cursor=cursor)
    total = await services.history.total(name, window)
    if total is None and all(config.name != name for config in services.providers.current.providers):
        raise NotFound(f"no provider {name!r} is configured or on record", code=Code.UNKNOWN_PROVIDER)
    return {
        "provider": name,
        "window": {"since": rendered_time(window.since), "until": rendered_time(window.until), "step": window.step},
        "summary": figures(total or _NOTHING),
        "items": [rendered_sample(sample) for sample in found],
        "next": following,
    }


@router.get(
    "/health/export",
    summary="Every provider's health samples, newest first",
    response_class=Response,
    responses={200: {"description": "JSON, or CSV with `format=csv`; written while it is read", "content": _EXPORTS}},
)
async def export_history(
    exchange: CurrentExchange,
    window: Window,
    kind: Annotated[Format, Query(alias="format")] = Format.JSON,
    provider: Annotated[str | None, Query(max_length=64)] = None,
) -> Response:
    """All samples of the window. An answer that broke off is not whole: its connection was cut."""
    pages = _pages(exchange.services.history, provider, window)
    if kind is Format.JSON:
        return Export(exchange, as_json(pages, window), kind="application/json", name="provider-health.json")
    return Export(exchange, as_csv(pages), kind="text/csv; charset=utf-8", name="provider-health.csv")


async def _pages(
    history: HealthRecords, provider: str | None, window: HistoryWindow
) -> AsyncGenerator[list[dict[str, Any]]]:
    """Page by page, each a transaction of its own: a slow reader holds no connection of the database."""
    cursor: str | None = None
    while True:
        found, cursor = await history.page(provider, window, limit=_PAGE, cursor=cursor)
        yield [rendered_sample(sample) for sample in found]
        if cursor is None:
            return


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
