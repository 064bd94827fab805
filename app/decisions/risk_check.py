"""A panel's decision after a risk check: vetoed, made smaller, or as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.decisions.assessment import RiskVerdict, under
from app.decisions.context import MarketContext
from app.decisions.officer import Judged, Proposal
from app.decisions.question import Question
from app.decisions.validation import check
from app.domain.decision import Action, Decision, Opinion, SettledReason
from app.domain.usage import summed


def opinion_of(decision: Decision) -> Opinion:
    """The decision as an opinion, for what judges opinions."""
    return Opinion(
        action=decision.action,
        symbol=decision.symbol,
        intent=decision.intent,
        confidence=decision.confidence,
        reasoning=decision.reasoning,
        entry=decision.entry,
        stop_loss=decision.stop_loss,
        take_profit=decision.take_profit,
        size=decision.size,
        leverage=decision.leverage,
    )


def proposal_of(decision: Decision, question: Question, answer_by: float) -> Proposal:
    """The decision as its risk officer sees it, to be judged by `answer_by` (monotonic seconds)."""
    return Proposal(
        opinion=opinion_of(decision),
        deadline=answer_by,
        request_id=question.request_id,
        market=question.market,
        model=question.risk_officer,
        agent_id=question.agent_id,
        policy=question.policy,
        priority=question.priority,
        caller=question.caller,
        decision_id=decision.id,
        variant=question.variant,
        metadata=question.metadata,
        cache=question.cache,
        hedge=question.hedge,
    )


def risk_checked(decision: Decision, judged: Judged, market: MarketContext | None) -> Decision:
    """The decision under the assessment, which is recorded with it. Nothing becomes larger, turns, or is acted on anew.

    A veto makes it HOLD, settled by `risk_veto`, with nothing of the order left.
    """
    assessment = judged.assessment
    decision = replace(
        decision,
        risk=judged.rendered(),
        warnings=tuple(dict.fromkeys((*decision.warnings, *assessment.warnings))),
        cost_usd=with_cost(decision.cost_usd, judged.rendered()),
    )
    if decision.action is Action.HOLD or assessment.verdict is RiskVerdict.APPROVE:
        return decision
    opinion = under(assessment, opinion_of(decision), market)
    if opinion.action is Action.HOLD:
        return _vetoed(decision, assessment.reasons)
    checked = check(opinion, market)
    return replace(
        decision,
        size=opinion.size,
        leverage=opinion.leverage,
        violations=checked.violations,
        actionable=decision.actionable and checked.is_valid,
    )


def with_cost(cost: Decimal | None, risk: Mapping[str, Any] | None) -> Decimal | None:
    """What the panel cost and the officer with it; None when either is unknown and an officer was asked."""
    if risk is None or (risk["template"] is None and risk["cost_usd"] == "0"):
        return cost
    return None if risk["cost_usd"] is None else summed((cost, Decimal(risk["cost_usd"])))


def _vetoed(decision: Decision, reasons: tuple[str, ...]) -> Decision:
    said = f"HOLD by risk veto: {decision.action.value} was rejected ({'; '.join(reasons)})."
    return replace(
        decision,
        action=Action.HOLD,
        actionable=False,
        confidence=None,
        reasoning="\n".join([said, decision.reasoning or ""]).strip()[:8_000],
        entry=None,
        stop_loss=None,
        take_profit=(),
        size=None,
        intent=None,
        leverage=None,
        risk_reward=None,
        consensus=replace(decision.consensus, settled_reason=SettledReason.RISK_VETO),
    )
