"""Hedges are a share of all calls, whatever the order they come in."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.resilience.hedging import HedgeBudget, HedgeRules

RULES = HedgeRules()
SAVED = 10


@given(st.lists(st.booleans(), max_size=400), st.integers(0, 500))
def test_hedges_are_never_more_than_the_share_of_the_calls_before_them(wanted: list[bool], points: int) -> None:
    share = Fraction(points, 10_000)
    budget, hedges = HedgeBudget(HedgeRules(share=float(share))), 0
    for calls, wants in enumerate(wanted, start=1):
        budget.record()
        hedges += wants and budget.try_spend()
        assert hedges <= math.floor(share * calls)


@given(st.lists(st.booleans(), max_size=400), st.integers(0, 2000))
def test_a_quiet_time_pays_for_ten_hedges_at_most(wanted: list[bool], quiet: int) -> None:
    budget = HedgeBudget(RULES)
    for _ in range(quiet):
        budget.record()
    hedges = 0
    for wants in wanted:
        budget.record()
        hedges += wants and budget.try_spend()

    assert hedges <= SAVED + len(wanted) // 20


@pytest.mark.parametrize(("calls", "hedges"), [(19, 0), (20, 1), (39, 1), (40, 2), (199, 9), (200, 10), (10_000, 10)])
def test_what_is_allowed_may_be_spent(calls: int, hedges: int) -> None:
    budget = HedgeBudget(RULES)
    for _ in range(calls):
        budget.record()

    assert sum(budget.try_spend() for _ in range(50)) == hedges


def test_a_hedge_that_did_not_go_out_costs_nothing() -> None:
    budget = HedgeBudget(RULES)
    for _ in range(20):
        budget.record()
    assert budget.try_spend()

    budget.refund()

    assert budget.try_spend()
    assert not budget.try_spend()
