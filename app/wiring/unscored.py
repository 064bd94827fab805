"""The record of scored votes while none is kept: nothing is known of anybody."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.outcome import ScoredVote, ScoreWindow


class Unscored:
    """No votes."""

    async def scored(self, window: ScoreWindow) -> Sequence[ScoredVote]:  # noqa: ARG002 - none in any window
        return ()
