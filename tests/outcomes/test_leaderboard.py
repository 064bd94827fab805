"""The leaderboard: what each column counts, and who comes first."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.decision import VoteStatus
from app.domain.outcome import ScoredVote
from app.outcomes.leaderboard import By, Leaderboard, Row
from tests.fakes_scores import NOON, panel, scored, streak


def rows(votes: list[ScoredVote], by: By = By.MODEL) -> dict[object, Row]:
    board = Leaderboard(by)
    board.add(votes)
    return {row.subject[0]: row for row in board.rows()}


def test_the_lower_end_of_the_interval_ranks_and_not_the_share() -> None:
    board = Leaderboard(By.MODEL)
    board.add([*streak("lucky", 16, 4), *streak("steady", 700, 300), *streak("poor", 40, 60), *streak("new", 3, 0)])
    ranked = board.rows()

    assert [(row.subject[0], row.rank) for row in ranked] == [("steady", 1), ("lucky", 2), ("poor", 3), ("new", None)]
    assert [row.note for row in ranked] == [None, None, None, "insufficient data"]
    assert (ranked[3].hit_rate, ranked[3].tally.resolved) == (1.0, 3)


def test_twenty_graded_votes_are_enough_for_a_rank_and_equals_share_one() -> None:
    found = rows([*streak("a", 10, 10), *streak("b", 10, 10), *streak("c", 5, 15), *streak("d", 19, 0)])

    assert {name: row.rank for name, row in found.items()} == {"a": 1, "b": 1, "c": 3, "d": None}


def test_abstentions_are_told_by_reason_and_who_was_not_let_finish_is_not_held_against_anybody() -> None:
    found = rows(
        [
            scored("BUY", decision_id="1"),
            scored(None, decision_id="2", status=VoteStatus.TIMEOUT, reason="provider_timeout"),
            scored(None, decision_id="3", status=VoteStatus.INVALID, reason="conflicting_decisions"),
            scored(None, decision_id="4", status=VoteStatus.ERROR, reason="provider_overloaded: 529 from it"),
            scored(None, decision_id="5", status=VoteStatus.CANCELLED, reason="outcome_fixed"),
            scored(None, decision_id="6", status=VoteStatus.REFUSED),
        ]
    )["a"]

    assert dict(found.tally.abstentions) == {
        "provider_timeout": 1,
        "conflicting_decisions": 1,
        "provider_overloaded": 1,
        "outcome_fixed": 1,
        "refused": 1,
    }
    assert (found.tally.decisions, found.tally.errors, found.tally.resolved) == (6, 2, 0)
    assert (found.abstention_rate, found.invalid_rate) == (0.8, 0.2)
    assert dict(found.tally.invalid_reasons) == {"conflicting_decisions": 1}


def test_an_abstention_is_never_a_hold_however_still_the_market() -> None:
    found = rows([scored(None, 0.0)])["a"]

    assert (found.tally.resolved, found.tally.hits, found.hit_rate) == (0, 0, None)


def test_the_paper_curve_goes_with_buy_against_with_sell_and_nowhere_with_hold() -> None:
    moves = [("BUY", 0.02), ("SELL", 0.03), ("SELL", -0.01), ("HOLD", 0.05), ("BUY", 0.01)]
    votes = [
        scored(action, r, decision_id=str(n), decided_at=NOON + timedelta(hours=n))
        for n, (action, r) in enumerate(moves)
    ]
    paper = rows(votes)["a"].tally.paper

    assert paper.total == pytest.approx(0.02 - 0.03 + 0.01 + 0.01)
    assert paper.drawdown == pytest.approx(0.03)
    assert paper.profit_factor == pytest.approx(0.04 / 0.03)
    assert paper.win_rate == 0.75
    assert rows(votes)["a"].mean_forward_return == pytest.approx(0.01 / 5)


def test_without_a_loss_there_is_no_profit_factor() -> None:
    assert rows([scored("BUY", 0.01)])["a"].tally.paper.profit_factor is None


def test_brier_and_ece_are_of_stated_confidences() -> None:
    votes = [
        scored("BUY", 0.01 if right else -0.01, decision_id=str(n), confidence=claimed)
        for n, (claimed, right) in enumerate([(0.9, True), (0.9, False), (0.6, True), (None, True)])
    ]
    claims = rows(votes)["a"].tally.claims

    assert claims.brier == pytest.approx((0.01 + 0.81 + 0.16) / 3)
    assert claims.ece == pytest.approx((2 * abs(0.5 - 0.9) + abs(1 - 0.6)) / 3)
    assert claims.n == 3


def test_what_a_right_vote_cost_is_counted_over_the_graded_ones() -> None:
    votes = [
        scored("BUY", r, decision_id=str(n), cost_usd=Decimal("0.01")) for n, r in enumerate([0.01, 0.01, -0.01, None])
    ]
    found = rows(votes)["a"]

    assert found.tally.cost == Decimal("0.04")
    assert found.cost_per_decision == Decimal("0.01")
    assert found.cost_per_correct_decision == Decimal("0.015")


def test_an_unknown_price_makes_no_cheap_decision() -> None:
    found = rows([scored(decision_id="1", cost_usd=Decimal("0.01")), scored(decision_id="2")])["a"]

    assert (found.tally.unpriced, found.cost_per_decision, found.cost_per_correct_decision) == (1, None, None)


def test_latencies_are_of_answers_by_nearest_rank() -> None:
    votes = [scored(decision_id=str(n), latency=n / 10) for n in range(1, 21)]
    votes.append(scored(None, decision_id="x", status=VoteStatus.CANCELLED, latency=99.0))
    found = rows(votes)["a"]

    assert (found.tally.latency(0.5), found.tally.latency(0.95)) == (1.0, 1.9)
    assert found.average_latency == pytest.approx(1.05)


def test_value_added_is_how_often_the_panel_would_have_been_right_without_a_member() -> None:
    votes = [
        *panel("1", {"a": "BUY", "b": "BUY", "c": "SELL"}, 0.01),  # without a or b a tie, and so a wrong HOLD
        *panel("2", {"a": "BUY", "b": "SELL", "c": "SELL"}, 0.01),  # wrong with everybody; without b or c a tie
        *panel("3", {"a": "HOLD", "b": "BUY", "c": "BUY"}, 0.0),  # without b or c a tie is HOLD, and right
    ]
    found = rows(votes)

    assert {name: row.value_added for name, row in found.items()} == {
        "a": pytest.approx(1 / 3),
        "b": pytest.approx(0.0),
        "c": pytest.approx(-1 / 3),
    }
    assert found["a"].tally.panels == 3


def test_a_shadow_is_graded_and_moves_no_recount() -> None:
    shadow = scored("SELL", 0.01, decision_id="1", number=3, provider="s", is_shadow=True, weight=0.0, consensus="BUY")
    found = rows([*panel("1", {"a": "BUY", "b": "BUY"}, 0.01), shadow])

    assert found["s"].tally.resolved == 1
    assert found["s"].value_added is None
    assert found["a"].tally.panels_right == 1


def test_one_alone_adds_nothing_to_a_panel_it_is() -> None:
    assert rows(streak("a", 3, 0))["a"].value_added is None


def test_by_method_a_decision_counts_once_with_all_it_cost() -> None:
    votes = [
        *panel("1", {"a": "BUY", "b": "BUY", "c": "SELL"}, 0.01, cost_usd=Decimal("0.01"), latency=0.5),
        *panel("2", {"a": "SELL", "b": "SELL", "c": "SELL"}, 0.01, method="unanimous"),
    ]
    found = rows(votes, By.METHOD)

    assert {name: (row.tally.decisions, row.tally.hits) for name, row in found.items()} == {
        "majority": (1, 1),
        "unanimous": (1, 0),
    }
    assert found["majority"].tally.cost == Decimal("0.03")
    assert len(found["majority"].tally.latencies) == 3


def test_the_gateways_own_hold_is_no_vote_for_hold() -> None:
    votes = [
        *panel("1", {"a": "BUY", "b": "SELL"}, 0.0, consensus="HOLD"),
        *panel("2", {"a": None, "b": None}, 0.0, consensus="HOLD"),
        *panel("3", {"a": "HOLD", "b": "HOLD"}, 0.0),
    ]
    found = rows(votes, By.METHOD)["majority"]

    assert (found.tally.decisions, found.tally.resolved, found.tally.hits) == (3, 1, 1)
    assert dict(found.tally.abstentions) == {"no_result": 2}


def test_a_tie_with_one_who_holds_is_no_vote_for_hold_either() -> None:
    votes = panel("1", {"a": "BUY", "b": "SELL", "c": "HOLD"}, 0.0, consensus="HOLD")

    (found,) = rows(votes, By.METHOD).values()

    assert (dict(found.tally.abstentions), found.tally.resolved) == ({"no_result": 1}, 0)


def test_agents_and_variants_have_rows_of_their_own() -> None:
    votes = [
        *streak("a", 1, 0, agent_id=7, variant="new"),
        *streak("b", 0, 1, agent_id=8, variant="old"),
        *streak("c", 1, 0),
    ]

    assert {name: row.tally.hits for name, row in rows(votes, By.AGENT).items()} == {7: 1, 8: 0, None: 1}
    assert {name: row.tally.hits for name, row in rows(votes, By.VARIANT).items()} == {"new": 1, "old": 0, None: 1}


VOTES = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from("abc"), st.sampled_from(["BUY", "SELL", "HOLD", None]), min_size=1),
        st.none() | st.floats(-0.2, 0.2),
    ),
    max_size=30,
)


@given(VOTES)
def test_every_vote_is_in_one_row_and_every_figure_within_its_bounds(
    decisions: list[tuple[dict[str, str | None], float | None]],
) -> None:
    votes = [vote for n, (cast, r) in enumerate(decisions) for vote in panel(str(n), cast, r)]
    for by in By:
        found = rows(votes, by).values()
        counted = len(votes) if by is By.MODEL else len(decisions)
        assert sum(row.tally.decisions for row in found) == counted
        for row in found:
            tally = row.tally
            assert tally.valid + sum(tally.abstentions.values()) == tally.decisions
            assert 0 <= tally.hits <= tally.resolved <= tally.valid
            assert 0 <= row.interval[0] <= (row.hit_rate or 0) <= row.interval[1] <= 1 or not tally.resolved
            assert tally.paper.drawdown >= 0
            assert abs(row.value_added or 0) <= 1
