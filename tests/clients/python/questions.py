"""What the clients ask: one price tool, one structured answer, and what the mock model is known to say to them."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel

SAID = "buy the dip"
"""What the mock model says to a plain question."""

SYMBOL = "BTC/USDT"
PRICE = "64231.5"
DESCRIPTION = "The last price of a symbol."
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {"symbol": {"type": "string", "description": "such as BTC/USDT"}},
    "required": ["symbol"],
    "additionalProperties": False,
}
CHAT_TOOL: Any = {
    "type": "function",
    "function": {"name": "get_price", "description": DESCRIPTION, "parameters": PARAMETERS},
}
HELLO: Any = [{"role": "user", "content": "hello"}]
ASK_PRICE: Any = [{"role": "user", "content": "What is the price of BTC/USDT?"}]
ASK_VERDICT: Any = [{"role": "user", "content": "Should I buy BTC/USDT? Answer as JSON."}]
REFUSED: Any = [{"role": "user", "content": "fail with 400"}]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
"""A whole PNG of one pixel."""


class Verdict(BaseModel):
    """A trading verdict."""

    action: Literal["BUY", "SELL", "HOLD"]
    confidence: float
    reasons: list[str]


def same(seen: object, expected: object) -> None:
    """Fail with both values unless they are equal."""
    if seen != expected:
        raise AssertionError(f"{seen!r} instead of {expected!r}")


def is_verdict(value: object) -> None:
    """Fail unless this is the mock model's verdict."""
    same(value, Verdict(action="BUY", confidence=0.5, reasons=[SYMBOL]))


def is_price_question(arguments: object) -> None:
    """Fail unless these are the arguments that the mock model gives to the price tool."""
    same(json.loads(arguments) if isinstance(arguments, str) else arguments, {"symbol": SYMBOL})


def in_pieces(pieces: list[str], said: str = SAID) -> None:
    """Fail unless this was streamed: the whole in more than one piece."""
    same("".join(pieces), said)
    if len([piece for piece in pieces if piece]) < 2:
        raise AssertionError(f"one piece only: {pieces!r}")
