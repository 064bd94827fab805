"""Agents have models and keys of their own; a change is in force at once, and a key never comes out again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, new_encryption_key
from tests.e2e.speaking import HELLO, PATIENT, error_of, provider
from tests.upstream import Upstream

KEY = "sk-agents-own-secret-4f2a"
REFUSED = "sk-agents-bad-secret-4f2a"


class House:
    """A gateway with two providers."""

    def __init__(self, gateway: Service, alpha: Upstream, beta: Upstream) -> None:
        self.gateway, self.alpha, self.beta, self.client = gateway, alpha, beta, gateway.client

    def agent(self, **config: Any) -> int:
        made = self.client.post("/agents", json={"name": "scalper", "description": None, "metadata": {"desk": "btc"}})
        assert made.status_code == 201, made.text
        agent_id: int = made.json()["id"]
        if config:
            put = self.client.put(f"/agents/{agent_id}/llm-config", json=config)
            assert put.status_code == 201, put.text
        return agent_id

    def ask(self, agent_id: int, **extra: Any) -> Any:
        return self.client.post("/chat", json={"messages": HELLO, "agent_id": agent_id, **extra}).json()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def house(start_once: StartService, upstream_once: StartUpstream, request: pytest.FixtureRequest) -> House:
    alpha, beta = upstream_once(), upstream_once(Answer("beta answers"), models=("beta-1", "beta-2"))
    cost = {"input_per_1m_tokens": 2, "output_per_1m_tokens": 8}
    database = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    gateway = start_once(
        providers=[
            provider("alpha", alpha, priority=1, cost=cost),
            provider("beta", beta, priority=2, models=["beta-1", "beta-2"]),
        ],
        env=PATIENT,
        database_url=database,
    )
    return House(gateway, alpha, beta)


@pytest.fixture(autouse=True)
def _healthy(house: House) -> None:
    house.alpha.behave(Answer("alpha answers"))
    house.beta.behave(Answer("beta answers"))
    house.alpha.forget()
    house.beta.forget()


def test_an_agent_is_created_read_changed_listed_and_deleted(house: House) -> None:
    client = house.client
    agent_id = house.agent()

    read = client.get(f"/agents/{agent_id}").json()
    changed = client.patch(f"/agents/{agent_id}", json={"description": "five minutes"}).json()
    listed = [agent["id"] for agent in client.get("/agents", params={"limit": 1000}).json()["items"]]
    deleted = client.delete(f"/agents/{agent_id}")

    assert read["name"] == "scalper"
    assert read["metadata"] == {"desk": "btc"}
    assert read["enabled"] is True
    assert read["created_at"].endswith("Z")
    assert changed["description"] == "five minutes"
    assert agent_id in listed
    assert deleted.status_code in {200, 204}
    error_of(client.get(f"/agents/{agent_id}"), 404, "caller_unknown_agent")


def test_a_request_with_an_agent_uses_its_model_parameters_and_key(house: House) -> None:
    agent_id = house.agent(provider="beta", model_name="beta-2", temperature=0.3, max_tokens=77, api_key=KEY)

    body = house.ask(agent_id)

    assert (body["provider"], body["model"]) == ("beta", "beta-2")
    sent = house.beta.requests[-1]
    assert sent.key == KEY
    assert sent.body is not None
    assert (sent.body["model"], sent.body["temperature"]) == ("beta-2", 0.3)
    assert 77 in (sent.body.get("max_tokens"), sent.body.get("max_completion_tokens"))


def test_the_model_name_and_the_header_name_an_agent_too(house: House) -> None:
    agent_id = house.agent(provider="beta", model_name="beta-2")

    by_model = house.client.post("/v1/chat/completions", json={"model": f"agent:{agent_id}", "messages": HELLO})
    by_header = house.client.post("/chat", json={"messages": HELLO}, headers={"x-outcry-agent": str(agent_id)})

    assert by_model.headers["x-outcry-model"] == "beta-2"
    assert by_header.json()["model"] == "beta-2"


def test_a_requests_own_parameters_come_before_the_agents(house: House) -> None:
    agent_id = house.agent(provider="beta", model_name="beta-1", temperature=0.3)

    house.ask(agent_id, temperature=0.9)

    assert (house.beta.requests[-1].body or {})["temperature"] == 0.9


def test_a_change_is_in_force_with_the_next_request(house: House) -> None:
    agent_id = house.agent(provider="beta", model_name="beta-1")
    assert house.ask(agent_id)["model"] == "beta-1"

    put = house.client.put(f"/agents/{agent_id}/llm-config", json={"provider": "alpha", "model_name": "alpha-1"})

    assert put.status_code == 200
    assert house.ask(agent_id)["provider"] == "alpha"


def test_the_fallback_of_an_agent_answers_when_its_provider_does_not(house: House) -> None:
    house.alpha.behave(Status(500))
    agent_id = house.agent(
        provider="alpha", model_name="alpha-1", fallback_provider="beta", fallback_model="beta-2", api_key=KEY
    )

    body = house.ask(agent_id)

    assert (body["provider"], body["model"]) == ("beta", "beta-2")
    assert house.alpha.requests[-1].key == KEY
    assert house.beta.requests[-1].key == "sk-beta-0123456789abcdef"


def test_a_key_goes_in_and_never_comes_out(house: House) -> None:
    house.beta.behave(Status(401, message=f"incorrect API key provided: {REFUSED}"))
    agent_id = house.agent(provider="beta", model_name="beta-1", api_key=REFUSED)

    seen = [
        house.client.get(f"/agents/{agent_id}/llm-config"),
        house.client.get(f"/agents/{agent_id}"),
        house.client.post("/chat", json={"messages": HELLO, "agent_id": agent_id}),
        house.client.get("/metrics"),
        house.client.get("/providers/health"),
        house.client.get("/usage"),
    ]

    config = seen[0].json()["primary"]
    assert (config["has_api_key"], config["api_key_hint"][-4:]) == (True, "4f2a")
    assert "api_key" not in config
    assert REFUSED not in "".join(response.text + str(response.headers) for response in seen)
    assert REFUSED not in house.gateway.log


def test_a_key_rests_encrypted(house: House) -> None:
    house.agent(provider="beta", model_name="beta-1", api_key=KEY)
    if not house.gateway.database.exists():
        return  # PostgreSQL: the same column is read in the storage tests

    with closing(sqlite3.connect(house.gateway.database)) as database:
        dump = "\n".join(database.iterdump())

    assert "agent_llm_configs" in dump
    assert KEY not in dump


def test_a_key_stays_when_it_is_not_mentioned_and_goes_with_null(house: House) -> None:
    agent_id = house.agent(provider="beta", model_name="beta-1", api_key=KEY)
    path = f"/agents/{agent_id}/llm-config"

    kept = house.client.put(path, json={"provider": "beta", "model_name": "beta-2"}).json()
    removed = house.client.put(path, json={"provider": "beta", "model_name": "beta-2", "api_key": None}).json()

    assert (kept["has_api_key"], removed["has_api_key"]) == (True, False)
    assert removed["api_key_hint"] is None


def test_a_key_does_not_move_to_another_origin_silently(house: House) -> None:
    agent_id = house.agent(provider="beta", model_name="beta-1", api_key=KEY)

    moved = house.client.put(f"/agents/{agent_id}/llm-config", json={"provider": "alpha", "model_name": "alpha-1"})

    error_of(moved, 422, "caller_invalid_field")
    assert house.ask(agent_id)["provider"] == "beta"
    assert house.alpha.calls == 0


def test_costs_are_filled_in_where_they_are_known(house: House) -> None:
    agent_id = house.agent(provider="alpha", model_name="alpha-1")

    config = house.client.get(f"/agents/{agent_id}/llm-config").json()["primary"]

    assert float(config["cost_per_1k_input_tokens"]) == 0.002
    assert float(config["cost_per_1k_output_tokens"]) == 0.008


def test_more_configurations_are_tried_in_their_order(house: House) -> None:
    agent_id = house.agent(provider="alpha", model_name="alpha-1")
    added = house.client.post(
        f"/agents/{agent_id}/llm-config", json={"provider": "beta", "model_name": "beta-2", "priority": 5}
    )

    assert added.status_code == 201
    configs = house.client.get(f"/agents/{agent_id}/llm-config").json()
    assert [c["model_name"] for c in configs["configs"]] == ["alpha-1", "beta-2"]
    patched = house.client.patch(f"/agents/{agent_id}/llm-config/{added.json()['id']}", json={"temperature": 0.1})
    assert patched.json()["temperature"] == 0.1
    assert house.client.delete(f"/agents/{agent_id}/llm-config/{added.json()['id']}").status_code in {200, 204}
    assert len(house.client.get(f"/agents/{agent_id}/llm-config").json()["configs"]) == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"provider": "nobody"}, "provider"),
        ({"model_name": "nothing-1"}, "model_name"),
        ({"temperature": 9}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_p": 1.5}, "top_p"),
        ({"fallback_provider": "nobody"}, "fallback_provider"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_configuration_is_refused_by_field(house: House, change: dict[str, Any], field: str) -> None:
    agent_id = house.agent()

    response = house.client.put(
        f"/agents/{agent_id}/llm-config", json={"provider": "alpha", "model_name": "alpha-1", **change}
    )

    error = error_of(response, 422, "caller_invalid_field")
    assert any(field in violation["field"] for violation in error["errors"])


def test_an_unknown_agent_is_a_404_everywhere(house: House) -> None:
    for response in (
        house.client.post("/chat", json={"messages": HELLO, "agent_id": 999_999}),
        house.client.post("/v1/chat/completions", json={"model": "agent:999999", "messages": HELLO}),
        house.client.get("/agents/999999/llm-config"),
    ):
        error_of(response, 404, "caller_unknown_agent")


def test_a_configuration_can_be_tried_out(house: House) -> None:
    agent_id = house.agent(provider="beta", model_name="beta-1", api_key=KEY)

    tried = house.client.post(f"/agents/{agent_id}/llm-config/validate")

    assert tried.status_code == 200, tried.text
    assert house.beta.requests[-1].key == KEY


def test_agents_and_keys_are_there_after_a_restart(start: StartService, upstream: StartUpstream) -> None:
    beta = upstream(Answer("beta answers"))
    gateway = start(providers=[provider("beta", beta)])
    house = House(gateway, beta, beta)
    agent_id = house.agent(provider="beta", model_name="beta-1", api_key=KEY)

    gateway.stop()
    gateway.start()

    client: httpx.Client = gateway.client
    assert client.post("/chat", json={"messages": HELLO, "agent_id": agent_id}).status_code == 200
    assert beta.requests[-1].key == KEY


def test_another_encryption_key_stops_the_start_and_shows_neither(start: StartService, upstream: StartUpstream) -> None:
    beta = upstream()
    gateway = start(providers=[provider("beta", beta)])
    House(gateway, beta, beta).agent(provider="beta", model_name="beta-1", api_key=KEY)
    gateway.stop()
    first, gateway.encryption_key = gateway.encryption_key, new_encryption_key()

    assert gateway.ends_by_itself() == 78

    assert gateway.encryption_key not in gateway.log
    gateway.encryption_key = first
    gateway.start()
