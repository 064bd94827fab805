"""The example's indicators against values worked out by hand, and against what they mean."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from examples.first_decision import Bar, atr, bollinger, ema, known_on, macd, market, rsi, show, smoothed

# Fourteen changes, of which the gains add up to 3.34 and the losses to 1.40; then one more loss of 0.28.
CLOSES = [44.34, 44.09, 44.15, 43.61, 44.33, 44.83, 45.10, 45.42, 45.84, 46.08, 45.89, 46.03, 45.61, 46.28, 46.28, 46.0]

# Sixty-fourths: sums and differences of these are exact, so that a mirrored price is a price as well.
prices = st.lists(st.integers(64, 640_000).map(lambda ticks: ticks / 64), min_size=60, max_size=120)


def bars(closes: list[float], spread: float = 1.0) -> list[Bar]:
    first = date(2018, 1, 1)
    return [Bar(first + timedelta(days=n), close + spread, close - spread, close) for n, close in enumerate(closes)]


def test_an_ema_is_seeded_with_a_mean_and_then_follows() -> None:
    assert ema([1, 2, 3, 4, 5], 3) == [2.0, 3.0, 4.0]
    assert ema([10, 10, 10, 16], 3) == [10.0, 13.0]


def test_an_ema_of_a_line_lags_it_by_half_its_period() -> None:
    assert ema([float(n) for n in range(100)], 21)[-1] == pytest.approx(99 - 10)


def test_wilders_average_takes_a_fraction_of_each_new_value() -> None:
    assert smoothed([2, 4, 6], 2) == 4.5


def test_rsi_is_the_gains_share_of_all_movement() -> None:
    assert rsi(CLOSES[:15]) == pytest.approx(100 * 3.34 / (3.34 + 1.40))
    gain, loss = 3.34 * 13 / 14, 1.40 * 13 / 14 + 0.28
    assert rsi(CLOSES) == pytest.approx(100 * gain / (gain + loss))


def test_rsi_at_its_ends() -> None:
    assert rsi([float(n) for n in range(20)]) == 100
    assert rsi([float(-n) for n in range(20)]) == 0
    assert rsi([5.0] * 20) == 50


@given(prices)
def test_rsi_stays_inside_and_mirrors(closes: list[float]) -> None:
    assert 0 <= rsi(closes) <= 100
    if len(set(closes)) > 1:
        assert rsi(closes) + rsi([20_000 - close for close in closes]) == pytest.approx(100, abs=0.01)


def test_macd_of_a_line_is_half_the_difference_of_its_periods_and_settled() -> None:
    line, signal = macd([float(n) for n in range(200)])

    assert line == pytest.approx(7.0)  # (26 - 12) / 2
    assert signal == pytest.approx(7.0)


def test_macd_is_above_its_signal_while_a_rise_quickens() -> None:
    line, signal = macd([n**2 / 100 for n in range(100)])

    assert line > signal > 0


def test_atr_is_the_true_range_and_counts_gaps() -> None:
    assert atr(bars([100.0] * 30)) == pytest.approx(2)
    assert atr(bars([100.0, 110.0] * 15)) == pytest.approx(11)


def test_bollinger_bands_are_two_deviations_from_the_mean() -> None:
    lower, middle, upper = bollinger([1.0, 3.0] * 10)

    assert (lower, middle, upper) == (0.0, 2.0, 4.0)


@given(prices)
def test_bollinger_bands_are_in_order(closes: list[float]) -> None:
    lower, middle, upper = bollinger(closes)

    assert lower <= middle <= upper


def test_the_context_knows_nothing_of_later_bars() -> None:
    every = bars([100.0 + n for n in range(100)])
    day = every[70].day

    context = market(known_on(every, day))

    assert context["price"]["last"] == 170
    assert context["as_of"].startswith(day.isoformat())
    assert context == market(every[:71])
    assert context["series"][0]["values"][-1] == 170


def test_a_day_without_trading_means_the_last_one_before_it() -> None:
    every = [bar for bar in bars([100.0 + n for n in range(100)]) if bar.day.weekday() < 5]
    sunday = next(bar.day for bar in every[65:] if bar.day.weekday() == 4) + timedelta(days=2)

    assert known_on(every, sunday)[-1].day == sunday - timedelta(days=2)


@pytest.mark.parametrize("day", [date(2018, 1, 5), date(2030, 1, 1)])
def test_a_day_outside_of_the_data_ends_with_the_range(day: date) -> None:
    with pytest.raises(SystemExit, match="choose a date from 2018-03-01 to 2018-04-10"):
        known_on(bars([100.0] * 100), day)


def test_an_abstention_is_shown_with_its_reason() -> None:
    vote = {"provider": "p", "model": "m", "status": "timeout", "action": None, "confidence": None, "latency_ms": None}
    consensus = {"settled_reason": "no_quorum", "settled_at_ms": 5, "method": "majority", "agreement": 0, "quorum": 1}
    fields = ("confidence", "entry", "stop_loss", "take_profit", "size")
    decision = {
        **dict.fromkeys(fields),
        "votes": [{**vote, "reasoning": None, "reason": "no answer in time"}],
        "consensus": consensus,
        "action": "HOLD",
        "status": "no_quorum",
        "actionable": False,
        "warnings": [],
        "id": "d1",
    }
    console = Console(width=160)

    with console.capture() as printed:
        show(market(bars([100.0] * 80)), decision, console)

    assert "no answer in time" in printed.get()
    assert "HOLD (no_quorum, not actionable)" in printed.get()
