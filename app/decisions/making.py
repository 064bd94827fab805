"""The making of a decision: what a panel said as it goes out, judged, billed, and with what came in later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from app.decisions.background import Background
from app.decisions.billing import LEAVING, Billing
from app.decisions.member import Asker
from app.decisions.officer import Officer
from app.decisions.panel import LATE, Panel, why_stopped
from app.decisions.risk_check import proposal_of, risk_checked, with_cost
from app.decisions.samples import cost_of_all
from app.decisions.seat import absent
from app.decisions.session import Session
from app.decisions.shadows import Shadows
from app.decisions.verdict import Settled, at_deadline, decision_from
from app.decisions.voting import Result
from app.domain.decision import Action, Decision, DecisionStatus, SettledReason, Vote, VoteStatus
from app.domain.errors import BudgetExhausted, Code
from app.domain.kill import Kill, Stops

_NOBODY: Final = Result(Action.HOLD, DecisionStatus.NO_QUORUM, SettledReason.NO_QUORUM)
_KILLED: Final = Result(Action.HOLD, DecisionStatus.KILLED, SettledReason.KILLED)


class Making:
    """Makes decisions. What an operator stopped meanwhile is HOLD with status killed, whatever was said."""

    def __init__(
        self,
        asker: Asker,
        background: Background,
        stops: Stops,
        billing: Billing,
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self._asker = asker
        self._background = background
        self._stops = stops
        self._billing = billing
        self._now = now
        self._wall = wall

    def refused(self, session: Session, kill: Kill) -> Decision:
        """The answer while an operator's stop is in force, on record as any other; nobody is asked."""
        votes = [absent(seat, VoteStatus.CANCELLED, why_stopped(kill)) for seat in session.composition.seats]
        return self._made(session, _KILLED, votes, [*session.composition.warnings, kill.says()])

    async def made_up(self, session: Session, panel: Panel, shadows: Shadows | None, result: Result | None) -> Decision:
        """The decision as it goes out; whom nobody waits for is not asked any longer.

        Raises BudgetExhausted where money is why nobody on the panel could be asked.
        """
        question, decision = session.question, self._decision(session, panel, result)
        if result is None or panel.kill is not None or question.settle == "early":
            await panel.leave(LEAVING)
        if question.risk_check:
            decision = await self._risk_checked(session, panel, decision)
        if shadows is not None:
            decision = await shadows.beside(decision, goes_on=result is not None and panel.kill is None)
        return session.stamped(self._billing.billed(decision, session.composition.everybody))

    async def completed(
        self, session: Session, panel: Panel, shadows: Shadows | None, decision: Decision, *, waits: bool
    ) -> Decision:
        """The same decision with the votes that were still out, waited for until the deadline.

        Those of the panel where it `waits` for them, and its shadows'.
        """
        if waits:
            while await panel.next(session.decide_at) is not None:
                pass
            await panel.leave(LEAVING)
            votes = tuple(_last_votes(session, panel))
            cost = with_cost(cost_of_all(votes), decision.risk)
            decision = session.judged(replace(decision, votes=votes, cost_usd=cost))
        if shadows is not None:
            decision = await shadows.finished(decision)
        return self._billing.billed(decision, session.composition.everybody)

    def _decision(self, session: Session, panel: Panel, result: Result | None) -> Decision:
        question = session.question
        kill = panel.kill or self._stops.of(question.agent_id)
        if kill is not None:
            result = _KILLED
            votes = session.votes(panel, VoteStatus.CANCELLED, why_stopped(kill))
        elif result is not None:
            is_pending = question.settle == "all"
            votes = session.votes(
                panel, *((VoteStatus.PENDING, None) if is_pending else (VoteStatus.CANCELLED, result.reason.value))
            )
        else:
            result = at_deadline(session.result(panel, is_over=True) or _NOBODY)
            votes = session.votes(panel, VoteStatus.TIMEOUT, LATE)
        warnings = session.warnings(panel, self._wall())
        if kill is not None:
            # Stopped while the members thought: what they said is on record, and nobody may act on it.
            warnings = [*warnings, kill.says()]
            session.void_run()
        elif all((vote.reason or "").startswith(Code.KILLED.value) for vote in votes):
            result = _KILLED
        elif (refusal := _refused_for_money(votes)) is not None:
            raise refusal
        if session.run is not None:
            session.run.arrivals.settled()
        return self._made(session, result, votes, warnings)

    async def _risk_checked(self, session: Session, panel: Panel, decision: Decision) -> Decision:
        """The decision after the rule and, where one is named, the officer; a panel without a result has no risk."""
        question = session.question
        if decision.status is not DecisionStatus.DECIDED:
            return decision
        officer = question.risk_officer if session.composition.is_checked_by_officer else None
        proposal = replace(proposal_of(decision, question, session.answer_by), model=officer)
        order = None if session.run is None else session.run.arrivals
        by = Officer(session.asker(self._asker), self._background, self._now, order)
        judged = await panel.unless_stopped(by.judged(proposal))
        checked = decision if judged is None else risk_checked(decision, judged, question.market)
        if (kill := panel.kill or self._stops.of(question.agent_id)) is not None:
            # Stopped while the officer thought.
            session.void_run()
            return self._made(session, _KILLED, decision.votes, [*checked.warnings, kill.says()])
        return replace(checked, latency=self._now() - question.arrived)

    def _made(self, session: Session, result: Result, votes: Sequence[Vote], warnings: Sequence[str]) -> Decision:
        question, composition = session.question, session.composition
        elapsed = self._now() - question.arrived
        quorum = composition.first_quorum if session.is_first_alone(votes) else composition.quorum
        settled = Settled(result, tuple(votes), composition.method, quorum, elapsed, elapsed)
        decision = decision_from(
            question,
            session.prompt,
            settled,
            decision_id=session.decision_id,
            created_at=self._wall(),
            warnings=warnings,
            confidences=session.confidences,
        )
        return session.judged(decision)


def _last_votes(session: Session, panel: Panel) -> list[Vote]:
    """The votes of a panel that nobody waits for any more."""
    if panel.kill is None:
        return session.votes(panel, VoteStatus.TIMEOUT, LATE)
    session.void_run()
    return session.votes(panel, VoteStatus.CANCELLED, why_stopped(panel.kill))


def _refused_for_money(votes: Sequence[Vote]) -> BudgetExhausted | None:
    """Why nobody on the panel could be asked, where it was money that everybody lacked: then there is no decision."""
    reasons = [vote.reason or "" for vote in votes]
    if all(reason.startswith(Code.UNPRICED_MODEL.value) for reason in reasons):
        return BudgetExhausted(Code.UNPRICED_MODEL, f"nobody on this panel has a known price: {reasons[0]}")
    if all(reason.startswith((Code.BUDGET_EXCEEDED.value, Code.UNPRICED_MODEL.value)) for reason in reasons):
        first = next(reason for reason in reasons if reason.startswith(Code.BUDGET_EXCEEDED.value))
        return BudgetExhausted(Code.BUDGET_EXCEEDED, f"nobody on this panel could be asked: {first}")
    return None
