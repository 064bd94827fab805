"""Money as callers read it."""

from __future__ import annotations

from decimal import Decimal


def money(amount: Decimal) -> str:
    """Dollars as a plain decimal string."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text
