"""The rules of a trading decision by their codes; docs/decision-rules.md shows the same table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from app.domain.decision import RuleViolation, Severity

_ERROR, _WARNING = Severity.ERROR, Severity.WARNING

RULES: Final[Mapping[str, Severity]] = {
    "not_finite": _ERROR,
    "price_not_positive": _ERROR,
    "symbol_outside_universe": _ERROR,
    "action_not_allowed": _ERROR,
    "intent_contradicts_action": _ERROR,
    "stop_wrong_side": _ERROR,
    "stop_too_close": _ERROR,
    "stop_too_far": _ERROR,
    "stop_beyond_target": _ERROR,
    "stop_required": _ERROR,
    "target_wrong_side": _ERROR,
    "percent_price": _ERROR,
    "risk_reward_too_low": _ERROR,
    "risk_reward_unknown": _WARNING,
    "leverage_exceeded": _ERROR,
    "leverage_out_of_range": _ERROR,
    "size_exceeded": _ERROR,
    "size_out_of_range": _ERROR,
    "size_unchecked": _WARNING,
    "percent_converted": _WARNING,
    "stop_inside_noise": _WARNING,
    "hold_with_size": _WARNING,
    "nothing_to_close": _WARNING,
    "confidence_rescaled": _WARNING,
    "confidence_worded": _WARNING,
    "confidence_exactly_one": _WARNING,
}
"""Every code with its severity; `leverage_exceeded` and `size_exceeded` only warn where the caller lets us cut."""


def broken(code: str, field: str, message: str, *, severity: Severity | None = None) -> RuleViolation:
    """A violation of the rule with this code, by the rule's own severity unless told otherwise."""
    return RuleViolation(code, severity or RULES[code], field, message)
