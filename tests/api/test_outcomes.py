"""Outcomes and prices over HTTP: what is taken, what is told, what is refused, each by its field."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from app.api.outcome_wire import MAX_BARS
from app.domain.errors import NotFound, StorageUnavailable
from app.domain.outcome import Horizon, HorizonState
from app.services import Services
from tests.api.speaking import error_of
from tests.fakes_edge import THEN, FakeDecisions, FakeOutcomes, fake_services

FILL = {"outcome_id": "fill-1", "kind": "realized", "observed_at": "2026-11-20T18:15:00Z", "exit_price": 110}
BAR = {"symbol": "btc/usdt", "at": "2026-11-20T18:15:00+02:00", "open": 100, "high": 112.5, "low": 99, "close": 110}
PATH = "/decisions/dec_1/outcome"


@pytest.fixture
def outcomes() -> FakeOutcomes:
    return FakeOutcomes()


@pytest.fixture
def services(outcomes: FakeOutcomes, decisions: FakeDecisions) -> Services:
    decisions.stored["dec_1"] = {"id": "dec_1", "agent_id": 7}
    return fake_services(outcomes=outcomes, decisions=decisions)


def fields_of(refused: httpx.Response) -> set[str]:
    return {error["field"] for error in error_of(refused, 422, "caller_invalid_field")["errors"]}


async def test_an_outcome_is_new_then_known_then_another_version(client: httpx.AsyncClient) -> None:
    new = await client.post(PATH, json=FILL)
    again = await client.post(PATH, json={**FILL, "fees": None, "observed_at": "2026-11-20T19:15:00+01:00"})
    other = await client.post(PATH, json={**FILL, "exit_price": 90.0})

    assert [answer.status_code for answer in (new, again, other)] == [201, 200, 200]
    assert [answer.json()["version"] for answer in (new, again, other)] == [1, 1, 2]
    body = new.json()
    assert (body["outcome_id"], body["decision_id"], body["observed_at"]) == ("fill-1", "dec_1", FILL["observed_at"])
    assert (body["forward_return"], body["threshold"]) == (pytest.approx(0.1), 0.0005)
    assert body["grades"] == [{"provider": "alpha", "model": "alpha-1", "action": "BUY", "correct": True}]


async def test_an_order_that_came_to_nothing_grades_nothing(client: httpx.AsyncClient) -> None:
    for kind in ("rejected", "expired"):
        body = {"outcome_id": kind, "kind": kind, "observed_at": FILL["observed_at"], "exit_reason": "no margin"}
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 201
        assert [grade["correct"] for grade in answer.json()["grades"]] == [None]


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"kind": "won"}, {"kind"}),
        ({"outcome_id": ""}, {"outcome_id"}),
        ({"outcome_id": "a\nb"}, {"outcome_id"}),
        ({"outcome_id": "prices:3600"}, {"outcome_id"}),
        ({"outcome_id": "x" * 129}, {"outcome_id"}),
        ({"observed_at": "yesterday"}, {"observed_at"}),
        ({"observed_at": "2026-11-20T18:15:00"}, {"observed_at"}),
        ({"observed_at": "0001-01-01T00:00:00+14:00"}, {"observed_at"}),
        ({"entry_price": 0, "exit_price": -1, "quantity": 0}, {"entry_price", "exit_price", "quantity"}),
        ({"horizon_s": 0, "forward_return": -1.5, "fees": "2"}, {"horizon_s", "forward_return", "fees"}),
        ({"surprise": 1, "source": ""}, {"surprise", "source"}),
        ({"exit_price": None}, {"exit_price"}),
        ({"exit_price": None, "realized_pnl": 3.0}, {"quantity"}),
        ({"observed_at": "2026-11-20T14:14:59Z"}, {"observed_at"}),
    ],
)
async def test_a_wrong_outcome_is_refused_with_every_field(
    client: httpx.AsyncClient, outcomes: FakeOutcomes, changes: dict[str, Any], wrong: set[str]
) -> None:
    assert fields_of(await client.post(PATH, json=FILL | changes)) == wrong
    assert outcomes.known == {}


async def test_numbers_that_are_none_never_reach_an_outcome(client: httpx.AsyncClient) -> None:
    for number in ("NaN", "Infinity", "1e999"):
        text = json.dumps(FILL | {"exit_price": "?"}).replace('"?"', number)
        refused = await client.post(PATH, content=text, headers={"content-type": "application/json"})
        assert refused.status_code in (400, 422), refused.text


async def test_a_decision_that_is_not_there_is_told_as_such(client: httpx.AsyncClient, outcomes: FakeOutcomes) -> None:
    outcomes.failure = NotFound("no decision 'dec_1'")
    error_of(await client.post(PATH, json=FILL), 404, "caller_not_found")

    outcomes.failure = StorageUnavailable("the decision waits on disk for the database: post its outcome again")
    waiting = await client.post(PATH, json=FILL)
    error_of(waiting, 503, "gateway_storage_unavailable")
    assert "retry-after" in waiting.headers


async def test_a_decision_tells_its_outcomes_once_there_are_any(
    client: httpx.AsyncClient, outcomes: FakeOutcomes
) -> None:
    before = (await client.get("/decisions/dec_1")).json()
    posted = (await client.post(PATH, json=FILL)).json()
    after = (await client.get("/decisions/dec_1")).json()

    assert before == {"id": "dec_1", "agent_id": 7}
    assert after == before | {"outcomes": [posted]}


async def test_a_decision_tells_that_its_price_never_came(client: httpx.AsyncClient, outcomes: FakeOutcomes) -> None:
    outcomes.horizon = Horizon(HorizonState.EXPIRED, "no_price_in_time", 3600.0, THEN)

    told = (await client.get("/decisions/dec_1")).json()

    horizon = {"state": "expired", "reason": "no_price_in_time", "horizon_s": 3600.0, "due_at": "2026-11-20T14:15:00Z"}
    assert told["horizon"] == horizon


async def test_another_agents_decision_is_not_there(client: httpx.AsyncClient, outcomes: FakeOutcomes) -> None:
    own, foreign = {"x-outcry-agent": "7"}, {"x-outcry-agent": "8"}

    assert (await client.get("/decisions/dec_1", headers=own)).status_code == 200
    error_of(await client.get("/decisions/dec_1", headers=foreign), 404, "caller_not_found")
    await client.post(PATH, json=FILL, headers=foreign)
    assert outcomes.agents[-1] == 8


async def test_bars_are_taken_in_any_spelling_and_zone(client: httpx.AsyncClient, outcomes: FakeOutcomes) -> None:
    body = {"symbol": "ETHUSDT", "venue": "Binance", "bars": [BAR, {"at": BAR["at"], "close": 3000.5}]}

    answer = await client.post("/prices", json=body)

    assert answer.json() == {"added": 2, "corrected": 0, "unchanged": 0, "graded": 0, "complete": True}
    first, second = outcomes.bars
    assert (first.symbol, first.venue, first.at.isoformat()) == ("BTC/USDT", "Binance", "2026-11-20T16:15:00+00:00")
    assert (second.symbol, second.close, second.high) == ("ETHUSDT", 3000.5, None)


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"bars": []}, {"bars"}),
        ({}, {"bars"}),
        ({"bars": [BAR] * (MAX_BARS + 1)}, {"bars"}),
        (
            {"bars": [BAR | {"close": 0}, BAR, BAR | {"at": "noon"}, BAR | {"symbol": "a b"}]},
            {"bars[0].close", "bars[2].at", "bars[3].symbol"},
        ),
        ({"bars": [{"at": BAR["at"], "close": 1.0}]}, {"bars[0].symbol"}),
        ({"bars": [BAR | {"high": 109.0}, BAR | {"symbol": "X", "low": 101.0}]}, {"bars[0].high", "bars[1].low"}),
        ({"bars": [BAR, BAR | {"symbol": "BTC-USDT", "close": 111.0}]}, {"bars[1]"}),
    ],
)
async def test_a_wrong_bar_is_refused_by_its_place(
    client: httpx.AsyncClient, outcomes: FakeOutcomes, body: dict[str, Any], wrong: set[str]
) -> None:
    assert fields_of(await client.post("/prices", json=body)) == wrong
    assert outcomes.bars == []


async def test_a_horizon_that_is_none_is_refused_with_the_question(client: httpx.AsyncClient) -> None:
    for stated in (0, -5, "soon", True, 1e12, None):
        body = {"symbol": "BTC/USDT", "prompt": "buy?", "metadata": {"horizon_s": stated}}
        assert fields_of(await client.post("/decisions", json=body)) == {"metadata.horizon_s"}
