"""An agent's traffic split over HTTP, in every worker: sticky, marked on record, compared; and shadows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.behaviours import Answer
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.revision import is_in_force
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, PATIENT, error_of, provider, within
from tests.upstream import Upstream

COST = {"input_per_1m_tokens": 2, "output_per_1m_tokens": 8}


class Lab:
    """Two workers, three providers, and an agent with two configurations."""

    def __init__(self, gateway: Service, alpha: Upstream, beta: Upstream, gamma: Upstream) -> None:
        self.gateway, self.alpha, self.beta, self.gamma, self.client = gateway, alpha, beta, gamma, gateway.client
        self.agent: int = self.client.post("/agents", json={"name": "a", "metadata": {}}).json()["id"]
        self.configs = [self._config(name) for name in ("alpha", "beta")]

    def _config(self, name: str) -> int:
        body = {"provider": name, "model_name": f"{name}-1"}
        made = self.client.post(f"/agents/{self.agent}/llm-config", json=body)
        assert made.status_code == 201, made.text
        number: int = made.json()["id"]
        return number

    def begin(self, **changes: Any) -> str:
        arms = [{"name": name, "share": 0.5, "config_id": one} for name, one in zip("ab", self.configs, strict=True)]
        body = {"name": "x", "agent_id": self.agent, "arms": arms, "sticky_by": "metadata.desk", **changes}
        made = self.client.post("/experiments", json=body)
        assert made.status_code == 201, made.text
        name: str = made.json()["id"]
        assert is_in_force(self.gateway)
        return name

    def fresh(self, path: str, **body: Any) -> Any:
        """Over a connection of its own, so that either worker may get it."""
        with plain_client(self.gateway.base_url) as client:
            answer = client.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def read(self, name: str) -> Any:
        answer = self.client.get(f"/experiments/{name}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def chat(self, desk: str, **body: Any) -> Any:
        return self.fresh("/chat", messages=HELLO, agent_id=self.agent, metadata={"desk": desk}, **body)

    def decide(self, desk: str, **body: Any) -> Any:
        fields = {"symbol": "BTC/USDT", "market": market(), "agent_id": self.agent, "metadata": {"desk": desk}}
        return self.fresh("/decisions", **{**fields, **body})

    def stop(self, name: str) -> None:
        assert self.client.post(f"/experiments/{name}/stop").json()["status"] == "stopped"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def lab(start_once: StartService, upstream_once: StartUpstream, request: pytest.FixtureRequest) -> Lab:
    upstreams = [upstream_once(Answer(vote("BUY")), models=(f"{name}-1",)) for name in ("alpha", "beta", "gamma")]
    database = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    gateway = start_once(
        providers=[
            provider(name, one, cost=COST) for name, one in zip(("alpha", "beta", "gamma"), upstreams, strict=True)
        ],
        env={**PATIENT, "OUTCRY_WORKERS": "2"},
        database_url=database,
    )
    return Lab(gateway, *upstreams)


def test_chats_are_split_stick_to_their_key_in_every_worker_and_are_marked(lab: Lab) -> None:
    name = lab.begin(applies_to=["chat"])

    with ThreadPoolExecutor(4) as callers:
        told = list(callers.map(lambda number: lab.chat(f"desk {number % 20}"), range(60)))

    by_desk = [{told[place]["model"] for place in range(desk, 60, 20)} for desk in range(20)]
    assert {len(models) for models in by_desk} == {1}
    assert set().union(*by_desk) == {"alpha-1", "beta-1"}
    wire = {"model": f"agent:{lab.agent}", "messages": HELLO, "metadata": {"desk": "desk 3"}}
    assert lab.fresh("/v1/chat/completions", **wire)["choices"]
    assert within(20, lambda: sum(arm["results"]["chat"]["n"] for arm in lab.read(name)["arms"]) == 61)
    a, b = lab.read(name)["arms"]
    assert (a["results"]["chat"]["answered"]["rate"], a["results"]["decisions"]) == (1.0, None)
    assert a["results"]["chat"]["n"] == sum(one["model"] == "alpha-1" for one in told) + (by_desk[3] == {"alpha-1"})
    assert float(b["results"]["chat"]["cost_usd"]) > 0

    lab.stop(name)
    assert is_in_force(lab.gateway)
    assert {lab.chat(f"desk {number}")["model"] for number in range(8)} == {"alpha-1"}


def test_decisions_of_an_arm_are_marked_and_graded_and_three_samples_show_nothing(lab: Lab) -> None:
    lab.beta.behave(Answer(vote("SELL")))
    name = lab.begin(applies_to=["decisions"])

    decided = [lab.decide(f"desk {number}") for number in range(12)]

    for one in decided:
        assert one["variant"] in (f"{name}/a", f"{name}/b")
        expected = ("alpha-1", "BUY") if one["variant"].endswith("a") else ("beta-1", "SELL")
        assert [(each["model"], each["action"]) for each in one["votes"]] == [expected]
    assert lab.decide("x", models=["alpha/alpha-1", "gamma/gamma-1"])["variant"] is None
    for one in decided:
        body = {"outcome_id": "o", "kind": "forward_return", "observed_at": "2026-11-21T14:15:00Z"}
        told = lab.client.post(f"/decisions/{one['id']}/outcome", json=body | {"forward_return": 0.02})
        assert told.status_code == 201, told.text
    seen = lab.read(name)
    results = {arm["name"]: arm["results"]["decisions"] for arm in seen["arms"]}
    assert (results["a"]["hit_rate"]["rate"], results["b"]["hit_rate"]["rate"]) == (1.0, 0.0)
    assert sum(one["hit_rate"]["votes"] for one in results.values()) == 12
    assert {type(one["cost_per_decision_usd"]["mean"]) for one in results.values()} == {str}
    verdicts = {row["metric"]: row["verdict"] for row in seen["comparison"]["rows"]}
    assert verdicts["hit_rate"] == "insufficient data"
    assert set(verdicts.values()) == {"insufficient data"}
    rows = {row["variant"] for row in lab.client.get("/leaderboard", params={"by": "variant"}).json()["rows"]}
    assert {f"{name}/a", f"{name}/b"} <= rows
    lab.stop(name)


def test_a_second_experiment_of_the_same_traffic_is_a_conflict_and_a_wrong_one_names_its_fields(lab: Lab) -> None:
    name = lab.begin(applies_to=["chat"])
    arms = [{"name": "a", "share": 0.5, "config_id": lab.configs[0]}, {"name": "b", "share": 0.5, "config_id": 99}]
    body = {"name": "x", "agent_id": lab.agent, "arms": arms, "applies_to": ["chat"]}
    answer = lab.client.post("/experiments", json=body)
    assert [one["field"] for one in error_of(answer, 422, "caller_invalid_field")["errors"]] == ["arms[1].config_id"]
    arms[1]["config_id"] = lab.configs[1]
    error_of(lab.client.post("/experiments", json=body), 409, "caller_conflict")
    beside = lab.client.post("/experiments", json=body | {"applies_to": ["decisions"]})
    assert beside.status_code == 201
    error_of(lab.client.post("/experiments", json=body | {"agent_id": 999}), 422, "caller_invalid_field")
    for one in (name, beside.json()["id"]):
        assert lab.client.delete(f"/experiments/{one}").status_code == 204
        error_of(lab.client.get(f"/experiments/{one}"), 404, "caller_not_found")


def test_a_shadow_never_delays_an_answer_and_is_on_record_with_its_cost(lab: Lab) -> None:
    lab.alpha.behave(Answer(vote("BUY")))
    lab.gamma.behave(Answer(vote("SELL"), delay=1.0))

    told = lab.decide("x", models=["alpha/alpha-1"], shadow=["gamma/gamma-1"])

    assert (told["action"], told["latency_ms"] < 900) == ("BUY", True)
    assert [(one["shadow"], one["status"]) for one in told["votes"]] == [(False, "ok"), (True, "pending")]
    path = f"/decisions/{told['id']}"
    assert within(20, lambda: lab.client.get(path).json()["votes"][1]["status"] == "ok")
    kept = lab.client.get(path).json()
    assert (kept["action"], kept["consensus"]["agreement"], kept["consensus"]["effective_votes"]) == ("BUY", 1.0, 1.0)
    assert (kept["votes"][1]["action"], kept["votes"][1]["weight"]) == ("SELL", 0.0)
    assert float(kept["cost_usd"]) == pytest.approx(sum(float(one["cost_usd"]) for one in kept["votes"]))
    assert float(kept["cost_usd"]) > float(told["cost_usd"])


def test_a_shadow_whose_budget_is_used_up_is_not_asked_and_the_decision_stands(lab: Lab) -> None:
    lab.alpha.behave(Answer(vote("BUY")))
    lab.gamma.behave(Answer(vote("SELL")))
    put = lab.client.put("/budgets/provider:gamma", json={"window": "day", "tokens": 0})
    assert put.status_code == 200, put.text
    fields = {"models": ["alpha/alpha-1"], "shadow": ["gamma/gamma-1"], "settle": "all"}
    asked = lab.gamma.calls

    # On the connection that set the budget: it is in force in this worker.
    body = {"symbol": "BTC/USDT", "market": market(), **fields}
    told = lab.client.post("/decisions", json=body).json()

    def shadow() -> Any:
        return lab.client.get(f"/decisions/{told['id']}").json()["votes"][1]

    assert within(20, lambda: shadow()["status"] != "pending")
    refused = shadow()
    assert (refused["shadow"], refused["status"], refused["action"]) == (True, "error", None)
    assert "policy_budget_exceeded" in refused["reason"]
    assert (told["action"], told["status"], told["votes"][0]["status"]) == ("BUY", "decided", "ok")
    assert lab.gamma.calls == asked
    assert lab.client.delete("/budgets/provider:gamma").status_code == 204


def test_an_experiment_survives_a_restart_and_everybody_keeps_his_arm(
    start: StartService, upstream: StartUpstream
) -> None:
    members = [upstream(Answer(vote("BUY")), models=(f"{name}-1",)) for name in ("alpha", "beta")]
    gateway = start(providers=[provider(f"{name}", one) for name, one in zip(("alpha", "beta"), members, strict=True)])
    agent = gateway.client.post("/agents", json={"name": "a"}).json()["id"]
    arms = [{"name": name, "share": 0.5, "language": name} for name in ("en", "de")]
    body = {"name": "x", "agent_id": agent, "arms": arms, "sticky_by": "symbol"}
    begun = gateway.client.post("/experiments", json=body).json()

    def variants() -> list[str]:
        symbols = [f"S{number}" for number in range(12)]
        asked = [{"symbol": one, "market": market(symbol=one), "agent_id": agent} for one in symbols]
        return [gateway.client.post("/decisions", json=one).json()["variant"] for one in asked]

    before = variants()
    gateway.stop()
    gateway.start()

    assert gateway.client.get(f"/experiments/{begun['id']}").json()["status"] == "running"
    assert variants() == before
    assert set(before) == {f"{begun['id']}/en", f"{begun['id']}/de"}
