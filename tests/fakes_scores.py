"""Scored votes as the record would give them, and a record of them in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.decision import Action, VoteStatus
from app.domain.errors import StorageUnavailable
from app.domain.outcome import CastVote, ScoredVote, ScoreWindow

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TAU = 0.001

_OF_VOTE = frozenset(one.name for one in fields(CastVote))


class FakeScores:
    """Gives the votes of a window and remembers which were asked for; `away` is a database that is."""

    def __init__(self, votes: Sequence[ScoredVote] = ()) -> None:
        self.votes = list(votes)
        self.windows: list[ScoreWindow] = []
        self.largest = 0
        self.away = False

    async def scored(self, window: ScoreWindow) -> Sequence[ScoredVote]:
        if self.away:
            raise StorageUnavailable("the database is away")
        self.windows.append(window)
        found = [
            vote
            for vote in self.votes
            if (window.since is None or window.since <= vote.decided_at)
            and (window.until is None or vote.decided_at < window.until)
            and window.agent_id in (None, vote.agent_id)
            and window.symbol in (None, vote.symbol)
            and (window.variants is None or vote.variant in window.variants)
        ]
        self.largest = max(self.largest, len(found))
        return found


def scored(action: str | None = "BUY", r: float | None = None, **more: Any) -> ScoredVote:
    """One vote of a decision of its own, graded when the market moved by `r`."""
    fields: dict[str, Any] = {
        "decision_id": "d",
        "number": 1,
        "provider": "a",
        "model": "m",
        "status": VoteStatus.OK,
        "weight": 1.0,
    }
    vote = CastVote(
        action=None if action is None else Action(action), **fields | {k: v for k, v in more.items() if k in _OF_VOTE}
    )
    if action is None and vote.status is VoteStatus.OK:
        vote = replace(vote, status=VoteStatus.TIMEOUT, weight=None)
    facts: dict[str, Any] = {
        "decided_at": NOON,
        "symbol": "BTC/USDT",
        "agent_id": None,
        "method": "majority",
        "consensus": vote.action or Action.HOLD,
    }
    return graded(ScoredVote(vote, **facts | {k: v for k, v in more.items() if k not in _OF_VOTE}), r)


def graded(vote: ScoredVote, r: float | None) -> ScoredVote:
    """The vote after the market moved by `r`."""
    if r is None:
        return vote
    right = {Action.BUY: r > TAU, Action.SELL: r < -TAU, Action.HOLD: abs(r) <= TAU}
    correct = None if vote.vote.action is None else right[vote.vote.action]
    return replace(vote, correct=correct, forward_return=r, threshold=TAU, graded_at=NOON + timedelta(hours=1))


def panel(decision_id: str, actions: dict[str, str | None], r: float | None = None, **more: Any) -> list[ScoredVote]:
    """A decision: who (provider) voted what; None for an abstention. The plurality is its result unless told."""
    cast = [action for action in actions.values() if action is not None]
    consensus = more.pop("consensus", max(cast, key=cast.count) if cast else "HOLD")
    return [
        scored(action, r, decision_id=decision_id, number=n, provider=name, consensus=Action(consensus), **more)
        for n, (name, action) in enumerate(actions.items(), start=1)
    ]


def streak(name: str, hits: int, misses: int, *, start: datetime = NOON, **more: Any) -> list[ScoredVote]:
    """Decisions of one member alone, a minute apart: first those that were right, then the others."""
    return [
        scored(
            "BUY",
            0.01 if place < hits else -0.01,
            decision_id=f"{name}-{start.isoformat()}-{place}",
            provider=name,
            decided_at=start + timedelta(minutes=place),
            **more,
        )
        for place in range(hits + misses)
    ]
