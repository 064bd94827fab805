"""The wire of risk assessments: what may be proposed, and what is answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.speaking import error_of
from tests.fakes_edge import FakeDecisions

MARKET = {"as_of": "2026-11-20T14:15:00Z", "price": {"last": 100.0}, "indicators": {"atr": 2.0}}
BUY = {"action": "BUY", "stop_loss": 95.0, "size": {"unit": "fraction_of_equity", "value": 0.6}, "leverage": 1.0}
ACCOUNT = {"equity": 10_000.0, "currency": "USD"}


def body(**more: Any) -> dict[str, Any]:
    return {"symbol": "BTC/USD", "decision": BUY, "market": MARKET, "account": ACCOUNT} | more


async def test_a_proposal_is_answered_with_limits_reasons_and_scenarios(client: httpx.AsyncClient) -> None:
    response = await client.post("/risk-assessments", json=body())

    answer = response.json()
    assert response.status_code == 200
    assert (answer["verdict"], answer["max_fraction"], answer["currency"]) == ("reduce", pytest.approx(0.2), "USD")
    assert {scenario["name"]: scenario["loss"] for scenario in answer["scenarios"]} == {
        "1_atr": pytest.approx(120.0),
        "2_atr": pytest.approx(240.0),
        "3_atr": pytest.approx(360.0),
        "at_stop": pytest.approx(300.0),
    }
    assert [reason.partition(":")[0] for reason in answer["reasons"]] == ["concentration", "risk_at_stop", "volatility"]
    assert (answer["cost_usd"], response.headers["x-outcry-cost-usd"]) == ("0", "0")


async def test_without_an_account_money_is_null_and_not_zero(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/risk-assessments", json=body(account=None))).json()

    assert {scenario["loss"] for scenario in answer["scenarios"]} == {None}
    assert any(reason.startswith("account_unknown") for reason in answer["reasons"])


async def test_every_wish_reaches_the_proposal(client: httpx.AsyncClient, decisions: FakeDecisions) -> None:
    asked = body(
        decision={**BUY, "action": "SELL", "stop_loss": 105.0, "take_profit": [80.0, 90.0], "symbol": "BTCUSD"},
        constraints={"max_leverage": 2},
        model="sandbox/trend",
        agent_id=7,
        deadline_ms=500,
        metadata={"k": 1},
    )
    await client.post("/risk-assessments", json=asked, headers={"x-outcry-priority": "high"})

    proposal = decisions.judged[0]
    assert proposal.opinion.take_profit == (90.0, 80.0)
    assert proposal.market is not None
    assert proposal.market.constraints.max_leverage == 2
    assert (proposal.model, proposal.agent_id, proposal.metadata) == ("sandbox/trend", 7, {"k": 1})
    assert (proposal.opinion.symbol, proposal.priority.value) == ("BTC/USD", "high")


async def test_the_second_opinion_may_be_called_as_in_a_decision(
    client: httpx.AsyncClient, decisions: FakeDecisions
) -> None:
    response = await client.post("/risk-assessments", json=body(model=None, risk_officer="sandbox/trend"))

    assert response.status_code == 200
    assert decisions.judged[0].model == "sandbox/trend"


async def test_one_target_may_stand_alone(client: httpx.AsyncClient, decisions: FakeDecisions) -> None:
    await client.post("/risk-assessments", json=body(decision={**BUY, "take_profit": 110.0}))

    assert decisions.judged[0].opinion.take_profit == (110.0,)


async def test_an_entry_does_without_a_market(client: httpx.AsyncClient) -> None:
    decision = {"action": "BUY", "entry": {"type": "limit", "price": 100.0}, "stop_loss": 95.0}
    response = await client.post("/risk-assessments", json={"symbol": "X", "decision": decision})

    assert response.status_code == 200
    assert response.json()["max_fraction"] == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("wrong", "fields"),
    [
        ({"decision": None}, {"decision"}),
        ({"decision": {"action": "buy now"}}, {"decision.action"}),
        ({"decision": {**BUY, "stop_loss": -1}}, {"decision.stop_loss"}),
        ({"decision": {**BUY, "stop_loss": "95"}}, {"decision.stop_loss"}),
        ({"decision": {**BUY, "intent": "yolo"}}, {"decision.intent"}),
        ({"decision": {**BUY, "size": {"unit": "lots", "value": 1}}}, {"decision.size.unit"}),
        ({"decision": {**BUY, "take_profit": [1, 2, 3, 4, 5, 6]}}, {"decision.take_profit"}),
        ({"decision": {**BUY, "entry": {"type": "limit"}}}, {"decision.entry.price"}),
        ({"symbol": None}, {"symbol"}),
        ({"decision": {**BUY, "symbol": "ETH/USD"}}, {"decision.symbol"}),
        ({"market": {**MARKET, "symbol": "ETH/USD"}}, {"market.symbol"}),
        ({"market": None}, {"market"}),
        ({"account": {"equity": "much"}, "oddity": 1}, {"account.equity", "oddity"}),
        ({"constraints": {"max_fraction": 2}, "model": ""}, {"constraints.max_fraction", "model"}),
        ({"model": "a/1", "risk_officer": "b/1"}, {"risk_officer"}),
        (
            {"decision": {"action": 1}, "market": {**MARKET, "price": {"last": 0}}},
            {"decision.action", "market.price.last"},
        ),
    ],
)
async def test_everything_wrong_is_named_at_once(
    client: httpx.AsyncClient, wrong: dict[str, Any], fields: set[str]
) -> None:
    error = error_of(await client.post("/risk-assessments", json=body(**wrong)), 422, "caller_invalid_field")

    assert {one["field"] for one in error["errors"]} == fields
