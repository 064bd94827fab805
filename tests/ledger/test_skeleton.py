"""Without words a decision still says what was decided, and nothing of what anybody wrote."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.ledger.sealing import canonical_bytes
from app.ledger.skeleton import restored, skeleton

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
_NAMES = ("action", "reasoning", "votes", "reason", "metadata", "warnings", "take_profit", "usage", "risk")
# Put together, since Hypothesis tries the constants that it finds in the source, as names too.
_CANARY = "-".join(("canary", "in", "words"))
_OBJECTS = st.dictionaries(st.sampled_from(_NAMES) | st.text(max_size=8), _JSON, max_size=6)


@given(_OBJECTS)
def test_with_the_whole_the_skeleton_is_the_whole_again_in_its_order(whole: dict[str, Any]) -> None:
    again = restored(skeleton(whole), json.loads(canonical_bytes(whole)))

    assert again == json.loads(json.dumps(whole))
    assert list(again) == list(whole)


@given(_OBJECTS)
def test_a_field_that_nobody_listed_loses_its_words(whole: dict[str, Any]) -> None:
    told = skeleton({"new": whole | {"more": _CANARY, "list": [_CANARY]}, "x": _CANARY})

    assert _CANARY not in json.dumps(told)


def test_of_a_reason_the_code_stays_and_of_numbers_everything() -> None:
    vote = {"status": "error", "reason": "provider_error: he said so", "latency_ms": 1.5, "take_profit": [1, 2]}

    assert skeleton(vote) == vote | {"reason": "provider_error"}
    assert skeleton({"reason": "I would not"}) == {"reason": None}


def test_the_canonical_form_takes_what_callers_put_into_metadata() -> None:
    assert canonical_bytes({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()
    assert canonical_bytes({"huge": 10**30, "half": "\ud800"}) == b'{"half":"\\ud800","huge":1' + b"0" * 30 + b"}"
