"""Who was right, how sure that is, what it cost, and what claims are worth."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from app.api.deps import MAX_ID, CurrentServices
from app.api.errors import field_errors
from app.api.score_wire import rendered_board, rendered_curves
from app.api.times import WRITTEN_OUT
from app.domain.errors import Violation
from app.domain.outcome import ScoreWindow
from app.outcomes.leaderboard import By

router = APIRouter(tags=["outcomes"])

Moment = Annotated[
    datetime | None, WRITTEN_OUT, Query(description="ISO 8601 with offset; of the decisions, not of their outcomes")
]


async def _window(
    since: Moment = None,
    until: Moment = None,
    agent: Annotated[int | None, Query(ge=1, le=MAX_ID, description="Decisions of this agent alone")] = None,
    symbol: Annotated[str | None, Query(min_length=1, max_length=32)] = None,
) -> ScoreWindow:
    """The window that is asked for. Raises RequestRejected for one that ends before it begins."""
    window = ScoreWindow(_in_utc("since", since), _in_utc("until", until), agent, symbol and symbol.strip().upper())
    if window.since is not None and window.until is not None and window.since >= window.until:
        raise field_errors([Violation("since", "must be before `until`")])
    return window


@router.get("/leaderboard", summary="Models, agents, methods or variants, ranked by how surely they were right")
async def read_leaderboard(
    services: CurrentServices, window: Annotated[ScoreWindow, Depends(_window)], by: By = By.MODEL
) -> dict[str, Any]:
    """Ranked by the lower end of the hit rate's 95 % interval; without a rank below 20 graded.

    Over the last 90 days before `until` where `since` is absent.
    """
    return rendered_board(await services.scoring.board(by, window))


@router.get("/calibration", summary="What stated confidences and agreements turned out to be worth")
async def read_calibration(services: CurrentServices) -> dict[str, Any]:
    """A curve per model and per method: `points` are pairs of what was claimed and how often that came true."""
    return rendered_curves(services.scoring.curves())


def _in_utc(name: str, moment: datetime | None) -> datetime | None:
    try:
        if moment is None:
            return None
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        raise field_errors([Violation(name, "is no moment of the years 1 to 9999 in UTC")]) from None
