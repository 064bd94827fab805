"""What the suite asks: questions with one right answer, as short as they can be."""

from __future__ import annotations

from typing import Final

from app.domain.chat import JSON

PLAIN: Final[list[JSON]] = [{"role": "user", "content": "What is two plus two? Reply with the number only."}]
PRICE: Final = "64231"
ASK_PRICE: Final[list[JSON]] = [
    {"role": "user", "content": "What is the price of BTC/USDT? Use the tool, then tell me the number."}
]
TOOL: Final[JSON] = {
    "type": "function",
    "function": {
        "name": "get_price",
        "description": "The last price of a symbol such as BTC/USDT.",
        "parameters": {
            "type": "object",
            "properties": {"symbol": {"type": "string"}},
            "required": ["symbol"],
            "additionalProperties": False,
        },
    },
}
SCHEMA: Final[JSON] = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}},
    "required": ["sum"],
    "additionalProperties": False,
}
ASK_JSON: Final[list[JSON]] = [
    {"role": "user", "content": 'What is two plus two? Reply as a JSON object of the form {"sum": <integer>}.'}
]
