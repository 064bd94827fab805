"""What a price at a decision's horizon says of it."""

from __future__ import annotations

from typing import Final

from app.domain.outcome import DuePrice, Outcome, OutcomeKind
from app.outcomes.grading import moved

RESERVED: Final = "prices:"
"""How the ids of our own outcomes begin; no caller's may."""


def outcome_at(due: DuePrice) -> Outcome:
    """The outcome of a decision whose horizon is over: one per decision and horizon, so that making it twice is one."""
    return Outcome(
        f"{RESERVED}{due.length:g}",
        due.decision_id,
        OutcomeKind.FORWARD_RETURN,
        due.bar.at,
        horizon=due.length,
        entry_price=due.entry_price,
        exit_price=due.bar.close,
        forward_return=moved(due.entry_price, due.bar.close),
        source="prices",
    )
