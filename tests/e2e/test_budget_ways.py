"""Every way of spending money, from outside: each pays, gives back what it did not need, and stops at the cap."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Embed, Silent, Status, Stream, Tokens, ToolCall
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, error_of, provider, streamed, within
from tests.tool_server import ToolServer
from tests.upstream import Upstream

NAMES = ("one", "two", "three", "four", "five")
MEMBERS = [f"{name}/{name}-1" for name in NAMES]
# The prompt is free, and a token of the answer costs a hundredth of a cent. Nobody says how long a vote may be: 512
# tokens are expected, and 4096 are held.
PRICE = {"input_per_1m_tokens": 0, "output_per_1m_tokens": 100}
TOKEN = Decimal("0.0001")
BUY = Answer(vote("BUY"), usage=Tokens(11, 10))
NOTHING = {"cost_usd": "0", "tokens": 0}
LEFT = "x-outcry-budget-left-usd"


class House:
    """Five members behind one gateway, a tool, and somebody who is told of alerts."""

    def __init__(self, gateway: Service, members: list[Upstream], tools: ToolServer) -> None:
        self.gateway, self.members, self.tools = gateway, members, tools
        self.client = gateway.client

    def spender(self, answer: int, **fields: Any) -> str:
        """The number of a new agent that may spend as much as so many tokens of answers cost."""
        number = str(self.client.post("/agents", json={"name": "spender"}).json()["id"])
        cap = {"window": "month", "cost_usd": f"{answer * TOKEN:f}", **fields}
        put = self.client.put(f"/budgets/agent:{number}", json=cap)
        assert put.status_code == 200, put.text
        return number

    def post(self, path: str, agent: str, **body: Any) -> httpx.Response:
        return self.client.post(path, json=body, headers={"x-outcry-agent": agent})

    def decide(
        self, agent: str, members: int = 5, headers: dict[str, str] | None = None, **fields: Any
    ) -> httpx.Response:
        asked = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS[:members], **fields}
        return self.client.post("/decisions", json=asked, headers={"x-outcry-agent": agent, **(headers or {})})

    def spent(self, agent: str) -> int:
        """Tokens of answers that were paid for. Fails unless everything that was held is given back."""
        assert within(5, lambda: self._state(agent)["reserved"] == NOTHING)
        return int(Decimal(self._state(agent)["used"]["cost_usd"]) / TOKEN)

    def calls(self) -> int:
        return sum(member.calls for member in self.members)

    def _state(self, agent: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/budgets/agent:{agent}").json()
        return found


@pytest.fixture(scope="module")
def house(start_once: StartService, upstream_once: StartUpstream) -> Iterator[House]:
    members = [upstream_once(models=(f"{name}-1",)) for name in NAMES]
    with ToolServer() as tools:
        config = {
            "providers": [provider(name, one, cost=PRICE) for name, one in zip(NAMES, members, strict=True)],
            "alerts": {"webhooks": [tools.url("price")]},
        }
        env = {**PATIENT, "OUTCRY_ALLOWED_PRIVATE_HOSTS": tools.host}
        yield House(start_once(config=config, env=env), members, tools)


@pytest.fixture(autouse=True)
def _fresh(house: House) -> None:
    for member in house.members:
        member.behave(BUY)
        member.forget()
    house.tools.forget()


def test_a_panel_of_five_at_a_cap_worth_two_has_two_votes(house: House) -> None:
    agent = house.spender(4096 + 600)

    answer = house.decide(agent, quorum=2, settle="all")

    assert answer.status_code == 200, answer.text
    decision = answer.json()
    reasons = [one["reason"] or "" for one in decision["votes"] if one["status"] != "ok"]
    assert (decision["action"], decision["status"], len(reasons)) == ("BUY", "decided", 3)
    assert all(reason.startswith("policy_budget_exceeded") for reason in reasons)
    assert (house.calls(), house.spent(agent)) == (2, 20)
    assert Decimal(answer.headers[LEFT]) <= (4096 + 600) * TOKEN


def test_a_panel_of_whom_nobody_may_be_asked_is_a_402_with_nothing_sent(house: House) -> None:
    agent = house.spender(500)

    refused = house.decide(agent)

    error = error_of(refused, 402, "policy_budget_exceeded")
    assert f"the month budget of agent:{agent}" in error["message"]
    assert Decimal(refused.headers[LEFT]) == 500 * TOKEN
    assert (house.calls(), house.spent(agent)) == (0, 0)
    told = streamed(
        house.client,
        "/decisions",
        {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS, "stream": True},
        headers={"x-outcry-agent": agent},
    )
    assert (told[-1].name, told[-1].data["error"]["code"]) == ("error", "policy_budget_exceeded")
    assert house.calls() == 0


def test_a_member_that_fails_or_is_left_gives_back_what_it_held(house: House) -> None:
    agent = house.spender(5 * 4096)
    house.members[0].behave(Status(500))
    house.members[1].behave(Silent())

    decision = house.decide(agent, deadline_ms=1500, quorum=3).json()

    assert decision["action"] == "BUY"
    # Nobody counted what the silent one may have written: its answer was empty as far as anybody saw.
    assert house.spent(agent) == 30


def test_a_repair_pays_and_is_not_made_when_there_is_no_room_for_it(house: House) -> None:
    house.members[0].behave(Answer("I would rather not say", usage=Tokens(11, 300)), BUY)
    poor, rich = house.spender(800), house.spender(1_000)

    unrepaired = house.decide(poor, 1, on_invalid="repair_once").json()
    assert "policy_budget_exceeded" in str(unrepaired["warnings"])
    assert (house.calls(), house.spent(poor)) == (1, 300)

    house.members[0].behave(Answer("I would rather not say", usage=Tokens(11, 300)), BUY)
    assert house.decide(rich, 1, on_invalid="repair_once").json()["votes"][0]["status"] == "repaired"
    assert house.spent(rich) == 310


def test_each_round_of_tools_pays_and_the_run_ends_at_the_cap(house: House) -> None:
    schema = {"type": "object", "properties": {}}
    tool = {"name": "price", "description": "a price", "parameters": schema, "url": house.tools.url("price")}
    assert house.client.post("/tools", json=tool).status_code == 201
    call = Answer("", usage=Tokens(11, 40), tool_calls=(ToolCall("price", "{}"),), finish_reason="tool_calls")
    asked = {"messages": HELLO, "model": MEMBERS[0], "tools": ["price"], "max_tokens": 50}
    poor, rich = house.spender(80), house.spender(100)

    house.members[0].behave(call, BUY)
    refused = house.post("/chat", poor, **asked)
    error_of(refused, 402, "policy_budget_exceeded")
    assert (house.calls(), house.spent(poor)) == (1, 40)
    assert Decimal(refused.headers[LEFT]) == 40 * TOKEN

    house.members[0].behave(call, BUY)
    answered = house.post("/chat", rich, **asked)
    assert answered.status_code == 200, answered.text
    assert Decimal(answered.headers[LEFT]) == 50 * TOKEN
    assert house.spent(rich) == 50


def test_a_risk_officer_pays_and_the_assessment_says_what_is_left(house: House) -> None:
    agent = house.spender(600)
    house.members[0].behave(Answer('{"verdict": "approve", "reasons": ["fine"]}', usage=Tokens(11, 200)))
    proposed = {"symbol": "BTC/USDT", "action": "BUY", "stop_loss": 63_000.0}
    asked = {"decision": proposed, "market": market(), "model": MEMBERS[0]}

    first = house.post("/risk-assessments", agent, **asked)
    second = house.post("/risk-assessments", agent, **asked)

    assert first.status_code == 200
    assert Decimal(first.headers[LEFT]) == 400 * TOKEN
    # There was no room to ask a second time; the rule is free.
    assert second.status_code == 200
    assert "policy_budget_exceeded" in second.text
    assert (house.calls(), house.spent(agent)) == (1, 200)


def test_a_streamed_decision_says_at_its_beginning_what_is_left(house: House) -> None:
    agent = house.spender(3 * 4096)
    body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS[:2], "stream": True}

    with house.client.stream("POST", "/decisions", json=body, headers={"x-outcry-agent": agent}) as answer:
        assert answer.status_code == 200
        assert Decimal(answer.headers[LEFT]) <= 3 * 4096 * TOKEN
        answer.read()

    assert house.spent(agent) == 20


def test_a_decision_that_is_told_again_costs_nothing_and_says_what_is_left(house: House) -> None:
    agent = house.spender(5_000)
    key = {"idempotency-key": f"once-{agent}"}

    first = house.decide(agent, 1, key)
    again = house.decide(agent, 1, key)

    assert first.json()["id"] == again.json()["id"]
    assert [Decimal(one.headers[LEFT]) for one in (first, again)] == [4_990 * TOKEN] * 2
    assert (house.calls(), house.spent(agent)) == (1, 10)


def test_a_run_pays_when_it_is_recorded_and_not_when_it_is_replayed(house: House) -> None:
    agent = house.spender(600)
    run = {"x-outcry-run": f"run-{agent}"}

    recorded = house.decide(agent, 1, {**run, "x-outcry-replay": "record"})
    replayed = house.decide(agent, 1, {**run, "x-outcry-replay": "replay"})

    assert (recorded.status_code, replayed.status_code) == (200, 200)
    assert (house.calls(), house.spent(agent)) == (1, 10)


def test_a_stream_that_is_cut_off_pays_for_what_came_and_frees_the_rest(house: House) -> None:
    agent = house.spender(200)
    house.members[0].behave(Stream(words=("word ",) * 8, cut_after=4, usage=None))
    body = {"messages": HELLO, "model": MEMBERS[0], "stream": True, "max_tokens": 100}

    streamed(house.client, "/v1/chat/completions", body, headers={"x-outcry-agent": agent})

    assert 0 < house.spent(agent) < 100


def test_embeddings_pay_in_tokens_and_say_what_is_left(house: House) -> None:
    agent = house.spender(100, tokens=50)
    house.members[0].behave(Embed(Tokens(8, 0)))

    answered = house.post("/v1/embeddings", agent, model=MEMBERS[0], input="hello")
    refused = house.post("/v1/embeddings", agent, model=MEMBERS[0], input="a long story " * 50)

    assert answered.status_code == 200, answered.text
    assert answered.headers["x-outcry-budget-left-tokens"] == "42"
    error_of(refused, 402, "policy_budget_exceeded")


def test_a_conformance_test_pays_from_its_providers_budget(house: House) -> None:
    house.client.put("/budgets/provider:five", json={"window": "month", "cost_usd": "1"})

    tested = house.client.post("/providers/five/test", json={})

    state = house.client.get("/budgets/provider:five").json()
    assert tested.status_code == 200
    assert Decimal(state["used"]["cost_usd"]) > 0
    assert state["reserved"] == NOTHING
    house.client.delete("/budgets/provider:five")


def test_an_agent_that_downgrades_gets_a_cheaper_vote_where_its_seat_is_not_pinned(house: House) -> None:
    agent = house.spender(50, on_exceeded="downgrade")
    free = house.post("/chat", agent, messages=HELLO, model=MEMBERS[0], max_tokens=100, fallbacks=[MEMBERS[1]])

    # Both cost as much: there is no cheaper one, and nothing is sent.
    error_of(free, 402, "policy_budget_exceeded")
    assert house.calls() == 0


def test_a_webhook_is_told_once_that_a_budget_is_nearly_spent_and_once_that_it_is_not(house: House) -> None:
    agent = house.spender(20, alert_at=0.5)
    asked = {"messages": HELLO, "model": MEMBERS[0], "max_tokens": 10}
    assert house.post("/chat", agent, **asked).status_code == 200
    assert house.tools.wait_until_asked(1)
    assert house.post("/chat", agent, **asked).status_code == 200

    cap = {"window": "month", "cost_usd": "1", "alert_at": 0.5}
    assert house.client.put(f"/budgets/agent:{agent}", json=cap).status_code == 200
    assert house.tools.wait_until_asked(2)

    told = [one.arguments for one in house.tools.asked]
    assert [(one["state"], one["alert"], one["provider"]) for one in told] == [
        ("fired", "budget_threshold", f"agent:{agent}"),
        ("resolved", "budget_threshold", f"agent:{agent}"),
    ]
    assert told[0]["fired_at"] == told[1]["fired_at"]
