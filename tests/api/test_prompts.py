"""Prompts over HTTP, before anybody is asked."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from app.api.access import ACCESS
from app.decisions.rendering import Template
from app.domain.caller import Scope
from app.services import Services
from tests.api.speaking import error_of
from tests.fakes_edge import FakePrompts, fake_services

MARKET = {"as_of": "2026-11-20T14:15:00Z", "price": {"last": 64231.5}}


@pytest.fixture
def prompts() -> FakePrompts:
    return FakePrompts()


@pytest.fixture
def services(prompts: FakePrompts) -> Services:
    return fake_services(prompts=prompts)


def body(**more: Any) -> dict[str, Any]:
    return {"symbol": "BTC/USDT", "market": MARKET, **more}


async def test_a_prompt_is_shown_with_its_template_and_what_it_would_cost(client: httpx.AsyncClient) -> None:
    response = await client.post("/prompts/render", json=body())

    rendered = response.json()
    assert response.status_code == 200
    assert [message["role"] for message in rendered["messages"]] == ["system", "user"]
    assert rendered["template"]["id"] == "decision"
    assert rendered["injection_suspected"] is False
    assert rendered["estimates"] == [
        {"provider": "alpha", "model": "alpha-1", "input_tokens": 1240, "cost_usd": "0.000186"},
        {"provider": "beta", "model": "beta-1", "input_tokens": None, "cost_usd": None},
    ]
    assert rendered["warnings"] == ["no estimate for beta/beta-1: down"]


async def test_every_wish_reaches_the_rendering(client: httpx.AsyncClient, prompts: FakePrompts) -> None:
    wish = body(models=["sandbox/trend"], agent_id=7, template="risk_assessment", proposal={"action": "BUY"})

    await client.post("/prompts/render", json=wish, headers={"x-outcry-as-of": "2026-11-20T14:15:00Z"})

    question, template, proposal = prompts.asked[0]
    assert (question.symbol, question.models, question.agent_id) == ("BTC/USDT", ("sandbox/trend",), 7)
    assert question.as_of is not None
    assert (template, proposal) == (Template.RISK_ASSESSMENT, {"action": "BUY"})


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"market": None}, "market"),
        ({"market": MARKET | {"symbol": "ETH/USDT"}}, "market.symbol"),
        ({"market": MARKET | {"price": {"last": float("nan")}}}, "market.price.last"),
        ({"template": "sonnet"}, "template"),
        ({"template": "risk_assessment"}, "proposal"),
        ({"proposal": {"action": "BUY"}}, "proposal"),
        ({"prompt": "mine"}, "prompt"),
    ],
)
async def test_a_wrong_body_is_a_422_with_the_field(
    client: httpx.AsyncClient, prompts: FakePrompts, wrong: dict[str, Any], field: str
) -> None:

    response = await client.post("/prompts/render", content=json.dumps(body() | wrong))

    assert [one["field"] for one in error_of(response, 422, "caller_invalid_field")["errors"]] == [field]
    assert not prompts.asked


def test_whoever_may_chat_may_look_at_prompts() -> None:
    assert ACCESS["POST", "/prompts/render"] is Scope.CHAT
