"""Votes in, a result out; and when it can no longer change."""

from __future__ import annotations

import itertools

import pytest

from app.decisions.voting import METHODS, agreement, combined, default_quorum, effective_votes, majority, unanimous
from app.domain.decision import Action, DecisionStatus, Entry, Opinion, SettledReason, Size, Vote, VoteStatus

LETTERS = {"B": Action.BUY, "S": Action.SELL, "H": Action.HOLD}


def votes(letters: str) -> list[Vote]:
    """B, S, H are votes; anything else abstains."""
    return [
        Vote(f"p{n}", "m", VoteStatus.OK, opinion=Opinion(LETTERS[letter], "X"))
        if letter in LETTERS
        else Vote(f"p{n}", "m", VoteStatus.ERROR, reason="x")
        for n, letter in enumerate(letters)
    ]


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
    result = majority(votes(cast), outstanding, quorum)

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
    result = unanimous(votes(cast), outstanding, 2)

    assert (None if result is None else (result.action, result.reason)) == expected


@pytest.mark.parametrize("method", METHODS)
def test_an_early_result_is_the_one_that_any_further_votes_would_give(method: str) -> None:
    decide = METHODS[method]
    for panel in (1, 2, 3, 4, 5):
        quorum = default_quorum(panel)
        for cast in itertools.product("BSHx", repeat=panel):
            for seen in range(1, panel):
                early = decide(votes("".join(cast[:seen])), panel - seen, quorum)
                final = decide(votes("".join(cast)), 0, quorum)
                assert final is not None
                if early is not None:
                    assert (early.action, early.status) == (final.action, final.status)


def test_only_a_decided_result_is_a_vote_of_members() -> None:
    for cast in itertools.product("BSHx", repeat=3):
        result = majority(votes("".join(cast)), 0, 2)
        assert result is not None
        if result.status is not DecisionStatus.DECIDED:
            assert result.action is Action.HOLD
            assert result.reason in (SettledReason.TIE, SettledReason.NO_QUORUM)


def test_agreement_is_of_valid_votes_and_a_family_counts_less_than_its_heads() -> None:
    cast = votes("BBSx")

    assert agreement(cast, Action.BUY) == pytest.approx(2 / 3)
    assert effective_votes(cast) == 3
    assert effective_votes([cast[0], cast[0]]) == pytest.approx(2 / 1.6)


def test_prices_are_medians_the_size_is_the_smallest_and_units_do_not_mix() -> None:
    def opinion(stop: float, targets: tuple[float, ...], size: Size) -> Opinion:
        return Opinion(Action.SELL, "X", entry=Entry("limit", stop - 1), stop_loss=stop, take_profit=targets, size=size)

    three = [
        opinion(100, (90.0, 80.0), Size("quantity", 3)),
        opinion(102, (88.0, 70.0), Size("quantity", 1)),
        opinion(110, (60.0,), Size("quantity", 2)),
    ]
    whole, warnings = combined(three, "X", Action.SELL, "r")
    assert (whole.stop_loss, whole.take_profit, whole.size) == (102, (88.0, 75.0), Size("quantity", 1))
    assert whole.entry == Entry("limit", 101)
    assert warnings == []

    mixed, warnings = combined([three[0], opinion(100, (), Size("notional", 1))], "X", Action.SELL, "r")
    assert mixed.size is None
    assert warnings == ["sizes_in_different_units: no common size"]
