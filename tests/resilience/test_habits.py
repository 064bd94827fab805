"""What answers are usually like."""

from __future__ import annotations

import pytest

from app.domain.usage import Usage
from app.resilience.habits import Habits


def test_the_first_answer_is_the_habit_and_others_move_it() -> None:
    habits = Habits()
    unknown = habits.output_tokens

    habits.see(Usage(100, 40, cached_tokens=50))
    first = (habits.output_tokens, habits.cached_share)

    for _ in range(40):
        habits.see(Usage(100, 200))
    assert unknown is None
    assert first == (40.0, 0.5)
    assert habits.output_tokens == pytest.approx(200, rel=0.02)
    assert habits.cached_share < 0.02


def test_a_prompt_of_nothing_has_no_cached_share() -> None:
    habits = Habits()
    habits.see(Usage(0, 5, cached_tokens=3))

    assert habits.cached_share == 0.0
