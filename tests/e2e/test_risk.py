"""Risk over HTTP: proposals are judged, and a panel's decision can only become smaller or HOLD."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Behaviour, Silent
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.speaking import PATIENT, error_of, provider
from tests.upstream import Upstream

RICH = {"equity": 100_000.0, "open_risk_usd": 0.0}
PROPOSED = {
    "symbol": "BTC/USDT",
    "action": "BUY",
    "stop_loss": 63_000.0,
    "take_profit": [67_000.0],
    "size": {"unit": "fraction_of_equity", "value": 0.4},
    "leverage": 3.0,
}


class Desk:
    """One trader and one risk officer behind a gateway."""

    def __init__(self, client: httpx.Client, trader: Upstream, officer: Upstream) -> None:
        self.client, self.trader, self.officer = client, trader, officer

    def decide(self, officer: Behaviour, said: str = "", **fields: Any) -> Any:
        self.trader.behave(Answer(said or vote("BUY", stop_loss=63_500.0, take_profit=66_000.0, size_fraction=0.1)))
        self.officer.behave(officer)
        body = {"symbol": "BTC/USDT", "models": ["desk/desk-1"], "market": market(account=RICH), "risk_check": True}
        response = self.client.post("/decisions", json=body | fields)
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(scope="module")
def desk(start_once: StartService, upstream_once: StartUpstream) -> Desk:
    trader, officer = upstream_once(models=("desk-1",)), upstream_once(models=("risk-1",))
    config = {"providers": [provider("desk", trader, priority=1), provider("risk", officer, priority=2)]}
    return Desk(start_once(config=config, env=PATIENT).client, trader, officer)


def says(verdict: str, **fields: Any) -> Answer:
    return Answer(json.dumps({"reasons": ["the stop is wide"], "verdict": verdict} | fields))


def test_a_proposal_is_judged_by_the_rule(desk: Desk) -> None:
    answer = desk.client.post(
        "/risk-assessments", json={"decision": PROPOSED, "market": market(), "account": RICH}
    ).json()

    assert answer["verdict"] == "reduce"
    assert answer["max_fraction"] == pytest.approx(0.5 / 3)
    assert {scenario["name"] for scenario in answer["scenarios"]} == {"1_atr", "2_atr", "3_atr", "at_stop"}
    assert answer["sources"] == ["rule"]


def test_a_second_model_makes_a_proposal_smaller(desk: Desk) -> None:
    desk.officer.behave(says("reduce", max_fraction=0.05, risk_score=0.6))
    body = {"decision": PROPOSED, "market": market(), "account": RICH, "model": "risk/risk-1"}

    answer = desk.client.post("/risk-assessments", json=body).json()

    assert (answer["verdict"], answer["max_fraction"]) == ("reduce", 0.05)
    assert answer["sources"] == ["rule", "risk/risk-1"]
    assert answer["template"]["id"] == "risk_assessment"


def test_an_unknown_model_is_named(desk: Desk) -> None:
    body = {"decision": PROPOSED, "market": market(), "model": "no/body"}

    error = error_of(desk.client.post("/risk-assessments", json=body), 422, "caller_invalid_field")

    assert error["param"] == "model"


def test_a_decision_within_its_limits_stays_with_its_assessment(desk: Desk) -> None:
    decision = desk.decide(says("approve"))

    assert (decision["action"], decision["actionable"], decision["risk"]["verdict"]) == ("BUY", True, "approve")
    assert decision["risk_reward"] == pytest.approx(decision["votes"][0]["risk_reward"])
    assert desk.client.get(f"/decisions/{decision['id']}").json()["risk"] == decision["risk"]


def test_an_officer_shrinks_or_vetoes(desk: Desk) -> None:
    shrunk = desk.decide(says("reduce", max_fraction=0.02), risk_officer="risk/risk-1")
    vetoed = desk.decide(says("reject"), risk_officer="risk/risk-1")

    assert (shrunk["action"], shrunk["size"]) == ("BUY", {"unit": "fraction_of_equity", "value": 0.02})
    assert (vetoed["action"], vetoed["actionable"], vetoed["status"]) == ("HOLD", False, "decided")
    assert vetoed["consensus"]["settled_reason"] == "risk_veto"
    assert (vetoed["size"], vetoed["stop_loss"], vetoed["take_profit"]) == (None, None, [])


def test_a_silent_officer_leaves_the_rule_alone_in_time(desk: Desk) -> None:
    started = time.monotonic()
    decision = desk.decide(Silent(), risk_officer="risk/risk-1", deadline_ms=800)

    assert time.monotonic() - started < 0.8 + 0.25 + 0.25
    assert (decision["action"], decision["risk"]["sources"]) == ("BUY", ["rule"])
    assert any(warning.startswith("risk_officer_abstained: risk/risk-1") for warning in decision["warnings"])


def test_a_day_that_has_lost_enough_vetoes_without_a_model(desk: Desk) -> None:
    decision = desk.decide(says("approve"), market=market(account=RICH | {"daily_pnl": -3_000.0}))

    assert decision["consensus"]["settled_reason"] == "risk_veto"
    assert decision["risk"]["reasons"][0].startswith("daily_loss")
