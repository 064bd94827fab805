"""Ballots in, a result out; and when it can no longer change."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.decisions.voting import (
    METHODS,
    Ballot,
    Count,
    default_quorum,
    discounted,
    effective_votes,
    majority,
    unanimous,
    weighted,
)
from app.domain.decision import Action, DecisionStatus, SettledReason

LETTERS = {"B": Action.BUY, "S": Action.SELL, "H": Action.HOLD}


def count(letters: str, outstanding: int, quorum: int) -> Count:
    """B, S, H are votes; anything else abstained."""
    cast = [Ballot(LETTERS[letter]) for letter in letters if letter in LETTERS]
    return Count(cast, [Ballot(None)] * outstanding, quorum)


@pytest.mark.parametrize(
    ("cast", "outstanding", "quorum", "expected"),
    [
        ("BBS", 0, 2, ("BUY", "all_voted")),
        ("BB", 1, 2, ("BUY", "outcome_fixed")),
        ("BB", 2, 3, None),
        ("BBB", 1, 3, ("BUY", "outcome_fixed")),
        ("BBS", 1, 3, None),
        ("BS", 0, 2, ("HOLD", "tie")),
        ("BBSS", 0, 3, ("HOLD", "tie")),
        ("BSH", 0, 2, ("HOLD", "tie")),
        ("Bxx", 0, 2, ("HOLD", "no_quorum")),
        ("Bxx", 1, 4, ("HOLD", "no_quorum")),
        ("xx", 1, 2, None),
        ("xxx", 0, 2, ("HOLD", "no_quorum")),
        ("HHB", 0, 2, ("HOLD", "all_voted")),
        ("Bx", 0, 1, ("BUY", "all_voted")),
    ],
)
def test_majority(cast: str, outstanding: int, quorum: int, expected: tuple[str, str] | None) -> None:
    result = majority(count(cast, outstanding, quorum))

    assert (None if result is None else (result.action, result.reason)) == expected


@pytest.mark.parametrize(
    ("cast", "outstanding", "expected"),
    [
        ("BBx", 0, ("BUY", "all_voted")),
        ("BB", 1, None),
        ("BS", 1, ("HOLD", "not_unanimous")),
        ("xx", 0, ("HOLD", "no_quorum")),
    ],
)
def test_unanimous(cast: str, outstanding: int, expected: tuple[str, str] | None) -> None:
    result = unanimous(count(cast, outstanding, 2))

    assert (None if result is None else (result.action, result.reason)) == expected


@pytest.mark.parametrize("method", METHODS)
def test_an_early_result_is_the_one_that_any_further_votes_would_give(method: str) -> None:
    decide = METHODS[method]
    for panel in (1, 2, 3, 4, 5):
        quorum = default_quorum(panel)
        for cast in itertools.product("BSHx", repeat=panel):
            for seen in range(1, panel):
                early = decide(count("".join(cast[:seen]), panel - seen, quorum))
                final = decide(count("".join(cast), 0, quorum))
                assert final is not None
                if early is not None:
                    assert (early.action, early.status) == (final.action, final.status)


WEIGHTS = st.sampled_from((0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0))
SEATS = st.lists(
    st.tuples(WEIGHTS, st.sampled_from(("", "a", "b")), st.sampled_from((None, *Action))), min_size=1, max_size=6
)


@settings(max_examples=150, deadline=None)
@given(SEATS, st.integers(0, 6), st.integers(1, 6))
def test_a_weighted_result_settles_early_exactly_when_nothing_still_out_could_change_it(
    seats: list[tuple[float, str, Action | None]], seen: int, quorum: int
) -> None:
    cast = [Ballot(action, weight, family) for weight, family, action in seats[:seen] if action is not None]
    out = [Ballot(None, weight, family) for weight, family, _ in seats[seen:]][:3]
    early = weighted(Count(cast, out, quorum))

    ends = set()
    for answers in itertools.product((None, *Action), repeat=len(out)):
        for strength in (0.0, 0.5, 1.0):
            voted = [
                replace(ballot, action=action, weight=ballot.weight * strength)
                for ballot, action in zip(out, answers, strict=True)
                if action is not None
            ]
            end = weighted(Count([*cast, *voted], [], quorum))
            assert end is not None
            ends.add((end.action, end.status))

    if early is not None:
        assert ends == {(early.action, early.status)}
    elif out and cast:
        # A tie at the end is a HOLD like a vote for it: only results that are told apart are waited for.
        assert len(ends) > 1 or len(cast) < quorum or (Action.HOLD, DecisionStatus.NO_QUORUM) in ends


@given(st.lists(st.tuples(WEIGHTS, st.sampled_from(("", "a", "b"))), max_size=8), WEIGHTS, st.sampled_from(("a", "c")))
def test_one_more_vote_never_makes_an_action_lighter_nor_adds_more_than_itself(
    backing: list[tuple[float, str]], weight: float, family: str
) -> None:
    before = [Ballot(Action.BUY, *one) for one in backing]

    gained = sum(discounted([*before, Ballot(Action.BUY, weight, family)])) - sum(discounted(before))

    assert -1e-12 <= gained <= weight + 1e-12


def test_three_votes_of_one_family_weigh_less_than_two_of_strangers() -> None:
    kin = [Ballot(Action.BUY, 0.6, "meta")] * 3
    strangers = [Ballot(Action.SELL, 0.6, "openai"), Ballot(Action.SELL, 0.6, "google")]

    result = weighted(Count([*kin, *strangers], [], 3))
    by_heads = majority(Count([*kin, *strangers], [], 3))

    assert result is not None
    assert by_heads is not None
    assert (result.action, by_heads.action) == (Action.SELL, Action.BUY)


def test_a_tie_of_weights_does_not_depend_on_who_came_first() -> None:
    buys = [Ballot(Action.BUY, 0.1, "a"), Ballot(Action.BUY, 0.2, "b")]
    sells = [Ballot(Action.SELL, 0.3, "c")]

    for order in itertools.permutations([*buys, *sells]):
        result = weighted(Count(order, [], 2))
        assert result is not None
        assert result.reason is SettledReason.TIE


def test_only_a_decided_result_is_a_vote_of_members() -> None:
    for cast in itertools.product("BSHx", repeat=3):
        result = majority(count("".join(cast), 0, 2))
        assert result is not None
        if result.status is not DecisionStatus.DECIDED:
            assert result.action is Action.HOLD
            assert result.reason in (SettledReason.TIE, SettledReason.NO_QUORUM)


def test_a_family_counts_less_than_its_heads() -> None:
    assert effective_votes(["a", "b", "c"]) == 3
    assert effective_votes(["a", "a"]) == pytest.approx(2 / 1.6)
    assert effective_votes([]) == 0
