"""Where requests go: what callers want of providers, explained beforehand, changed and counted while it runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.behaviours import Answer, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, provider, within
from tests.upstream import Upstream

PRICES = {"cheap": 1, "dear": 9}


@pytest.fixture(scope="module")
def upstreams(upstream_once: StartUpstream) -> dict[str, Upstream]:
    return {name: upstream_once(Answer(f"by {name}")) for name in ("dear", "cheap", "unpriced", "failing")}


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstreams: dict[str, Upstream]) -> Service:
    upstreams["failing"].behave(Status(500))
    providers = [
        provider(
            name,
            upstream,
            models=["m"],
            priority=place,
            **({"cost": {"input_per_1m_tokens": PRICES[name], "output_per_1m_tokens": 1}} if name in PRICES else {}),
        )
        for place, (name, upstream) in enumerate(upstreams.items())
    ]
    service: Service = start_once(providers=providers)
    return service


def asked(gateway: Service, **wanted: Any) -> str:
    """Who answers."""
    response = gateway.client.post("/v1/chat/completions", json={"model": "m", "messages": HELLO, "provider": wanted})
    assert response.status_code == 200, response.text
    return response.headers["x-outcry-provider"]


def test_callers_choose_among_providers(gateway: Service) -> None:
    assert asked(gateway) == "dear"
    assert asked(gateway, order=["unpriced"]) == "unpriced"
    assert asked(gateway, ignore=["dear"]) == "cheap"
    assert asked(gateway, only=["cheap", "unpriced"], order=["unpriced", "cheap"]) == "unpriced"
    assert asked(gateway, sort="price") == "cheap"
    assert asked(gateway, max_price={"prompt": 5}) == "cheap"
    assert asked(gateway, order=["failing", "unpriced"], allow_fallbacks=False) == "unpriced"


def test_a_wish_that_nobody_meets_is_a_400(gateway: Service) -> None:
    body = {"model": "m", "messages": HELLO, "provider": {"max_price": {"prompt": 0.01}}}

    error = error_of(gateway.client.post("/v1/chat/completions", json=body), 400, "caller_invalid_request")

    assert error["param"] == "provider.max_price.prompt"
    assert "cheap/m" in error["message"]


def test_a_request_is_explained_without_a_call_and_answered_as_explained(
    gateway: Service, upstreams: dict[str, Upstream]
) -> None:
    body = {"model": "m", "messages": HELLO, "policy": "cost", "provider": {"ignore": ["failing"]}}
    before = {name: one.calls for name, one in upstreams.items()}

    explained = gateway.client.post("/routing/explain", json=body).json()
    assert {name: one.calls for name, one in upstreams.items()} == before
    answered = gateway.client.post("/chat", json=body).json()

    assert explained["plan"] == ["cheap/m", "dear/m", "unpriced/m"]
    assert explained["routing"] == answered["routing"]
    assert explained["target"] == f"{answered['provider']}/{answered['model']}"
    reasons = {one["target"]: one["why_not"] for one in explained["routing"]["candidates"]}
    assert reasons["failing/m"] == "is in provider.ignore"


def test_the_strategy_changes_while_it_runs_until_it_is_taken_back(gateway: Service) -> None:
    body = {"messages": HELLO, "model": "auto"}
    assert gateway.client.put("/routing/strategy", json={"strategy": "cost"}).json()["source"] == "run_time"
    assert gateway.client.post("/chat", json=body).json()["provider"] == "cheap"

    gateway.client.post("/admin/reload")
    assert gateway.client.get("/routing/strategy").json()["strategy"] == "cost_aware"

    assert gateway.client.put("/routing/strategy", json={"strategy": None}).json()["source"] == "configuration"
    assert gateway.client.post("/chat", json=body).json()["provider"] == "dear"


def test_fallbacks_are_counted_and_a_circuit_is_reset_by_hand(gateway: Service) -> None:
    before = gateway.client.get("/routing/stats").json()
    body = {"model": "failing/m", "messages": HELLO, "max_retries": 0, "fallbacks": ["cheap/m"]}
    for _ in range(6):
        gateway.client.post("/chat", json={**body, "max_retries": 1})

    told = gateway.client.get("/routing/stats").json()
    assert told["fallbacks"] > before["fallbacks"]
    assert told["fallbacks_by_code"]["provider_error"] > before["fallbacks_by_code"].get("provider_error", 0)
    health = gateway.client.get("/providers/health").json()["providers"]["failing"]
    assert health["circuit"] == "open"

    assert gateway.client.post("/providers/failing/circuit/reset").json()["targets"] == ["m"]

    assert gateway.client.get("/providers/health").json()["providers"]["failing"]["circuit"] == "closed"


def test_a_dead_key_is_replaced_by_the_providers_next_one_within_the_request(
    start: StartService, upstream: StartUpstream
) -> None:
    dead, good = "sk-dead-0123456789abcdef", "sk-good-0123456789abcdef"
    picky = upstream(lambda request: Status(401) if request.key == dead else Answer("up"))
    spare = upstream(Answer("spare"))
    providers = [provider("main", picky, api_keys=[dead, good]), provider("spare", spare)]
    del providers[0]["api_key"]
    gateway = start(providers=providers)

    answers = [gateway.client.post("/v1/chat/completions", json={"model": "auto", "messages": HELLO}) for _ in "12"]

    assert [one.json()["choices"][0]["message"]["content"] for one in answers] == ["up", "up"]
    assert [one.headers["x-outcry-attempts"] for one in answers] == ["2", "1"]
    assert [one.headers["x-outcry-fallback"] for one in answers] == ["false", "false"]
    assert [request.key for request in picky.requests] == [dead, good, good]
    assert not spare.calls


def test_neither_revoked_keys_nor_a_spent_one_lose_a_request_that_somebody_can_answer(
    start: StartService, upstream: StartUpstream
) -> None:
    keys = [f"sk-{place}-0123456789abcdef" for place in range(4)]
    revoked, spare = upstream(Status(401)), upstream(Answer("spare"))
    paced = upstream(lambda one: Status(429, headers={"retry-after": "30"}) if one.key == keys[0] else Answer("paced"))
    providers = [
        provider("revoked", revoked, api_keys=keys),
        provider("spare", spare),
        provider("paced", paced, api_keys=keys[:2]),
    ]
    del providers[0]["api_key"], providers[2]["api_key"]
    gateway = start(providers=providers)

    fallen_over = gateway.client.post("/chat", json={"messages": HELLO}).json()
    other_key = gateway.client.post("/chat", json={"messages": HELLO, "model": "paced/paced-1"}).json()

    assert (fallen_over["content"], len(fallen_over["attempts"])) == ("spare", 3)
    assert (other_key["content"], len(other_key["attempts"])) == ("paced", 2)
    states = gateway.client.get("/providers/health").json()["providers"].values()
    assert {one["in_flight"] for one in states} == {0}


def test_a_canary_without_a_share_is_only_a_reserve(start: StartService, upstream: StartUpstream) -> None:
    steady, canary = upstream(Answer("steady")), upstream(Answer("canary"))
    gateway = start(
        config={
            "providers": [provider("steady", steady), provider("canary", canary)],
            "aliases": {"split": {"steady/steady-1": 1, "canary/canary-1": 0}},
        }
    )

    body = {"messages": HELLO, "model": "split"}
    assert {gateway.client.post("/chat", json=body).json()["provider"] for _ in range(20)} == {"steady"}
    assert not canary.calls
    candidates = gateway.client.post("/routing/explain", json=body).json()["routing"]["candidates"]
    assert {one["target"]: one["score"] for one in candidates} == {"steady/steady-1": 1.0, "canary/canary-1": 0.0}


def test_a_strategy_reaches_every_replica_and_the_next_start_until_the_file_changes(
    tmp_path: Path, start: StartService, upstreams: dict[str, Upstream]
) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path / 'shared.db'}"
    providers = [provider(name, upstreams[name], priority=place) for place, name in enumerate(("dear", "cheap"))]
    file = tmp_path / "second.json"
    file.write_text(json.dumps({"providers": providers}))
    first = start(providers=providers, database_url=database)
    env = {"ENCRYPTION_KEYS": first.encryption_key, "OUTCRY_CONFIG": str(file)}
    second = start(database_url=database, env=env)

    def told(gateway: Service) -> tuple[str, str]:
        said = gateway.client.get("/routing/strategy").json()
        return said["strategy"], said["source"]

    set_at = first.client.put("/routing/strategy", json={"strategy": "round_robin"}).json()["since"]
    assert within(2, lambda: told(second) == ("round_robin", "run_time"))
    assert second.client.get("/routing/strategy").json()["since"] == set_at

    second.stop()
    second.start()
    assert within(2, lambda: told(second) == ("round_robin", "run_time"))

    file.write_text(json.dumps({"providers": providers, "failover_strategy": "weighted"}))
    assert second.client.post("/admin/reload").status_code == 200
    assert (told(second), told(first)) == (("weighted", "configuration"), ("round_robin", "run_time"))


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/chat", {"model": "nope"}, "model"),
        ("/chat", {"model": "auto", "fallbacks": ["auto", "nope"]}, "fallbacks[1]"),
        ("/v1/chat/completions", {"model": "nope"}, "model"),
        ("/v1/chat/completions", {"model": "auto", "models": ["auto", "nope"]}, "models[1]"),
        ("/v1/chat/completions", {"models": ["nope"]}, "models[0]"),
    ],
)
def test_a_name_that_means_nothing_is_named_where_it_stands(
    gateway: Service, path: str, body: dict[str, Any], param: str
) -> None:
    refused = gateway.client.post(path, json={"messages": HELLO, **body})

    assert error_of(refused, 404, "model_not_found")["param"] == param
