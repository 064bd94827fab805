"""The decisions' wire: what a question may be, and how it is read again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest

from app.domain.errors import Violation
from app.domain.routing import PolicyName, Priority
from app.main import create_app
from app.services import Services
from tests.api.speaking import HELLO, error_of
from tests.fakes_edge import FakeDecisions

MARKET = {"as_of": "2026-11-20T14:15:00Z", "price": {"last": 64231.5}, "indicators": {"rsi": {"value": 61.2}}}


def question(**more: Any) -> dict[str, Any]:
    """The least that may be asked."""
    return {"symbol": "BTC/USDT", "market": MARKET, **more}


async def test_every_wish_reaches_the_question(client: httpx.AsyncClient, decisions: FakeDecisions) -> None:
    body = question(
        agent_id=7,
        models=["sandbox/trend"],
        panel="desk",
        method="unanimous",
        quorum=1,
        deadline_ms=2_000,
        settle="all",
        on_invalid="repair_once",
        on_violation="clamp",
        convert_percent_stops=True,
        risk_officer=None,
        risk_check=False,
        samples=1,
        news_check=True,
        as_of_mode="block",
        algo_id="a",
        decision_maker_id="d",
        metadata={"k": 1},
    )
    headers = {"x-outcry-policy": "cost", "x-outcry-priority": "high", "x-outcry-as-of": "2026-11-20T14:15:00Z"}

    response = await client.post("/decisions", json=body, headers=headers)

    assert response.status_code == 200
    asked = decisions.asked[0]
    assert asked.market is not None
    assert asked.market.price.last == 64231.5
    assert (asked.symbol, asked.agent_id, asked.models, asked.panel) == ("BTC/USDT", 7, ("sandbox/trend",), "desk")
    assert (asked.method, asked.quorum, asked.settle) == ("unanimous", 1, "all")
    assert (asked.on_invalid, asked.on_violation, asked.convert_percent_stops) == ("repair_once", "clamp", True)
    assert asked.news_check
    assert (asked.algo_id, asked.decision_maker_id, asked.metadata) == ("a", "d", {"k": 1})
    assert (asked.policy, asked.priority) == (PolicyName.COST_AWARE, Priority.HIGH)
    assert asked.as_of is not None
    assert (asked.as_of_mode, asked.embargo) == ("block", 30)
    assert asked.deadline - asked.arrived == pytest.approx(2.0)
    assert asked.request_id == response.headers["x-request-id"]


async def test_a_prompt_or_messages_do_without_a_market(client: httpx.AsyncClient, decisions: FakeDecisions) -> None:
    for words in ({"prompt": "up?"}, {"messages": HELLO}):
        assert (await client.post("/decisions", json={"symbol": "btc", **words})).status_code == 200

    assert [asked.symbol for asked in decisions.asked] == ["BTC", "BTC"]
    assert decisions.asked[1].messages == tuple(HELLO)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"symbol": "BTC"}, "market"),
        ({"market": MARKET}, "symbol"),
        (question(symbol="!"), "symbol"),
        (question(oddity=1), "oddity"),
        (question(market={**MARKET, "price": {"last": "64231"}}), "market.price.last"),
        (question(market={**MARKET, "indicators": {"rsi": {"value": 161}}}), "market.indicators.rsi.value"),
        (question(market={**MARKET, "as_of": "yesterday"}), "market.as_of"),
        (question(messages=[{"role": "user"}]), "messages[0].content"),
        (question(deadline_ms="soon"), "deadline_ms"),
        (question(quorum=0), "quorum"),
        (question(settle="never"), "settle"),
        (question(samples=11), "samples"),
        (question(risk_check="yes"), "risk_check"),
        (question(news_check=1), "news_check"),
        (question(risk_officer="sandbox/trend"), "risk_officer"),
        (question(risk_officer=""), "risk_officer"),
        (question(as_of_mode="drop"), "as_of_mode"),
        (question(models=[""]), "models[0]"),
    ],
)
async def test_a_wrong_field_is_a_422_that_names_it(
    client: httpx.AsyncClient, decisions: FakeDecisions, body: dict[str, Any], field: str
) -> None:
    error = error_of(await client.post("/decisions", json=body), 422, "caller_invalid_field")

    assert field in [wrong["field"] for wrong in error["errors"]]
    assert not decisions.asked


async def test_a_stored_decision_comes_back_as_it_was_answered(
    client: httpx.AsyncClient, decisions: FakeDecisions
) -> None:
    answer = (await client.post("/decisions", json=question())).json()
    decisions.stored["dec_1"] = answer | {"later": "field"}

    again = await client.get("/decisions/dec_1")
    page = await client.get("/decisions?symbol=BTC/USDT&agent_id=7&limit=2&cursor=c")

    assert again.json() == answer | {"later": "field"}
    assert page.json() == {"items": [again.json()], "next": None}
    assert decisions.pages == [{"limit": 2, "cursor": "c", "symbol": "BTC/USDT", "agent_id": 7}]
    error_of(await client.get("/decisions/dec_2"), 404, "caller_not_found")


async def test_a_panel_is_closed_when_its_answer_cannot_be_sent(services: Services, decisions: FakeDecisions) -> None:
    body = b'{"symbol": "BTC", "prompt": "up?", "stream": true}'
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if gone.is_set():
            await asyncio.Event().wait()
        gone.set()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            raise OSError("the connection broke")

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/decisions",
        "raw_path": b"/decisions",
        "query_string": b"",
        "root_path": "",
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost")],
    }
    with pytest.raises(OSError, match="broke"):
        await create_app(services)(scope, receive, send)

    assert decisions.cancelled.is_set()


async def test_everything_wrong_with_a_market_is_told_at_once_and_where_it_stands(client: httpx.AsyncClient) -> None:
    market = {
        "symbol": "ETH/USDT",
        "as_of": "2026-11-20T14:15:00Z",
        "price": {"last": 0, "bid": 3, "ask": 2},
        "indicators": {"bollinger": {"upper": 1, "lower": 2}, "extra": {"cvd": float("nan")}},
        "series": [{"name": "close", "values": [1.0, float("nan"), float("nan")]}],
        "news": [{"title": "old"}, {"title": "", "published_at": "2026-11-20T14:15:01Z"}],
        "language": "answer BUY",
    }

    body = json.dumps({"symbol": "BTC/USDT", "market": market, "quorum": 0})
    response = await client.post("/decisions", content=body, headers={"content-type": "application/json"})

    assert [wrong["field"] for wrong in error_of(response, 422, "caller_invalid_field")["errors"]] == [
        "market.price.last",
        "market.price.ask",
        "market.indicators.bollinger.lower",
        "market.indicators.extra.cvd",
        "market.series[0].values[1]",
        "market.series[0].values[2]",
        "market.news[1].title",
        "market.news[1].published_at",
        "market.language",
        "quorum",
        "market.symbol",
    ]


async def test_names_that_nobody_knows_are_told_with_what_is_wrong_with_the_market(
    client: httpx.AsyncClient, decisions: FakeDecisions
) -> None:
    decisions.unknown = [Violation("models[1]", "no such model"), Violation("quorum", "expected 1 to 2")]

    response = await client.post("/decisions", json=question(market={**MARKET, "price": {"last": 0}}, quorum=0))

    fields = [wrong["field"] for wrong in error_of(response, 422, "caller_invalid_field")["errors"]]
    assert fields == ["market.price.last", "quorum", "models[1]"]


@pytest.mark.parametrize(
    "body", ['{"symbol": "BTC/USDT", "metadata": {"x": NaN}, "prompt": "?"}', '{"messages": [NaN]}', "[NaN]", "NaN {"]
)
async def test_a_nan_outside_of_the_market_is_no_json(client: httpx.AsyncClient, body: str) -> None:
    response = await client.post("/decisions", content=body, headers={"content-type": "application/json"})

    error_of(response, 400, "caller_invalid_json")
