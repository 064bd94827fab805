"""Money is said four times, and the same each time: in the answers, the rows, the summary and the metrics."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Embed, Silent, Status, Stream, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, error_of, metrics, provider, streamed, total, within
from tests.upstream import Upstream

NAMES = ("alpha", "beta", "gamma")
# Prices that binary fractions cannot hold.
COST = {"input_per_1m_tokens": 0.123, "output_per_1m_tokens": 0.777}
BILLED_FAILURE = Status(
    500,
    json.dumps(
        {
            "error": {"message": "the last token broke", "type": "server_error"},
            "usage": {"prompt_tokens": 301, "completion_tokens": 17, "total_tokens": 318},
        }
    ),
)
STORY = Stream(words=tuple(f" word{n}" for n in range(200)), gap=0.05)


class Till:
    """A gateway whose answers are added up as they come."""

    def __init__(self, gateway: Service, upstreams: dict[str, Upstream]) -> None:
        self.gateway, self.client, self.upstreams = gateway, gateway.client, upstreams
        self.answers: list[Decimal] = []

    def script(self, **scripts: Any) -> None:
        for name, script in scripts.items():
            self.upstreams[name].behave(*(script if isinstance(script, tuple) else (script,)))

    def post(
        self, path: str, body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """An answer whose price is on its head."""
        response = self.client.post(path, json=body, headers=headers)
        assert response.status_code == status, response.text
        head = response.headers["x-outcry-cost-usd"]
        assert response.json().get("cost_usd", head) == head
        self.answers.append(Decimal(head))
        return response

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every attempt on record."""
        cursor: str | None = None
        while True:
            page = self.client.get("/usage", params={"limit": 100, **({"cursor": cursor} if cursor else {})}).json()
            yield from page["items"]
            if (cursor := page["next"]) is None:
                return

    def left(self) -> list[dict[str, Any]]:
        """The attempts whose caller has gone."""
        return [row for row in self.rows() if row["code"] == "caller_cancelled" and row["decision_id"] is None]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def till(request: pytest.FixtureRequest, start_once: StartService, upstream_once: StartUpstream) -> Till:
    upstreams = {name: upstream_once(Answer(usage=Tokens(113, 19))) for name in (*NAMES, "vectors")}
    providers = [
        provider(name, upstreams[name], priority=place, models=[f"{name}-1", "shared-1"], cost=COST)
        for place, name in enumerate(NAMES, start=1)
    ]
    free_output = {"input_per_1m_tokens": 0.13, "output_per_1m_tokens": 0}
    providers.append(provider("vectors", upstreams["vectors"], priority=9, cost=free_output))
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    return Till(start_once(providers=providers, env=PATIENT, database_url=url), upstreams)


def _spend(till: Till) -> None:
    """Every way in which money is spent."""
    plain = {"messages": HELLO, "model": "alpha/alpha-1"}
    shared = {"messages": HELLO, "model": "shared-1"}
    for _ in range(20):
        till.post("/chat", shared)
    till.post("/v1/chat/completions", plain)
    done = streamed(till.client, "/chat", plain)[-1]
    assert done.name == "done"
    till.answers.append(Decimal(done.data["cost_usd"]))

    till.script(alpha=BILLED_FAILURE)
    fallen = till.post("/chat", {**shared, "max_retries": 1}).json()
    assert [one["outcome"] for one in fallen["attempts"]] == ["error", "ok"]
    assert sum(Decimal(one["cost_usd"]) for one in fallen["attempts"]) == Decimal(fallen["cost_usd"])
    till.post("/chat", {**plain, "max_retries": 0}, status=502)

    till.script(alpha=Silent())
    outrun = till.post("/chat", {**shared, "hedge": True}).json()
    assert [one["outcome"] for one in outrun["attempts"]] == ["cancelled", "ok"]
    assert sum(Decimal(one["cost_usd"]) for one in outrun["attempts"]) == Decimal(outrun["cost_usd"])

    till.script(alpha=Answer(usage=Tokens(113, 19)))
    for _ in range(2):
        till.post("/chat", {**plain, "temperature": 0}, headers={"x-outcry-cache": "read-write"})
    till.script(vectors=Embed(Tokens(77, 0)))
    till.post("/v1/embeddings", {"model": "vectors/vectors-1", "input": ["up", "down"]})
    _decide(till)
    _leave(till)


def _decide(till: Till) -> None:
    """Samples and a repair, a risk officer, and a member who is not waited for."""
    buy = Answer(vote("BUY"), usage=Tokens(911, 53))
    body = {"symbol": "BTC/USDT", "market": market()}
    till.script(alpha=(Answer("nothing of use", usage=Tokens(907, 3)), buy), beta=buy)
    sampled = {"models": ["alpha/alpha-1", "beta/beta-1"], "samples": 2, "on_invalid": "repair_once"}
    assert till.post("/decisions", body | sampled).json()["votes"][0]["usage"]["input_tokens"] > 900
    approved = {"verdict": "approve", "risk_score": 0.1, "max_fraction": None, "reasons": ["fine"]}
    till.script(gamma=Answer(json.dumps(approved), usage=Tokens(613, 29)))
    officer = {"models": ["alpha/alpha-1", "beta/beta-1"], "risk_check": True, "risk_officer": "gamma/gamma-1"}
    checked = till.post("/decisions", body | officer).json()
    votes = sum(Decimal(one["cost_usd"]) for one in checked["votes"])
    assert Decimal(checked["cost_usd"]) == votes + Decimal(checked["risk"]["cost_usd"])
    till.script(gamma=Silent())
    early = {"models": ["alpha/alpha-1", "beta/beta-1", "gamma/gamma-1"], "settle": "early"}
    settled = till.post("/decisions", body | early).json()
    assert settled["votes"][2]["status"] == "cancelled"
    assert Decimal(settled["cost_usd"]) == sum(Decimal(one["cost_usd"]) for one in settled["votes"])


