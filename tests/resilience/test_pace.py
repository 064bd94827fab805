"""The share of answers that come in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.resilience.pace import Pace

SEEN = st.lists(st.tuples(st.floats(0.01, 60), st.integers(1, 100_000)), min_size=1, max_size=30)


def pace(*seen: tuple[float, int], most: int = 64) -> Pace:
    made = Pace(300.0, most)
    for duration, tokens in seen:
        made.add(0.0, duration, tokens)
    return made


def test_nothing_seen_is_nothing_known() -> None:
    assert pace().share_within(1.0, 10, 0.0) is None


def test_it_is_the_share_that_was_fast_enough_and_not_a_mean() -> None:
    seen = pace(*[(0.5, 100)] * 9, (20.0, 100))

    assert seen.share_within(2.0, 100, 0.0) == pytest.approx(0.9)
    assert seen.share_within(0.4, 100, 0.0) == 0.0
    assert seen.share_within(20.0, 100, 0.0) == 1.0


def test_a_long_prompt_takes_as_much_longer_as_long_prompts_took() -> None:
    seen = pace(*[(1.0 + tokens / 1000, tokens) for tokens in range(1000, 9000, 1000)])

    assert seen.share_within(3.0, 1000, 0.0) == 1.0
    assert seen.share_within(3.0, 4000, 0.0) == 0.0
    assert seen.share_within(51.1, 50_000, 0.0) == 1.0


def test_a_shorter_prompt_is_never_thought_slower_though_it_happened_to_be() -> None:
    seen = pace(*[(9.0 - tokens / 1000, tokens) for tokens in range(1000, 9000, 1000)])

    assert seen.share_within(4.5, 8000, 0.0) == seen.share_within(4.5, 10, 0.0) == 0.5


def test_a_few_answers_tell_no_slope() -> None:
    assert pace((1.0, 10), (9.0, 10_000)).share_within(5.0, 1_000_000, 0.0) == 0.5


def test_what_is_old_or_one_too_many_is_forgotten() -> None:
    seen = pace((1.0, 10))
    assert seen.share_within(2.0, 10, 299.0) == 1.0
    assert seen.share_within(2.0, 10, 300.0) is None

    assert pace((9.0, 10), (1.0, 10), (1.0, 10), most=2).share_within(2.0, 10, 0.0) == 1.0


@given(SEEN, st.floats(0, 60), st.floats(0, 60), st.integers(0, 100_000), st.integers(0, 100_000))
def test_more_time_and_a_shorter_prompt_never_lower_the_chance(
    seen: list[tuple[float, int]], seconds: float, more: float, tokens: int, longer: int
) -> None:
    tight = pace(*seen).share_within(seconds, tokens + longer, 0.0)
    roomy = pace(*seen).share_within(seconds + more, tokens + longer, 0.0)
    short = pace(*seen).share_within(seconds, tokens, 0.0)

    assert tight is not None
    assert roomy is not None
    assert short is not None
    assert 0.0 <= tight <= roomy <= 1.0
    assert tight <= short
