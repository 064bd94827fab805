"""The risk rule: what a decision may lose, and that what stands under it is never larger."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.decisions.assessment import Assessment, RiskVerdict, stricter, under
from app.decisions.context import MarketContext
from app.decisions.exposure import fraction_of
from app.decisions.risk import assess
from app.domain.decision import Action, Entry, Opinion, Size
from tests.decisions.fakes import market

BUY, SELL, HOLD = Action.BUY, Action.SELL, Action.HOLD
R = 64231.5
RICH = {"equity": 100_000.0, "open_risk_usd": 0.0, "daily_pnl": 0.0, "currency": "USDT"}


def opinion(action: Action = BUY, **fields: Any) -> Opinion:
    stops = {BUY: R * 0.98, SELL: R * 1.02, HOLD: None}
    stated: dict[str, Any] = {"stop_loss": stops[action], "size": Size("fraction_of_equity", 0.1)} | fields
    return Opinion(action, "BTC/USDT", **stated)


def place(**changes: Any) -> MarketContext:
    return market(**({"constraints": {}, "account": RICH} | changes))


def codes(assessment: Assessment) -> list[str]:
    return [reason.partition(":")[0] for reason in assessment.reasons]


def test_a_decision_within_every_limit_is_approved_with_its_losses_in_account_currency() -> None:
    found = assess(opinion(), place())

    assert (found.verdict, found.reasons, found.currency) == (RiskVerdict.APPROVE, (), "USDT")
    losses = {scenario.name: scenario.loss for scenario in found.scenarios}
    assert losses["at_stop"] == pytest.approx(200.0)
    assert losses["1_atr"] == pytest.approx(10_000 * 78.4 / R)
    assert losses["3_atr"] == pytest.approx(3 * 10_000 * 78.4 / R)
    assert found.risk_score == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("proposed", "changes", "code"),
    [
        (opinion(size=Size("fraction_of_equity", 0.9), stop_loss=R * 0.9), {}, "risk_at_stop"),
        (opinion(size=Size("fraction_of_equity", 0.6)), {}, "concentration"),
        (opinion(size=Size("quantity", 1.0)), {}, "concentration"),
        (opinion(size=Size("notional", 60_000.0)), {}, "concentration"),
        (opinion(), {"position": {"side": "long", "quantity": 0.7}}, "concentration"),
        (opinion(), {"account": RICH | {"open_risk_usd": 5_900.0}}, "open_risk"),
        (opinion(), {"account": RICH | {"daily_pnl": -2_900.0}}, "daily_loss"),
        (opinion(), {"account": RICH | {"cash": 5_000.0}}, "cash"),
        (opinion(leverage=2.0), {"account": RICH | {"buying_power": 10_000.0}}, "buying_power"),
        (opinion(), {"constraints": {"max_fraction": 0.05}}, "max_fraction"),
        (opinion(), {"constraints": {"max_risk": 0.001}}, "risk_at_stop"),
        (opinion(), {"constraints": {"allowed_actions": [{"action": "BUY", "max_quantity": 0.1}]}}, "max_quantity"),
        (opinion(leverage=5.0), {"constraints": {"max_leverage": 3}}, "leverage"),
        (opinion(leverage=60.0, size=Size("fraction_of_equity", 0.001)), {}, "liquidation"),
    ],
)
def test_what_is_beyond_a_limit_is_reduced_to_it(proposed: Opinion, changes: dict[str, Any], code: str) -> None:
    where = place(**changes)
    found = assess(proposed, where)

    assert found.verdict is RiskVerdict.REDUCE
    assert code in codes(found)
    assert assess(under(found, proposed, where), where).verdict is RiskVerdict.APPROVE


@pytest.mark.parametrize(
    ("proposed", "changes", "code"),
    [
        (opinion(), {"account": RICH | {"daily_pnl": -3_000.0}}, "daily_loss"),
        (opinion(), {"account": RICH | {"open_risk_usd": 6_000.0}}, "open_risk"),
        (opinion(), {"account": {"equity": 0.0}}, "no_equity"),
        (opinion(), {"account": RICH | {"cash": 0.0}}, "cash"),
        (opinion(stop_loss=R * 1.02), {}, "stop_wrong_side"),
        (opinion(stop_loss=None), {"constraints": {"require_stop": True}}, "stop_required"),
        (opinion(), {"constraints": {"allowed_actions": [{"action": "SELL"}]}}, "action_not_allowed"),
        (opinion(), {"constraints": {"universe": ["ETH/USDT"]}}, "symbol_outside_universe"),
        (opinion(size=Size("fraction_of_equity", math.nan)), {}, "not_finite"),
        (
            opinion(size=Size("quantity", 1.0)),
            {"account": None, "constraints": {"allowed_actions": [{"action": "BUY", "max_quantity": 0.1}]}},
            "size_exceeded",
        ),
    ],
)
def test_what_no_size_could_cure_is_rejected(proposed: Opinion, changes: dict[str, Any], code: str) -> None:
    found = assess(proposed, place(**changes))

    assert (found.verdict, found.risk_score) == (RiskVerdict.REJECT, 1.0)
    assert code in codes(found)
    held = under(found, proposed, place(**changes))
    assert (held.action, held.size, held.stop_loss, held.leverage) == (HOLD, None, None, None)


def test_volatility_and_the_regime_each_halve_what_may_be_lost() -> None:
    calm = assess(opinion(), place(regime={"label": "bull"}))
    against = assess(opinion(), place(regime={"label": "bear"}))
    wild = assess(opinion(stop_loss=R * 0.97), place(indicators={"atr": R * 0.02}))
    tame = assess(opinion(stop_loss=R * 0.97), place(indicators={}))

    assert calm.max_fraction == pytest.approx(0.5)
    assert codes(against) == ["regime"]
    assert against.max_fraction == pytest.approx(0.5)
    assert against.risk_score == pytest.approx(2 * 0.1 * 0.02 / 0.02)
    assert codes(wild) == ["volatility"]
    assert wild.max_fraction == pytest.approx(0.01 / 0.03)
    assert tame.max_fraction == pytest.approx(0.5)


def test_a_regime_that_its_own_source_doubts_does_not_count() -> None:
    assert assess(opinion(), place(regime={"label": "bear", "confidence": 0.3})).reasons == ()


def test_a_stop_inside_an_atr_and_no_stop_at_all_are_taken_to_lose_more() -> None:
    tight = assess(opinion(stop_loss=R - 40), place(indicators={"atr": 400.0}))
    open_ended = assess(opinion(stop_loss=None), place(indicators={"atr": 400.0}))

    assert codes(tight) == ["stop_inside_atr"]
    assert tight.risk_score == pytest.approx(0.1 / 0.5)
    assert codes(open_ended) == ["unstopped"]
    assert open_ended.risk_score == pytest.approx(0.1 / 0.5)
    assert [scenario.name for scenario in open_ended.scenarios] == ["1_atr", "2_atr", "3_atr"]


def test_what_is_not_known_is_null_and_named_and_never_zero() -> None:
    blank = assess(Opinion(BUY, "BTC/USDT"), market(constraints={}, indicators={}))
    moneyless = assess(opinion(size=Size("quantity", 1.0)), market(constraints={}))

    assert codes(blank) == ["loss_unknown", "account_unknown", "size_unknown"]
    assert (blank.risk_score, blank.scenarios) == (None, ())
    assert codes(moneyless) == ["account_unknown", "size_not_comparable"]
    assert moneyless.risk_score is None
    assert moneyless.scenarios[-1].loss == pytest.approx(R * 0.02)
    assert moneyless.scenarios[-1].loss_fraction is None


def test_money_in_another_currency_is_not_put_against_the_price() -> None:
    euros = place(account={"equity": 100_000.0, "currency": "EUR"})

    assert "size_not_comparable" in codes(assess(opinion(size=Size("notional", 1e9)), euros))
    assert assess(opinion(), euros).scenarios[-1].loss == pytest.approx(200.0)
    assert assess(opinion(size=Size("notional", 1e9)), euros).scenarios[-1].loss is None
    dollars = place(account=RICH | {"currency": "USD"})
    assert assess(opinion(size=Size("notional", 1e9)), dollars).verdict is RiskVerdict.REDUCE


def test_hold_and_what_closes_add_no_risk() -> None:
    for harmless, changes in (
        (Opinion(HOLD, "BTC/USDT"), {}),
        (Opinion(SELL, "BTC/USDT", size=Size("quantity", 99.0)), {"position": {"side": "long", "quantity": 99.0}}),
        (Opinion(BUY, "BTC/USDT", intent="close_short"), {"position": {"side": "short"}}),
    ):
        found = assess(harmless, place(**changes))
        assert (found.verdict, found.risk_score) == (RiskVerdict.APPROVE, 0.0)


def test_a_second_word_only_tightens() -> None:
    rule = assess(opinion(), place())
    mild = Assessment(RiskVerdict.APPROVE, 0.0, 1.0, 100.0, ("m: fine",), sources=("a/m",))
    hard = Assessment(RiskVerdict.REDUCE, 0.9, 0.02, None, ("m: too much",), sources=("a/m",))

    assert (stricter(rule, mild).verdict, stricter(rule, mild).max_fraction) == (rule.verdict, rule.max_fraction)
    both = stricter(rule, hard)
    assert (both.verdict, both.risk_score, both.max_fraction, both.sources) == (
        RiskVerdict.REDUCE,
        0.9,
        0.02,
        ("rule", "a/m"),
    )
    assert under(both, opinion(), place()).size == Size("fraction_of_equity", 0.02)


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)
prices = st.one_of(st.floats(R * 0.4, R * 1.6), st.floats(0.01, 60), numbers)
opinions = st.builds(
    Opinion,
    action=st.sampled_from(Action),
    symbol=st.just("BTC/USDT"),
    intent=st.sampled_from((None, "open_long", "close_long", "reduce", "add")),
    entry=st.one_of(st.none(), st.builds(Entry, st.just("limit"), prices)),
    stop_loss=st.one_of(st.none(), prices),
    take_profit=st.lists(prices, max_size=3).map(tuple),
    size=st.one_of(
        st.none(),
        st.builds(
            Size,
            st.sampled_from(("fraction_of_equity", "fraction_of_position", "notional", "quantity")),
            st.one_of(st.floats(0, 2), numbers),
        ),
    ),
    leverage=st.one_of(st.none(), st.floats(0, 200), numbers),
)
accounts = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"equity": st.floats(-1e6, 1e9)},
        optional={
            "cash": st.floats(-1e6, 1e9),
            "open_risk_usd": st.floats(0, 1e6),
            "daily_pnl": st.floats(-1e6, 1e6),
            "currency": st.sampled_from(("USD", "EUR")),
        },
    ),
)
positions = st.one_of(
    st.none(),
    st.just({"side": "flat"}),
    st.fixed_dictionaries({"side": st.sampled_from(("long", "short")), "quantity": st.floats(0, 1e3)}),
)


@example(
    Opinion(BUY, "BTC/USDT", size=Size("fraction_of_equity", math.inf), stop_loss=math.inf),
    {"equity": 1.0},
    None,
    1.0,
    None,
)
@given(opinions, accounts, positions, st.floats(0.01, R), st.one_of(st.none(), st.floats(0, 1)))
def test_whatever_is_proposed_the_rule_answers_and_nothing_grows(
    proposed: Opinion, account: Any, position: Any, atr: float, max_fraction: float | None
) -> None:
    where = market(
        account=account, position=position, indicators={"atr": atr}, constraints={"max_fraction": max_fraction}
    )

    found = assess(proposed, where)
    after = under(found, proposed, where)

    assert found.risk_score is None or 0 <= found.risk_score <= 1
    assert found.max_fraction is None or 0 <= found.max_fraction <= 1
    assert all(math.isfinite(s.price) and (s.loss is None or math.isfinite(s.loss)) for s in found.scenarios)
    assert after.action in (proposed.action, HOLD)
    if after.action is HOLD:
        return
    if proposed.size is not None and after.size is not None:
        assert after.size.unit == proposed.size.unit
        assert after.size.value <= proposed.size.value
    assert (after.leverage or 1) <= max(proposed.leverage or 1, 1)
    fraction, most = fraction_of(after, where), found.max_fraction
    if fraction is not None and most is not None:
        assert fraction <= most * (1 + 1e-6)


def test_closing_that_breaks_a_rule_is_no_excuse() -> None:
    broken = Opinion(SELL, "BTC/USDT", intent="close_long", size=Size("quantity", math.nan))

    assert codes(assess(broken, place(position={"side": "long"}))) == ["not_finite"]
