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
_NUMBERS: Final = frozenset((int, float, bool, type(None)))
_CODE: Final = re.compile(r"[a-z][a-z_]{0,40}(?=:|\Z)")


def skeleton(value: Mapping[str, Any]) -> dict[str, Any]:
    """The object with every key it had, and null, [] or {} in the place of words; of a `reason` its code."""
    return {name: _bare(name, inner) for name, inner in value.items()}


def restored(bare: Mapping[str, Any], whole: Mapping[str, Any]) -> dict[str, Any]:
    """The whole object, with its keys in the order of the skeleton."""
    return {name: _in_order(inner, whole.get(name)) for name, inner in bare.items()}


def _bare(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    # Plain types only, and the most frequent first: this is on the way of every decision.
    kind = type(value)
    if name in _LEFT_OUT:
        return None
    if name in _EMPTY:
        return {}
    if kind in _NUMBERS or name in _WHOLE:
        return value
    if kind is dict:
        return {key: _bare(key, inner) for key, inner in value.items()}
    if kind is list:
        return [_bare(name, inner) for inner in value if type(inner) is not str or name in _OURS]
    if kind is str and name in _OURS:
        return value
    code = _CODE.match(value) if name == "reason" and kind is str else None
    return None if code is None else code.group()


def _in_order(bare: Any, whole: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(bare, Mapping) and isinstance(whole, Mapping):
        return restored(bare, whole) | {name: inner for name, inner in whole.items() if name not in bare}
    if isinstance(bare, list) and isinstance(whole, list) and len(bare) == len(whole):
        return [_in_order(one, other) for one, other in zip(bare, whole, strict=True)]
    return whole
