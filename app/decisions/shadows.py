"""Shadows: models asked beside a panel, whose votes are recorded and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.decisions.background import Background
from app.decisions.billing import LEAVING
from app.decisions.member import Asker, Member
from app.decisions.panel import LATE, Panel, why_stopped
from app.decisions.session import Session
from app.domain.decision import Decision, Vote, VoteStatus
from app.domain.routing import Priority


class Shadows:
    """The shadows of one decision. `panel` is theirs alone: nobody counts what it hears, and nobody waits for it."""

    def __init__(self, session: Session, background: Background, now: Callable[[], float]) -> None:
        self._session = session
        self._now = now
        self.panel = Panel(session.composition.shadows, background, now, agent_id=session.question.agent_id)

    def ask(self, asker: Asker) -> None:
        """Ask all of them, once each, behind everybody else where a provider has a queue."""
        session = self._session
        question = replace(session.question, priority=Priority.LOW)
        overheard = session.asker(asker)
        self.panel.ask(
            [
                Member(overheard, seat, question, session.prompt, session.decision_id, self._now)
                for seat in session.composition.shadows
            ]
        )

    async def beside(self, decision: Decision, *, goes_on: bool) -> Decision:
        """The decision with what they said so far behind its votes; the rest is pending where it `goes_on`."""
        while self.panel.has_arrived:
            await self.panel.next(self._now())
        return self._with(decision, *((VoteStatus.PENDING, None) if goes_on else (VoteStatus.TIMEOUT, LATE)))

    async def finished(self, decision: Decision) -> Decision:
        """The decision with all that they say before the panel's time is over."""
        while await self.panel.next(self._session.decide_at) is not None:
            pass
        await self.panel.leave(LEAVING)
        return self._with(decision, VoteStatus.TIMEOUT, LATE)

    def _with(self, decision: Decision, status: VoteStatus, reason: str | None) -> Decision:
        if self.panel.kill is not None:
            status, reason = VoteStatus.CANCELLED, why_stopped(self.panel.kill)
        said = [_weightless(self._session.marked(vote)) for vote in self.panel.votes(status, reason)]
        return replace(decision, votes=(*_members(decision.votes, said), *said))


def _members(votes: Sequence[Vote], shadows: Sequence[Vote]) -> Sequence[Vote]:
    """The votes without the shadows' that may stand behind them already."""
    is_told = bool(votes) and votes[-1].role is shadows[-1].role
    return votes[: -len(shadows)] if is_told else votes


def _weightless(vote: Vote) -> Vote:
    return replace(vote, weight=0.0)
