"""What kind of market it is, from what was measured."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.decisions.context import MarketContext, RegimeLabel, Timeframe
from app.decisions.regime import WILD_FROM, regime_of

PRICES = st.floats(min_value=50, max_value=150)
OPTIONAL_ADX = st.none() | st.floats(min_value=0, max_value=100)


def measured(
    *,
    price: float = 105.0,
    fast: float | None = 103.0,
    slow: float | None = 100.0,
    atr: float | None = 0.5,
    adx: float | None = None,
    **more: Any,
) -> MarketContext:
    averages = [{"period": period, "value": value} for period, value in ((20, fast), (50, slow)) if value is not None]
    indicators = {"ema": averages, "atr": atr, "adx": adx}
    return MarketContext.model_validate(
        {"as_of": "2026-11-20T14:15:00Z", "price": {"last": price}, "indicators": indicators, **more}
    )


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, RegimeLabel.BULL),
        ({"price": 95.0, "fast": 97.0}, RegimeLabel.BEAR),
        ({"price": 102.0}, RegimeLabel.SIDEWAYS),
        ({"price": 103.0}, RegimeLabel.SIDEWAYS),
        ({"fast": 100.2}, RegimeLabel.SIDEWAYS),
        ({"adx": 20.0}, RegimeLabel.SIDEWAYS),
        ({"adx": 20.5}, RegimeLabel.BULL),
        ({"atr": 1.05}, RegimeLabel.HIGH_VOLATILITY),
        ({"atr": 1.04}, RegimeLabel.BULL),
        ({"atr": 1.05, "timeframe": "swing"}, RegimeLabel.BULL),
        ({"atr": None}, RegimeLabel.SIDEWAYS),
        ({"slow": None}, RegimeLabel.SIDEWAYS),
        ({"regime": {"label": "bear", "confidence": 0.7}}, RegimeLabel.BEAR),
    ],
)
def test_a_market_is_called_what_its_figures_say(changes: dict[str, Any], label: RegimeLabel) -> None:
    assert regime_of(measured(**changes)).label is label


def test_a_finding_tells_its_figures_and_its_reason() -> None:
    found = regime_of(measured(adx=31.0))

    assert found.plain() == {
        "label": "bull",
        "source": "detected",
        "confidence": None,
        "reason": "EMA20 is 6.00 ATR above EMA50, the price is on the same side of EMA20, ADX is 31",
        "features": {
            "atr_share": 0.004762,
            "atr_share_threshold": 0.01,
            "ema_gap_atr": 6.0,
            "price_lead_atr": 4.0,
            "adx": 31.0,
        },
    }


def test_the_callers_word_goes_before_the_figures() -> None:
    found = regime_of(measured(regime={"label": "sideways", "confidence": 0.4, "source": "hmm"}))

    assert (found.label, found.source, found.confidence) == (RegimeLabel.SIDEWAYS, "hmm", 0.4)


def test_what_is_missing_for_a_trend_is_named() -> None:
    assert regime_of(measured(atr=None, slow=None)).reason == "no trend to be seen without atr, EMA50"


def test_every_timeframe_has_its_threshold_and_a_longer_one_a_higher() -> None:
    assert list(WILD_FROM) == list(Timeframe)
    assert list(WILD_FROM.values()) == sorted(WILD_FROM.values())


@given(positive=st.tuples(*[st.floats(min_value=0, exclude_min=True, allow_infinity=False)] * 4))
def test_any_positive_figures_make_a_finding_that_json_can_say(positive: tuple[float, float, float, float]) -> None:
    price, fast, slow, atr = positive

    json.dumps(regime_of(measured(price=price, fast=fast, slow=slow, atr=atr)).plain(), allow_nan=False)


@given(price=PRICES, fast=PRICES, slow=PRICES, atr=st.floats(0.01, 20), adx=OPTIONAL_ADX, power=st.integers(-20, 20))
def test_the_unit_of_the_price_changes_nothing(
    price: float, fast: float, slow: float, atr: float, adx: float | None, power: int
) -> None:
    scale = 2.0**power

    one = regime_of(measured(price=price, fast=fast, slow=slow, atr=atr, adx=adx))
    other = regime_of(measured(price=price * scale, fast=fast * scale, slow=slow * scale, atr=atr * scale, adx=adx))

    assert one == other


@given(price=st.just(128.0), fast=PRICES, slow=PRICES, atr=st.floats(0.01, 20), adx=OPTIONAL_ADX)
def test_a_market_seen_in_the_mirror_is_the_opposite(
    price: float, fast: float, slow: float, atr: float, adx: float | None
) -> None:
    mirrored = {RegimeLabel.BULL: RegimeLabel.BEAR, RegimeLabel.BEAR: RegimeLabel.BULL}
    # Off the thresholds: a mirrored sum may differ in its last bit.
    assume(not math.isclose(abs(fast - slow), 0.5 * atr, rel_tol=1e-6))
    assume(abs(price - fast) > 1e-6)

    one = regime_of(measured(price=price, fast=fast, slow=slow, atr=atr, adx=adx))
    other = regime_of(measured(price=price, fast=2 * price - fast, slow=2 * price - slow, atr=atr, adx=adx))

    assert other.label is mirrored.get(one.label, one.label)


@given(price=PRICES, fast=PRICES, slow=PRICES, atr=st.floats(0.01, 20), more=st.floats(1, 10), adx=OPTIONAL_ADX)
def test_more_volatility_never_makes_a_trend(
    price: float, fast: float, slow: float, atr: float, more: float, adx: float | None
) -> None:
    calm = regime_of(measured(price=price, fast=fast, slow=slow, atr=atr, adx=adx)).label
    wild = regime_of(measured(price=price, fast=fast, slow=slow, atr=atr * more, adx=adx)).label

    assert wild in (calm, RegimeLabel.SIDEWAYS, RegimeLabel.HIGH_VOLATILITY)
    assert calm is not RegimeLabel.HIGH_VOLATILITY or wild is RegimeLabel.HIGH_VOLATILITY
