"""The rule of grades: what r and tau are, and who was right by them."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.domain.decision import Action
from app.domain.errors import RequestRejected
from app.domain.outcome import Basis, Measured, Outcome, OutcomeKind
from app.outcomes.grading import UNKNOWN_THRESHOLD, measured

THEN = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)
BASIS = Basis("dec_1", Action.BUY, THEN, entry_price=100.0)
PRICES = st.floats(0.01, 1e6)
RETURNS = st.floats(-1, 10, allow_nan=False)


def outcome(kind: OutcomeKind = OutcomeKind.REALIZED, **fields: Any) -> Outcome:
    return Outcome("fill-1", "dec_1", kind, fields.pop("observed_at", THEN + timedelta(hours=4)), **fields)


def exact(number: float) -> Fraction:
    return Fraction(str(number))


def of(basis: Basis = BASIS, **fields: Any) -> Measured:
    found = measured(basis, outcome(**fields))
    assert found is not None
    return found


@given(RETURNS, st.floats(0, 10))
def test_of_buy_sell_and_hold_exactly_one_is_right(r: float, tau: float) -> None:
    right = [action for action in Action if Measured(r, tau).is_right(action)]

    assert right == [Action.BUY if r > tau else Action.SELL if r < -tau else Action.HOLD]


@given(st.floats(0, 10))
def test_a_move_of_just_the_threshold_is_none(tau: float) -> None:
    beyond = math.nextafter(tau, math.inf)

    assert Measured(tau, tau).is_right(Action.HOLD)
    assert Measured(-tau, tau).is_right(Action.HOLD)
    assert Measured(beyond, tau).is_right(Action.BUY)
    assert Measured(-beyond, tau).is_right(Action.SELL)


@pytest.mark.parametrize(
    ("entry", "atr", "end"), [(64.0, 2.56, 64.64), (64.0, 2.56, 63.36), (0.3, 0.12, 0.33), (1.1, 0.88, 1.32)]
)
def test_prices_that_moved_just_the_threshold_did_not_move(entry: float, atr: float, end: float) -> None:
    found = of(replace(BASIS, entry_price=entry, atr=atr), exit_price=end)

    assert found.is_right(Action.HOLD)
    assert abs(found.forward_return) == found.threshold == float(exact(atr) / 4 / exact(entry))


def test_fees_that_ate_just_the_move_leave_none() -> None:
    assert of(entry_price=0.7, exit_price=0.77, fees=0.21, quantity=3.0) == Measured(0.1, 0.1)


def test_an_abstention_is_neither_right_nor_wrong() -> None:
    assert Measured(0.5, 0.0).is_right(None) is None


@given(PRICES, PRICES)
def test_a_price_that_rose_is_a_return_above_nothing_whatever_was_decided(entry: float, end: float) -> None:
    for action in Action:
        r = of(replace(BASIS, action=action), entry_price=entry, exit_price=end).forward_return
        assert r == float((exact(end) - exact(entry)) / exact(entry))
        assert (r > 0) == (end > entry)


def test_the_outcomes_entry_goes_before_the_markets() -> None:
    assert of(exit_price=110.0).forward_return == pytest.approx(0.1)
    assert of(exit_price=110.0, entry_price=105.0).forward_return == pytest.approx(5 / 105)
    assert of(exit_price=110.0, forward_return=-0.5).forward_return == -0.5


@given(st.floats(-1e6, 1e6), PRICES, st.floats(0.01, 1e3))
def test_a_short_that_won_is_a_price_that_fell(pnl: float, entry: float, quantity: float) -> None:
    assume(abs(pnl) > 1e-6)
    long = of(realized_pnl=pnl, entry_price=entry, quantity=quantity).forward_return
    short = of(replace(BASIS, action=Action.SELL), realized_pnl=pnl, entry_price=entry, quantity=quantity)

    assert short.forward_return == -long
    assert (long > 0) == (pnl > 0)


@given(PRICES, st.none() | st.floats(0, 1e3), st.none() | st.floats(0.01, 1e3), st.none() | st.floats(0.01, 1e3))
def test_the_threshold_is_the_larger_of_fees_and_a_quarter_atr(
    entry: float, fees: float | None, quantity: float | None, atr: float | None
) -> None:
    tau = of(replace(BASIS, atr=atr), entry_price=entry, fees=fees, quantity=quantity, exit_price=entry).threshold

    known = [] if fees is None or quantity is None else [exact(fees) / (exact(entry) * exact(quantity))]
    known += [] if atr is None else [exact(atr) / 4 / exact(entry)]
    assert tau == (float(max(known)) if known else UNKNOWN_THRESHOLD)


def test_a_rebate_makes_no_threshold_below_nothing() -> None:
    assert of(exit_price=100.0, fees=-1.0, quantity=1.0).threshold == 0.0


@pytest.mark.parametrize("kind", [OutcomeKind.REJECTED, OutcomeKind.EXPIRED])
def test_an_order_that_came_to_nothing_measures_nothing(kind: OutcomeKind) -> None:
    assert measured(replace(BASIS, entry_price=None), outcome(kind)) is None


@pytest.mark.parametrize(
    ("basis", "fields", "wrong"),
    [
        (BASIS, {"observed_at": THEN - timedelta(seconds=1), "exit_price": 1.0}, {"observed_at"}),
        (BASIS, {}, {"exit_price"}),
        (BASIS, {"realized_pnl": 5.0}, {"quantity"}),
        (replace(BASIS, entry_price=None), {"exit_price": 1.0}, {"entry_price"}),
        (replace(BASIS, action=Action.HOLD), {"realized_pnl": 5.0, "quantity": 1.0}, {"realized_pnl"}),
        (replace(BASIS, intent="close_long"), {"realized_pnl": 5.0, "quantity": 1.0}, {"realized_pnl"}),
        (BASIS, {"entry_price": 1e-300, "exit_price": 1e300}, {"entry_price"}),
        (BASIS, {"entry_price": 5e-324, "quantity": 1e-9, "realized_pnl": 1.0}, {"entry_price"}),
        (
            replace(BASIS, entry_price=None, action=Action.HOLD),
            {"observed_at": THEN - timedelta(days=1), "realized_pnl": 5.0},
            {"observed_at", "entry_price", "quantity", "realized_pnl"},
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_with_every_field(
    basis: Basis, fields: dict[str, Any], wrong: set[str]
) -> None:
    with pytest.raises(RequestRejected) as refused:
        measured(basis, outcome(**fields))

    assert {violation.field for violation in refused.value.violations} == wrong
