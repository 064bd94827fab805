"""What a second model is asked about a proposed decision: its risk, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.decisions.context import Account, MarketContext
from app.decisions.prompts import Prompt, risk_prompt
from app.decisions.wire import opinion_rendered
from app.domain.decision import Opinion

_SCENARIO: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "probability": {"type": ["number", "null"]},
        "loss_fraction": {"type": ["number", "null"]},
    },
    "required": ["name", "probability", "loss_fraction"],
    "additionalProperties": False,
}
ASSESSMENT_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "scenarios": {"type": "array", "items": _SCENARIO},
        "reasons": {"type": "array", "items": {"type": "string"}},
        "risk_score": {"type": ["number", "null"]},
        "verdict": {"type": "string", "enum": ["approve", "reduce", "reject"]},
        "max_fraction": {"type": ["number", "null"]},
    },
    "required": ["scenarios", "reasons", "risk_score", "verdict", "max_fraction"],
    "additionalProperties": False,
}
"""What the risk contract of the prompt says in words; the argument comes before the verdict."""

RESPONSE_FORMAT: Final[Mapping[str, Any]] = {
    "type": "json_schema",
    "json_schema": {"name": "risk_assessment", "strict": True, "schema": ASSESSMENT_SCHEMA},
}


def officers_prompt(opinion: Opinion, market: MarketContext | None, account: Account | None) -> Prompt:
    """The prompt; the account is shown where the market does not carry it."""
    money = None if account is None else account.model_dump(mode="json", exclude_none=True)
    return risk_prompt(opinion.symbol, market, opinion_rendered(opinion), account=money)
