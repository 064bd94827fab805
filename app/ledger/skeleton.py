"""What of a decision's JSON stays when nobody's words may: numbers, verdicts and names of ours.

Texts of models and of callers are left out by what is known to be none: a field that is new is left out until it is
listed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_OURS: Final = frozenset(
    (
        *("id", "symbol", "action", "status", "method", "settled_reason", "provider", "model", "role", "family"),
        *("rung", "contamination", "created_at", "request_id", "algo_id", "decision_maker_id", "decision_hash"),
        *("cost_usd", "code", "severity", "field", "type", "unit", "intent", "strength", "time_horizon", "verdict"),
        *("version", "hash", "prompt_hash", "name", "label", "timeframe", "settle", "on_invalid", "on_violation"),
        *("as_of", "as_of_mode", "key_id", "panel", "risk_officer", "variant"),
    )
)
_WHOLE: Final = frozenset(("usage", "members", "replay", "shadow"))
_EMPTY: Final = frozenset(("metadata",))
_LEFT_OUT: Final = frozenset(("market", "prompt", "messages"))
_WHATEVER_IT_IS: Final = _WHOLE | _EMPTY | _LEFT_OUT
_NUMBERS: Final = frozenset((int, float, bool, type(None)))
_CODE: Final = re.compile(r"[a-z][a-z_]{0,40}(?=:|\Z)")


def skeleton(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object with every key it had, and null, [] or {} in the place of words; of a `reason` its code."""
    # A call for each object and list, none for what is in them: this is on the way of every decision.
    bare: dict[str, Any] = {}
    for name, inner in value.items():
        kind = type(inner)
        if name in _WHATEVER_IT_IS:
            bare[name] = None if name in _LEFT_OUT else {} if name in _EMPTY else inner
        elif kind in _NUMBERS:
            bare[name] = inner
        elif kind is str:
            bare[name] = inner if name in _OURS else _code(inner) if name == "reason" else None
        elif kind is dict:
            bare[name] = skeleton(inner)
        else:
            bare[name] = _items(name, inner) if kind is list else None
    return bare


def restored(bare: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """The whole object, with its keys in the order of the skeleton."""
    return {name: _in_order(inner, whole.get(name)) for name, inner in bare.items()}


def _items(name: str, values: list[Any]) -> list[Any]:
    is_ours = name in _OURS
    bare: list[Any] = []
    for inner in values:
        kind = type(inner)
        if kind in _NUMBERS or (is_ours and kind is str):
            bare.append(inner)
        elif kind is not str:
            bare.append(skeleton(inner) if kind is dict else _items(name, inner) if kind is list else None)
    return bare


def _code(reason: str) -> str | None:
    found = _CODE.match(reason)
    return None if found is None else found.group()


def _in_order(bare: Any, whole: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(bare, Mapping) and isinstance(whole, Mapping):
        return restored(bare, whole) | {name: inner for name, inner in whole.items() if name not in bare}
    if isinstance(bare, list) and isinstance(whole, list) and len(bare) == len(whole):
        return [_in_order(one, other) for one, other in zip(bare, whole, strict=True)]
    return whole
