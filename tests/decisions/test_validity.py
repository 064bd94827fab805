"""Which share of a target's votes could be used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from app.decisions.validity import MOST_ANSWERS, MOST_TARGETS, VoteValidity
from app.domain.decision import Decision, Vote, VoteStatus
from app.domain.grades import Grade
from app.domain.target import Target

ALPHA = Target("alpha", "m")


def heard(validity: VoteValidity, *statuses: VoteStatus, provider: str = "alpha") -> None:
    votes: Any = SimpleNamespace(votes=[Vote(provider, "m", status) for status in statuses])
    validity.decided(cast("Decision", votes))


def test_votes_that_could_be_used_are_valid_and_those_that_never_came_say_nothing() -> None:
    validity = VoteValidity()
    assert validity.of(ALPHA) is None

    heard(validity, *VoteStatus)

    assert validity.of(ALPHA) == Grade(valid=2, answers=4)
    assert validity.of(Target("alpha", "other")) is None


def test_a_model_that_was_mended_is_not_judged_by_its_past() -> None:
    validity = VoteValidity()
    heard(validity, *[VoteStatus.INVALID] * 1000)
    heard(validity, *[VoteStatus.OK] * 1000)

    grade = validity.of(ALPHA)
    assert grade is not None
    assert grade.valid / grade.answers > 0.95


@given(st.lists(st.sampled_from((VoteStatus.OK, VoteStatus.INVALID)), max_size=600))
def test_counts_stay_counts(statuses: list[VoteStatus]) -> None:
    validity = VoteValidity()
    heard(validity, *statuses)
    grade = validity.of(ALPHA) or Grade()

    assert 0 <= grade.valid <= grade.answers <= MOST_ANSWERS


def test_targets_that_were_not_heard_of_for_longest_are_forgotten() -> None:
    validity = VoteValidity()
    for number in range(MOST_TARGETS + 1):
        heard(validity, VoteStatus.OK, provider=str(number))

    assert [validity.of(Target(name, "m")) is None for name in ("0", "1")] == [True, False]
