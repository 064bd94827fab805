"""The canonical decision: the same whatever was its own about one making of it."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.decisions.canonical import canonical_decision, decision_hash

OWN = {
    "id": "dec_1",
    "request_id": "r1",
    "created_at": "2026-11-20T14:15:00Z",
    "latency_ms": 12.5,
    "cost_usd": "0.1",
    "replayed": False,
    "decision_hash": None,
}
SAID: dict[str, Any] = {
    "symbol": "BTC/USDT",
    "action": "BUY",
    "confidence": 0.7,
    "take_profit": [65000.0, 66000.0],
    "consensus": {"method": "majority", "agreement": 1.0, "settled_at_ms": 3.2},
    "votes": [{"provider": "a", "action": "BUY", "latency_ms": 2.0, "cost_usd": "0.1", "usage": {"input_tokens": 1}}],
    "warnings": ["careful"],
    "metadata": {"id": "mine", "tick_ms": 5},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {key: shuffled(inner, rng) for key, inner in items}
    return [shuffled(inner, rng) for inner in value] if isinstance(value, list) else value


def test_ids_times_latencies_and_costs_are_not_in_it() -> None:
    assert canonical_decision(OWN | SAID) == {
        **SAID,
        "consensus": {"method": "majority", "agreement": 1.0},
        "votes": [{"provider": "a", "action": "BUY", "usage": {"input_tokens": 1}}],
    }


@given(own=st.fixed_dictionaries(dict.fromkeys(OWN, JSON)))
def test_its_hash_does_not_hang_on_them(own: dict[str, Any]) -> None:
    assert decision_hash(own | SAID) == decision_hash(OWN | SAID)


@given(metadata=st.dictionaries(st.text(max_size=5), JSON, max_size=3), seed=st.integers())
def test_neither_the_order_of_keys_nor_a_way_through_json_changes_it(metadata: dict[str, Any], seed: int) -> None:
    decision = OWN | SAID | {"metadata": metadata}

    assert decision_hash(shuffled(decision, random.Random(seed))) == decision_hash(decision)
    assert decision_hash(json.loads(json.dumps(decision))) == decision_hash(decision)


@given(name=st.sampled_from(sorted(SAID)), value=JSON)
def test_whatever_was_said_differently_is_another_decision(name: str, value: Any) -> None:
    if name == "warnings" or value == SAID[name]:
        return

    changed = OWN | SAID | {name: value}

    is_same = canonical_decision(changed) == canonical_decision(OWN | SAID)
    assert (decision_hash(changed) == decision_hash(OWN | SAID)) is is_same


def test_how_old_a_market_was_is_not_in_it() -> None:
    aged = {**SAID, "warnings": ["stale_context: 40 s old", "careful"]}

    assert decision_hash(aged) == decision_hash(SAID)


def test_what_its_agreement_is_worth_by_then_is_not_in_it() -> None:
    def calibrated(confidence: float, n: int) -> dict[str, Any]:
        worth = {"n": n, "method": "platt", "note": None}
        return SAID | {"confidence": confidence, "consensus": SAID["consensus"] | {"calibration": worth}}

    assert decision_hash(calibrated(0.6, 40)) == decision_hash(calibrated(0.55, 60))
