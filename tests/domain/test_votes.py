"""A vote once it was counted."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from app.domain.decision import Vote, VoteStatus
from app.domain.grades import Calibrated


def test_a_counted_vote_is_the_same_but_for_what_it_counted() -> None:
    said: dict[str, Any] = {field.name: f"its {field.name}" for field in fields(Vote)} | {"status": VoteStatus.OK}
    worth = Calibrated(0.54, 250, "isotonic", None)

    counted = Vote(**said).counted(family="a", weight=0.5, calibration=worth)

    assert counted == replace(Vote(**said), family="a", weight=0.5, calibration=worth)
