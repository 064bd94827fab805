"""From a settled panel to the decision that goes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from app.decisions.agreement import agreeing, agreement, combined, dissent
from app.decisions.composition import OFFICERS_METHOD
from app.decisions.prompts import Prompt
from app.decisions.question import Question
from app.decisions.samples import cost_of_all
from app.decisions.validation import check, risk_reward_of
from app.decisions.veto import is_vetoed, reviewed
from app.decisions.voting import Result, effective_votes
from app.domain.decision import Action, Consensus, Decision, DecisionStatus, Opinion, Role, SettledReason, Vote
from app.domain.frozen import frozen
from app.domain.ports import Confidences

QUOTE: Final = 400


@frozen
class Settled:
    """A panel whose result stands; `at` and `latency` are seconds since the request's arrival."""

    result: Result
    votes: tuple[Vote, ...]
    method: str
    quorum: int
    at: float
    latency: float

    @property
    def members(self) -> tuple[Vote, ...]:
        """The votes of those who vote."""
        return tuple([vote for vote in self.votes if vote.role is Role.MEMBER])

    @property
    def officer(self) -> Vote | None:
        """The vote of the one who may object."""
        return next((vote for vote in self.votes if vote.role is Role.RISK_OFFICER), None)


def decision_from(
    question: Question,
    prompt: Prompt,
    settled: Settled,
    *,
    decision_id: str,
    created_at: datetime,
    warnings: Sequence[str],
    confidences: Confidences,
) -> Decision:
    """The decision: medians of those who agree, checked again by the rules that every vote had to keep.

    Its confidence is what its agreement is worth; while that is not known it is the agreement itself, and
    `consensus.calibration` says "uncalibrated".
    """
    result, votes = settled.result, settled.members
    is_decided = result.status is DecisionStatus.DECIDED
    # The plain share of the valid votes' weight that agrees: no mean of claims, and no probability by itself.
    share = round(agreement(votes, result.action) if is_decided else _largest_share(votes), 4)
    worth = confidences.of_panel(settled.method, share) if is_decided else None
    opinions = agreeing(votes, result.action) if is_decided else []
    opinion, notes = combined(opinions, question.symbol, result.action, _reasoning(settled, votes))
    risk = None
    if is_decided and settled.method == OFFICERS_METHOD:
        passed, risk = reviewed(opinion, settled.officer, question.market)
        if is_vetoed(opinion, passed):
            said = f"HOLD instead of {opinion.action.value}, by the risk officer: {'; '.join(risk.reasons)}."
            passed = replace(passed, reasoning=f"{said}\n{opinion.reasoning}"[:8_000])
            result = replace(result, action=Action.HOLD, reason=SettledReason.RISK_VETO)
        opinion, notes = passed, [*notes, *risk.warnings]
    checked = check(opinion, question.market)
    kept = checked.opinion if is_decided else replace(opinion, entry=None, stop_loss=None, take_profit=(), size=None)
    return Decision(
        id=decision_id,
        symbol=question.symbol,
        status=result.status,
        action=result.action,
        actionable=is_decided and result.action is not Action.HOLD and checked.is_valid,
        consensus=Consensus(
            method=settled.method,
            agreement=share,
            effective_votes=effective_votes([vote.family or vote.provider for vote in votes if vote.is_valid]),
            quorum=settled.quorum,
            settled_reason=result.reason,
            settled_at=settled.at,
            dissent=dissent(votes, settled.result.action) if is_decided else (),
            calibration=worth,
        ),
        votes=settled.votes,
        created_at=created_at,
        confidence=None if worth is None else share if worth.value is None else worth.value,
        reasoning=opinion.reasoning,
        entry=kept.entry,
        stop_loss=kept.stop_loss,
        take_profit=kept.take_profit,
        size=kept.size,
        intent=kept.intent if is_decided else None,
        leverage=kept.leverage if is_decided else None,
        risk_reward=risk_reward_of(kept, question.market) if is_decided else None,
        violations=checked.violations if is_decided else (),
        cost_usd=cost_of_all(settled.votes),
        latency=settled.latency,
        template=prompt.template,
        risk=None if risk is None else risk.rendered(),
        warnings=tuple(dict.fromkeys([*warnings, *notes])),
        agent_id=question.agent_id,
        key_id=question.caller.key_id,
        request_id=question.request_id,
        algo_id=question.algo_id,
        decision_maker_id=question.decision_maker_id,
        metadata=question.metadata,
        reservation=question.reservation,
        variant=question.variant,
    )


def at_deadline(result: Result) -> Result:
    """The result of a panel whose time was up; a tie and a disagreement keep their own names."""
    if result.reason in (SettledReason.ALL_VOTED, SettledReason.NO_QUORUM):
        return replace(result, reason=SettledReason.DEADLINE)
    return result


def _largest_share(votes: Sequence[Vote]) -> float:
    return max(agreement(votes, action) for action in Action)


def _reasoning(settled: Settled, votes: Sequence[Vote]) -> str:
    """Who said what, in the panel's order: the result can be read without its votes."""
    result = settled.result
    valid = [vote for vote in votes if vote.is_valid and vote.opinion is not None]
    if result.status is DecisionStatus.KILLED:
        return "HOLD without a decision (killed): an operator stopped it."
    if result.status is not DecisionStatus.DECIDED:
        counted = f"{len(valid)} of {len(votes)} members gave a valid vote, {settled.quorum} are needed"
        return f"HOLD without a decision ({result.reason.value}): {counted}."
    said = [
        f"{vote.provider}/{vote.model}: {_quoted(vote.opinion)}"
        for vote in valid
        if vote.opinion is not None and vote.opinion.action is result.action
    ]
    return "\n".join([f"{len(said)} of {len(valid)} valid votes say {result.action.value}.", *said])[:8_000]


def _quoted(opinion: Opinion) -> str:
    return (opinion.reasoning or "no reasoning given")[:QUOTE]
