"""What of a decision must come out the same when it is made again from the same answers, and its hash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.text.canonical import digest

_OWN: Final = frozenset(
    (
        "id",
        "request_id",
        "cost_usd",
        "replayed",
        "decision_hash",
        "calibrated_confidence",
        "calibration",
        "contamination",
        # No run is split and none has shadows: what was recorded before there were any is told again the same.
        "variant",
        "shadow",
    )
)
"""Names of what is this one making's own: its ids, what it cost, and what was known beside the answers."""

_OF_TIME: Final = ("_ms", "_at")
_STALE: Final = "stale_context"


def decision_hash(answer: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical decision, 64 hex digits. Raises Unencodable."""
    return digest(canonical_decision(answer))


def canonical_decision(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer to `POST /decisions` without ids, times, latencies and costs; what the caller sent along stays."""
    kept = {name: _without(value) for name, value in answer.items() if _is_kept(name) and name != "metadata"}
    # The age of a market is about the hour at which it was asked, not about the answers.
    kept["warnings"] = [text for text in answer.get("warnings", ()) if not text.startswith(_STALE)]
    kept["metadata"] = answer.get("metadata")
    consensus = answer.get("consensus")
    if isinstance(consensus, Mapping) and consensus.get("calibration"):
        # What an agreement is worth is known better by the time it is told again; the agreement is the same.
        kept["confidence"] = consensus.get("agreement")
    return kept


def _without(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, Mapping):
        return {name: _without(inner) for name, inner in value.items() if _is_kept(name)}
    if isinstance(value, list):
        return [_without(inner) for inner in value]
    return value


def _is_kept(name: str) -> bool:
    return name not in _OWN and not name.endswith(_OF_TIME)
