"""The risk officer's word on what the panel decided: it may turn an action into HOLD or make it smaller."""

from __future__ import annotations

from dataclasses import replace

from app.decisions.assessment import Assessment, RiskVerdict, under
from app.decisions.context import MarketContext
from app.decisions.risk import assess
from app.domain.decision import Action, Opinion, Size, Vote


def reviewed(opinion: Opinion, officer: Vote | None, market: MarketContext | None) -> tuple[Opinion, Assessment]:
    """The opinion as it may stand, and why. Without an officer, or without his vote, the rule alone speaks.

    Nobody objects to a HOLD. He consents by voting the same: then size and leverage are the smaller of his and theirs.
    """
    is_hold = opinion.action is Action.HOLD
    if is_hold or officer is None or not officer.is_valid or officer.opinion is None:
        assessment = assess(opinion, market)
        if officer is not None and not is_hold:
            note = f"risk_officer_absent: {officer.reason or officer.status.value}; the rule alone was asked"
            assessment = replace(assessment, warnings=(*assessment.warnings, note))
        return under(assessment, opinion, market), assessment
    own, name = officer.opinion, f"{officer.provider}/{officer.model}"
    if own.action is not opinion.action:
        reason = f"officer_objects: {name} says {own.action.value}"
        assessment = Assessment(RiskVerdict.REJECT, None, None, None, (reason,), sources=(name,))
        return under(assessment, opinion, market), assessment
    smaller = replace(opinion, size=_smaller(opinion.size, own.size), leverage=_least(opinion.leverage, own.leverage))
    verdict = RiskVerdict.APPROVE if smaller == opinion else RiskVerdict.REDUCE
    reason = f"officer_{'agrees' if smaller == opinion else 'reduces'}: {name} says {own.action.value}"
    notes = _incomparable(opinion.size, own.size)
    return smaller, Assessment(verdict, None, None, own.leverage, (reason,), sources=(name,), warnings=notes)


def is_vetoed(before: Opinion, after: Opinion) -> bool:
    """Whether an action became a HOLD."""
    return before.action is not Action.HOLD and after.action is Action.HOLD


def _smaller(size: Size | None, other: Size | None) -> Size | None:
    if size is None or other is None or size.unit != other.unit:
        return size
    return min(size, other, key=lambda one: one.value)


def _incomparable(size: Size | None, other: Size | None) -> tuple[str, ...]:
    if size is None or other is None or size.unit == other.unit:
        return ()
    return (f"officer_in_another_unit: {other.unit} says nothing of {size.unit}",)


def _least(leverage: float | None, other: float | None) -> float | None:
    return leverage if leverage is None or other is None else min(leverage, other)
