"""What a member is asked to answer with: the schema, and the same in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.decisions.prompts.blocks import Block
from app.text.context_block import canonical_json

DECISION_SCHEMA: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "symbol": {"type": ["string", "null"]},
        "reasoning": {"type": ["string", "null"]},
        "action": {"type": ["string", "null"], "enum": ["BUY", "SELL", "HOLD", None]},
        "confidence": {"type": ["number", "null"]},
        "entry_price": {"type": ["number", "null"]},
        "stop_loss": {"type": ["number", "null"]},
        "take_profit": {"type": ["number", "null"]},
        "size_fraction": {"type": ["number", "null"]},
        "leverage": {"type": ["number", "null"]},
        "time_horizon": {"type": ["string", "null"], "enum": ["scalping", "intraday", "swing", "position", None]},
        "invalidation": {"type": ["string", "null"]},
    },
    "required": [
        *("symbol", "reasoning", "action", "confidence", "entry_price", "stop_loss"),
        *("take_profit", "size_fraction", "leverage", "time_horizon", "invalidation"),
    ],
    "additionalProperties": False,
}
"""The small half of a decision, as a model is asked for it; the reasoning comes before the action."""

RESPONSE_FORMAT: Final[Mapping[str, Any]] = {
    "type": "json_schema",
    "json_schema": {"name": "trading_decision", "strict": True, "schema": DECISION_SCHEMA},
}

OUTPUT_CONTRACT: Final = Block(
    "output_contract",
    "1",
    "Answer with exactly one JSON object and nothing else, with these keys in this order, null where you have "
    "nothing to say: symbol (the one asked about); reasoning (your argument, before the action); action (one of the "
    "words BUY, SELL, HOLD); confidence (a number from 0 to 1); entry_price, stop_loss, take_profit (absolute prices, "
    "not percentages; for BUY the stop is below and the target above the entry, for SELL the reverse); size_fraction "
    "(share of equity, 0 to 1); leverage (1 or more); time_horizon (scalping, intraday, swing or position); "
    "invalidation (what would prove you wrong).",
)

SCHEMA: Final = Block("output_schema", "1", canonical_json(DECISION_SCHEMA))
"""The schema as a block: it goes out beside the messages, and a decision records it as well."""
