"""The rules that a trading decision must keep."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decisions.context import MarketContext
from app.decisions.exposure import reference_price
from app.decisions.rules import RULES
from app.decisions.validation import Strictness, check, closes, risk_reward
from app.domain.decision import Action, Entry, Opinion, Severity, Size
from tests.decisions.fakes import MARKET, market

BUY, SELL, HOLD = Action.BUY, Action.SELL, Action.HOLD
FREE = market(constraints={})
R = 64231.5


def codes(opinion: Opinion, **kwargs: Any) -> list[str]:
    kwargs.setdefault("market", FREE)
    return [violation.code for violation in check(opinion, **kwargs).violations]


@pytest.mark.parametrize(
    ("action", "fields", "expected"),
    [
        (BUY, {"stop_loss": 64000.0, "take_profit": (65000.0,)}, []),
        (SELL, {"stop_loss": 64400.0, "take_profit": (63500.0,)}, []),
        (BUY, {}, []),
        (BUY, {"stop_loss": 65000.0}, ["stop_wrong_side"]),
        (BUY, {"stop_loss": R}, ["stop_wrong_side", "stop_inside_noise"]),
        (SELL, {"stop_loss": 64000.0}, ["stop_wrong_side"]),
        (BUY, {"take_profit": (64000.0, 65000.0)}, ["target_wrong_side"]),
        (SELL, {"take_profit": (65000.0,)}, ["target_wrong_side"]),
        (BUY, {"stop_loss": R * 0.9996}, ["stop_too_close"]),
        (BUY, {"stop_loss": R * 0.45}, ["stop_too_far"]),
        (SELL, {"stop_loss": R * 1.6}, ["stop_too_far"]),
        (BUY, {"stop_loss": 2.0}, ["percent_price", "stop_too_far"]),
        (BUY, {"stop_loss": 64190.0}, []),
        (BUY, {"entry": Entry("limit", 60000.0), "stop_loss": 61000.0}, ["stop_wrong_side"]),
        (SELL, {"intent": "close_long", "stop_loss": 2000.0}, []),
        (BUY, {"leverage": 126.0}, ["leverage_exceeded"]),
        (BUY, {"leverage": 0.5}, ["leverage_out_of_range"]),
        (BUY, {"size": Size("fraction_of_equity", 1.2)}, ["size_exceeded"]),
        (HOLD, {"size": Size("fraction_of_equity", 0.1)}, ["hold_with_size"]),
        (HOLD, {"stop_loss": 2.0}, []),
        (BUY, {"risk_usd": math.inf}, ["not_finite"]),
    ],
)
def test_rules_without_constraints(action: Action, fields: dict[str, Any], expected: list[str]) -> None:
    assert codes(Opinion(action, "BTC/USDT", **fields)) == expected


def test_without_a_reference_price_stop_and_target_are_compared_with_each_other() -> None:
    assert codes(Opinion(BUY, "X", stop_loss=10.0, take_profit=(9.0,)), market=None) == ["stop_beyond_target"]
    assert codes(Opinion(SELL, "X", stop_loss=10.0, take_profit=(9.0,)), market=None) == []


def test_a_sell_with_a_long_position_closes_and_without_one_opens() -> None:
    sell = Opinion(SELL, "BTC/USDT", stop_loss=60000.0)

    assert codes(sell, market=market(constraints={}, position={"side": "long"})) == []
    assert codes(sell) == ["stop_wrong_side"]


def test_constraints_are_held() -> None:
    tight = market(constraints=MARKET["constraints"] | {"allowed_actions": [{"action": "SELL"}]})
    opinion = Opinion(BUY, "X", leverage=5.0, size=Size("fraction_of_equity", 0.2))
    poor = Opinion(SELL, "X", stop_loss=R + 200, take_profit=(R - 250,))

    assert codes(opinion, market=tight) == ["leverage_exceeded", "size_exceeded", "stop_required", "action_not_allowed"]
    assert codes(poor, market=tight) == ["risk_reward_too_low"]
    assert risk_reward(poor, R) == pytest.approx(1.25)


def test_clamp_cuts_with_a_warning_where_reject_refuses() -> None:
    opinion = Opinion(BUY, "X", leverage=5.0, size=Size("fraction_of_equity", 0.2), stop_loss=64000.0)

    checked = check(opinion, market(), Strictness(clamp=True))

    assert checked.is_valid
    assert {violation.severity for violation in checked.violations} == {Severity.WARNING}
    assert (checked.opinion.leverage, checked.opinion.size) == (3.0, Size("fraction_of_equity", 0.05))
    assert not check(opinion, market()).is_valid


def test_a_stop_in_percent_is_an_error_unless_the_caller_allows_it() -> None:
    opinion = Opinion(BUY, "X", stop_loss=None)

    assert codes(opinion, percents={"stop_loss": 2.0}) == ["percent_price"]
    checked = check(opinion, FREE, Strictness(convert_percent_stops=True), {"stop_loss": 2.0})
    assert checked.is_valid
    assert checked.opinion.stop_loss == pytest.approx(R * 0.98)
    bare = check(Opinion(SELL, "X", stop_loss=2.0), FREE, Strictness(convert_percent_stops=True))
    assert bare.opinion.stop_loss == pytest.approx(R * 1.02)


def test_a_stop_inside_the_noise_only_warns() -> None:
    tight = market(constraints={}, indicators={"atr": 1000.0})
    checked = check(Opinion(BUY, "X", stop_loss=R - 100), tight)

    assert ([v.code for v in checked.violations], checked.is_valid) == (["stop_inside_noise"], True)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"action": SELL, "take_profit": (-5.0,)}, ["price_not_positive"]),
        ({"action": SELL, "take_profit": (4.0,)}, ["percent_price"]),
        ({"action": SELL, "take_profit": (30_000.0,)}, []),
        ({"action": BUY, "entry": Entry("limit", 2.0), "stop_loss": 1.9}, ["percent_price", "stop_inside_noise"]),
        ({"action": BUY, "entry": Entry("limit", 0.0)}, ["price_not_positive"]),
        ({"action": BUY, "size": Size("notional", 0.0)}, ["size_out_of_range"]),
        ({"action": BUY, "size": Size("fraction_of_equity", -0.1)}, ["size_out_of_range"]),
        ({"action": BUY, "intent": "close_long"}, ["intent_contradicts_action"]),
        ({"action": HOLD, "intent": "open_long"}, ["intent_contradicts_action"]),
        ({"action": SELL, "intent": "open_short"}, []),
    ],
)
def test_rules_of_numbers_and_words(fields: dict[str, Any], expected: list[str]) -> None:
    assert codes(Opinion(symbol="BTC/USDT", **fields)) == expected


def test_a_percentage_is_a_distance_to_its_own_side_unless_its_sign_says_where() -> None:
    allowed = Strictness(convert_percent_stops=True)

    def priced(action: Action, **percents: float) -> list[float | None]:
        opinion = check(Opinion(action, "X"), FREE, allowed, percents).opinion
        return [opinion.stop_loss, *opinion.take_profit]

    assert priced(BUY, stop_loss=2, take_profit=4) == pytest.approx([R * 0.98, R * 1.04])
    assert priced(SELL, stop_loss=2, take_profit=-4) == pytest.approx([R * 1.02, R * 0.96])
    assert not check(Opinion(SELL, "X"), FREE, allowed, {"stop_loss": -2}).is_valid
    assert not check(Opinion(SELL, "X"), FREE, allowed, {"take_profit": 150}).is_valid


def test_an_intent_to_close_what_is_not_held_is_judged_as_an_opening() -> None:
    close = Opinion(SELL, "X", intent="close_long")
    strict = {"require_stop": True}

    assert codes(close, market=market(constraints=strict, position={"side": "long"})) == []
    assert codes(close, market=market(constraints=strict)) == []
    flat = market(constraints=strict, position={"side": "flat"})
    assert codes(close, market=flat) == ["nothing_to_close", "stop_required"]


def test_closing_may_be_larger_than_what_may_be_opened() -> None:
    limits = {"max_fraction": 0.05, "max_leverage": 2, "allowed_actions": [{"action": "SELL", "max_quantity": 3}]}
    held = market(constraints=limits, position={"side": "long", "quantity": 3})

    assert codes(Opinion(SELL, "X", size=Size("fraction_of_position", 1.0), leverage=5.0), market=held) == []
    assert codes(Opinion(SELL, "X", size=Size("quantity", 4.0)), market=held) == ["size_exceeded"]


def test_limits_hold_in_every_unit_once_the_equity_is_known() -> None:
    limits = {"max_fraction": 0.05, "allowed_actions": [{"action": "BUY", "max_quantity": 0.1}]}
    rich = market(constraints=limits, account={"equity": 100_000})
    clamp = Strictness(clamp=True)

    for size, cut in (
        (Size("notional", 9_000.0), 5_000.0),
        (Size("quantity", 0.2), 5_000 / R),
        (Size("fraction_of_equity", 0.2), 0.05),
    ):
        kept = check(Opinion(BUY, "X", size=size), rich, clamp).opinion.size
        assert kept is not None
        assert kept.unit == size.unit
        assert kept.value == pytest.approx(cut)
    leveraged = check(Opinion(BUY, "X", size=Size("notional", 9_000.0), leverage=3.0), rich, clamp).opinion.size
    assert leveraged is not None
    assert leveraged.value == pytest.approx(0.1 * R)
    poor = market(constraints=limits)
    assert codes(Opinion(BUY, "X", size=Size("notional", 9_000.0)), market=poor) == ["size_unchecked", "size_exceeded"]


def test_a_size_cut_to_nothing_is_refused_all_the_same() -> None:
    nothing = market(constraints={"max_fraction": 0})
    opinion = Opinion(BUY, "X", size=Size("fraction_of_equity", 0.1))

    assert not check(opinion, nothing, Strictness(clamp=True)).is_valid


def test_a_least_risk_to_reward_wants_a_target_and_takes_the_nearest() -> None:
    wanted = market(constraints={"min_risk_reward": 1.5})

    assert codes(Opinion(BUY, "X", stop_loss=R - 1_000), market=wanted) == ["risk_reward_unknown"]
    far_first = Opinion(BUY, "X", stop_loss=R - 1_000, take_profit=(R + 5_000, R + 1_000))
    assert codes(far_first, market=wanted) == ["risk_reward_too_low"]


def test_a_universe_is_held_whatever_the_spelling() -> None:
    wide = market(constraints={"universe": ["BTCUSDT", "ETH/USDT"]})

    assert codes(Opinion(BUY, "BTC/USDT"), market=wide) == []
    assert codes(Opinion(BUY, "SOL/USDT"), market=wide) == ["symbol_outside_universe"]


def test_the_documented_table_is_the_rules_in_force() -> None:
    page = (Path(__file__).parents[2] / "docs" / "decision-rules.md").read_text()
    documented = dict(re.findall(r"^\| `(\w+)` \| (error|warning) \|", page, re.MULTILINE))

    assert documented == {code: severity.value for code, severity in RULES.items()}


anything = st.floats(width=32)
near = st.one_of(st.floats(R * 0.3, R * 1.7), anything)
opinions = st.builds(
    Opinion,
    action=st.sampled_from(Action),
    symbol=st.just("BTC/USDT"),
    intent=st.sampled_from((None, "open_long", "open_short", "close_long", "reduce")),
    confidence=st.one_of(st.none(), st.floats(0, 1), anything),
    entry=st.one_of(st.none(), st.builds(Entry, st.just("limit"), near)),
    stop_loss=st.one_of(st.none(), near),
    take_profit=st.lists(near, max_size=3).map(tuple),
    size=st.one_of(
        st.none(),
        st.builds(
            Size,
            st.sampled_from(("fraction_of_equity", "fraction_of_position", "notional", "quantity")),
            st.one_of(st.floats(0, 3), anything),
        ),
    ),
    leverage=st.one_of(st.none(), st.floats(0, 130), anything),
)
constraints = st.fixed_dictionaries(
    {},
    optional={
        "max_leverage": st.floats(0.5, 150),
        "max_fraction": st.floats(0, 1),
        "min_risk_reward": st.floats(0, 5),
        "require_stop": st.booleans(),
        "allowed_actions": st.lists(
            st.fixed_dictionaries({"action": st.sampled_from(("BUY", "SELL")), "max_quantity": st.floats(0, 5)}),
            max_size=2,
        ),
    },
)
markets = st.builds(
    lambda stated, equity, side: market(constraints=stated, account={"equity": equity}, position={"side": side}),
    constraints,
    st.one_of(st.none(), st.floats(-10, 1e6)),
    st.sampled_from(("flat", "long", "short")),
)
strictness = st.builds(Strictness, clamp=st.booleans(), convert_percent_stops=st.booleans())
percents = st.dictionaries(st.sampled_from(("entry", "stop_loss", "take_profit")), st.floats(-200, 200))


@given(opinions, st.one_of(st.none(), markets), strictness, percents)
def test_a_decision_that_passes_is_finite_and_its_prices_make_sense(
    opinion: Opinion, where: MarketContext | None, how: Strictness, shares: dict[str, float]
) -> None:
    checked = check(opinion, where, how, shares)
    if not checked.is_valid:
        return
    passed = checked.opinion
    entry = passed.entry.price if passed.entry is not None else None
    size = passed.size.value if passed.size is not None else None
    prices = [price for price in (entry, passed.stop_loss, *passed.take_profit) if price is not None]
    others = [number for number in (size, passed.leverage, passed.confidence) if number is not None]
    assert all(math.isfinite(number) for number in [*prices, *others])
    assert all(price > 0 for price in prices)
    if passed.action is HOLD or closes(passed, where):
        return
    reference = reference_price(passed, where)
    sign = 1 if passed.action is BUY else -1
    least = passed.stop_loss if reference is None else reference
    assert least is None or all(sign * (target - least) > 0 for target in passed.take_profit)
    if reference is not None and passed.stop_loss is not None:
        assert sign * (reference - passed.stop_loss) > 0
        assert 0.0005 <= abs(reference - passed.stop_loss) / reference <= 0.5
    assert size is None or size > 0
    assert passed.leverage is None or passed.leverage <= 125


@given(opinions, markets)
def test_clamping_enlarges_nothing_and_what_is_clamped_passes_a_second_time(
    opinion: Opinion, where: MarketContext
) -> None:
    checked = check(opinion, where, Strictness(clamp=True))
    after = checked.opinion

    assert after == replace(opinion, size=after.size, leverage=after.leverage)
    if opinion.size is not None and math.isfinite(opinion.size.value):
        assert after.size is not None
        assert (after.size.unit, after.size.value <= opinion.size.value) == (opinion.size.unit, True)
    if opinion.leverage is not None and math.isfinite(opinion.leverage):
        assert after.leverage is not None
        assert after.leverage <= opinion.leverage
    if checked.is_valid:
        assert check(after, where).is_valid