def _leave(till: Till) -> None:
    """A caller who reads a little of a stream and goes; nobody is left to be told what it cost."""
    till.script(alpha=STORY)
    body = {"messages": HELLO, "model": "alpha/alpha-1", "stream": True}
    with till.client.stream("POST", "/chat", json=body) as response:
        for _, line in zip(range(12), response.iter_lines(), strict=False):
            assert line is not None
    assert within(5, lambda: bool(till.left()))


def test_answers_rows_summary_and_metrics_agree_to_the_last_digit(till: Till) -> None:
    _spend(till)

    assert within(5, lambda: total(metrics(till.client), "outcry_usage_queue_depth") == 0)
    rows = list(till.rows())
    left = till.left()
    unheard = sum((Decimal(row["cost_usd"]) for row in left), Decimal(0))
    costs = [Decimal(row["cost_usd"]) for row in rows if row["cost_usd"] is not None]
    assert len(left) == 1
    assert unheard > 0
    assert sum(till.answers) + unheard == sum(costs)
    summary = till.client.get("/usage/summary", params={"group": "model,provider"}).json()
    assert Decimal(summary["total"]["cost_usd"]) == sum(costs)
    assert sum(Decimal(row["cost_usd"]) for row in summary["rows"]) == sum(costs)
    spent: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        spent[row["provider"], row["model"]] += Decimal(row["cost_usd"] or 0)
    counted = metrics(till.client)
    for (name, model), dollars in spent.items():
        assert total(counted, "outcry_spend_usd_total", provider=name, model=model) == float(dollars)
    assert all(row["price_source"] for row in rows if row["cost_usd"] is not None)
    assert not any(row["price_source"] or row["price_dated"] for row in rows if row["cost_usd"] is None)


def test_a_model_without_a_price_is_refused_before_anything_is_sent(
    start: StartService, upstream: StartUpstream
) -> None:
    alpha, beta = upstream(Answer(vote("BUY"))), upstream(Answer(vote("BUY")))
    gateway = start(
        providers=[
            provider("alpha", alpha, priority=1, models=["alpha-1", "shared-1"]),
            provider("beta", beta, priority=2, models=["beta-1", "shared-1"], cost=COST),
        ],
        env={"OUTCRY_UNPRICED": "refuse"},
    )
    unpriced = {"messages": HELLO, "model": "alpha/alpha-1"}
    panel = {"symbol": "BTC/USDT", "market": market()}

    for path, body in (
        ("/chat", unpriced),
        ("/v1/chat/completions", unpriced),
        ("/v1/embeddings", {"model": "alpha/alpha-1", "input": "up"}),
        ("/decisions", {**panel, "models": ["alpha/alpha-1"]}),
    ):
        assert "price" in error_of(gateway.client.post(path, json=body), 402, "policy_unpriced_model")["message"]
    shared = gateway.client.post("/chat", json={**unpriced, "model": "shared-1"}).json()
    decision = gateway.client.post("/decisions", json={**panel, "models": ["alpha/alpha-1", "beta/beta-1"]}).json()
    explained = gateway.client.post("/routing/explain", json={**unpriced, "model": "shared-1"}).json()

    assert shared["provider"] == "beta"
    assert decision["votes"][0]["status"] == "error"
    assert decision["votes"][0]["reason"].startswith("policy_unpriced_model")
    assert "price is not known" in json.dumps(explained)
    assert alpha.calls == 0


def test_what_an_agent_states_of_prices_is_what_it_pays(start: StartService, upstream: StartUpstream) -> None:
    alpha = upstream(Answer(vote("BUY"), usage=Tokens(1000, 100)))
    two_keys = {"api_key": None, "api_keys": ["sk-one-0123456789", "sk-two-0123456789"]}
    gateway = start(
        providers=[provider("alpha", alpha, models=["alpha-1", "alpha-2"], **two_keys)],
        env={"OUTCRY_UNPRICED": "refuse"},
    )
    agent = gateway.client.post("/agents", json={"name": "desk"}).json()["id"]
    prices = {"cost_per_1k_input_tokens": "0.000777", "cost_per_1k_output_tokens": "0.00333"}
    config = {"provider": "alpha", "model_name": "alpha-1", **prices}
    assert gateway.client.put(f"/agents/{agent}/llm-config", json=config).status_code == 201

    whole = gateway.client.post("/chat", json={"messages": HELLO, "agent_id": agent}).json()
    alpha.behave(Status(401), Answer(vote("BUY"), usage=Tokens(1000, 100)))
    again = gateway.client.post("/chat", json={"messages": HELLO, "agent_id": agent}).json()
    decision = gateway.client.post(
        "/decisions", json={"symbol": "BTC/USDT", "market": market(), "agent_id": agent}
    ).json()
    other = {"messages": HELLO, "agent_id": agent, "model": "alpha/alpha-2"}
    foreign = gateway.client.post("/chat", json={"messages": HELLO, "model": "alpha/alpha-1"})

    assert (whole["cost_usd"], again["cost_usd"], decision["cost_usd"]) == ("0.00111", "0.00111", "0.00111")
    assert [one["outcome"] for one in again["attempts"]] == ["error", "ok"]
    error_of(gateway.client.post("/chat", json=other), 402, "policy_unpriced_model")
    error_of(foreign, 402, "policy_unpriced_model")
    assert within(5, lambda: len(gateway.client.get("/usage", params={"outcome": "ok"}).json()["items"]) == 3)
    items = gateway.client.get("/usage", params={"outcome": "ok"}).json()["items"]
    assert {(row["cost_usd"], row["price_source"]) for row in items} == {("0.00111", "agent")}
