"""What a body that is no answer states as usage is read in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.adapters.billed import billed

STATED = [
    ({"error": {}, "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}}, (5, 2)),
    ({"type": "message", "usage": {"input_tokens": 3, "cache_read_input_tokens": 2, "output_tokens": 2}}, (5, 2)),
    ({"status": "failed", "usage": {"input_tokens": 5, "output_tokens": 2}}, (5, 2)),
    ([{"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 2, "totalTokenCount": 7}}], (5, 2)),
    ({"prompt_eval_count": 5, "eval_count": 2}, (5, 2)),
]


@pytest.mark.parametrize(("body", "counts"), STATED)
def test_usage_beside_a_failure_is_read(body: Any, counts: tuple[int, int]) -> None:
    usage = billed(json.dumps(body).encode())

    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == counts


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"usage": 3}', b'{"usageMetadata": []}', b"{}"])
def test_what_states_nothing_was_billed_nothing(body: bytes) -> None:
    assert billed(body) is None
