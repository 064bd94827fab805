"""The rules that a trading decision must keep."""

from __future__ import annotations

import math
from typing import Any

import pytest

from app.decisions.validation import Strictness, check, risk_reward
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
