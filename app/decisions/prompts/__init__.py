"""The prompt engine: templates composed from versioned blocks, and a market as material for them."""

from app.decisions.prompts.composing import Prompt, callers_prompt, market_prompt
from app.decisions.prompts.contract import DECISION_SCHEMA, OUTPUT_CONTRACT, RESPONSE_FORMAT
from app.decisions.prompts.tasks import REPAIR, pattern_prompt, repair_text, risk_prompt

__all__ = [
    "DECISION_SCHEMA",
    "OUTPUT_CONTRACT",
    "REPAIR",
    "RESPONSE_FORMAT",
    "Prompt",
    "callers_prompt",
    "market_prompt",
    "pattern_prompt",
    "repair_text",
    "risk_prompt",
]
