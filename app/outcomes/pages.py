"""Reading scored votes a span at a time, so that neither memory nor the loop holds a whole record."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from app.domain.outcome import ScoredVote, ScoreWindow
from app.domain.ports import Scores

WANTED: Final = 2_000
"""Votes of one page, about: the span of the next one goes by what the last one brought."""
FIRST: Final = timedelta(hours=1)
_LEAST: Final = timedelta(seconds=1)
_LONGEST: Final = timedelta(days=1)
_MOST: Final = 200
"""Pages that a window of many empty days comes to, at most about: a longer one has longer pages."""
_STEEPEST: Final = 8.0


async def pages(
    scores: Scores, window: ScoreWindow, until: datetime, first: timedelta = FIRST
) -> AsyncGenerator[Sequence[ScoredVote]]:
    """The window's votes, earlier decisions first and those of one decision side by side; no decision is torn.

    The window has a beginning; where it has no end, `until` is one. The first page covers the span `first`, each a day
    at most in windows of up to 200 days.
    """
    assert window.since is not None  # noqa: S101 - whoever asks for pages says from when
    start, end, span = window.since, window.until or until, first
    longest = max(_LONGEST, (end - start) / _MOST)
    while start < end:
        stop = end if end - start <= span else start + span
        votes = await scores.scored(replace(window, since=start, until=stop))
        if votes:
            yield sorted(votes, key=lambda each: (each.decided_at, each.vote.decision_id, each.vote.number))
        factor = min(WANTED / len(votes), _STEEPEST) if votes else _STEEPEST
        span = min(max(span * factor, _LEAST), longest)
        start = stop
