"""Who may see prompts: demanded by operators for all, by callers for one request, on every wire."""

from __future__ import annotations

from typing import Any

import pytest

from tests.behaviours import Answer
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, provider
from tests.upstream import Upstream

POLICIES: dict[str, dict[str, Any]] = {
    "silent": {},
    "keeps": {"training": False, "retention_days": 30, "region": "us"},
    "trains": {"training": True, "retention_days": 0, "region": "eu"},
    "strict": {"training": False, "retention_days": 0, "region": "eu"},
}
WIRES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": HELLO},
    "/v1/responses": {"input": "hello"},
    "/v1/messages": {"messages": HELLO, "max_tokens": 9},
    "/chat": {"messages": HELLO},
}


@pytest.fixture(scope="module")
def upstreams(upstream_once: StartUpstream) -> dict[str, Upstream]:
    return {name: upstream_once(Answer(f"by {name}")) for name in POLICIES}


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstreams: dict[str, Upstream]) -> Service:
    providers = [
        provider(name, upstream, models=["m"], priority=place, data_policy=POLICIES[name])
        for place, (name, upstream) in enumerate(upstreams.items())
    ]
    service: Service = start_once(providers=providers)
    return service


@pytest.mark.parametrize("wire", WIRES)
def test_a_demand_is_met_on_every_wire(gateway: Service, wire: str) -> None:
    def asked(**wanted: Any) -> str:
        response = gateway.client.post(wire, json={"model": "m", **WIRES[wire], "provider": wanted})
        assert response.status_code == 200, response.text
        return response.headers["x-outcry-provider"]

    assert asked() == "silent"
    assert asked(data_collection="allow", zdr=False) == "silent"
    assert asked(data_collection="deny") == "keeps"
    assert asked(zdr=True) == "trains"
    assert asked(data_collection="deny", zdr=True) == "strict"
    assert asked(region=["ch", "EU"]) == "trains"


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"region": "ch"}, "provider.region"),
        ({"zdr": True, "only": ["keeps"]}, "provider.only"),
        ({"zdr": "yes"}, "provider.zdr"),
        ({"data_collection": "maybe"}, "provider.data_collection"),
        ({"region": []}, "provider.region"),
        ({"region": ["eu", 1]}, "provider.region[1]"),
        ({"region": "e u"}, "provider.region"),
    ],
)
def test_a_demand_that_nobody_meets_or_that_is_none_is_a_400_with_its_field(
    gateway: Service, wanted: dict[str, Any], param: str
) -> None:
    body = {"model": "m", "messages": HELLO, "provider": wanted}
    error = error_of(gateway.client.post("/v1/chat/completions", json=body), 400, "caller_invalid_request")
    assert error["param"] == param


def test_the_policies_are_told_with_the_providers_and_in_explanations(gateway: Service) -> None:
    told = {one["name"]: one["data_policy"] for one in gateway.client.get("/providers").json()["providers"]}
    assert told["keeps"] == {**POLICIES["keeps"], "models": {}}
    assert told["silent"] == {"training": None, "retention_days": None, "region": None, "models": {}}

    body = {"model": "m", "messages": HELLO, "provider": {"data_collection": "deny"}}
    explained = gateway.client.post("/routing/explain", json=body).json()
    reasons = {one["target"]: one["why_not"] for one in explained["routing"]["candidates"]}
    assert reasons["silent/m"] == "whether prompts train models is not stated, and provider.data_collection forbids it"
    assert reasons["trains/m"] == "prompts train models there, and provider.data_collection forbids it"
    assert reasons["keeps/m"] is None


def test_no_request_gets_past_the_operators_demand(start: StartService, upstreams: dict[str, Upstream]) -> None:
    providers = [
        provider(name, upstream, models=["m"], priority=place, data_policy=POLICIES[name])
        for place, (name, upstream) in enumerate(upstreams.items())
    ]
    gateway = start(config={"providers": providers, "data_policy": {"training": False, "retention_days": 30}})
    before = upstreams["trains"].calls
    body: dict[str, Any] = {"model": "m", "messages": HELLO, "provider": {"data_collection": "allow"}}

    assert gateway.client.post("/chat", json=body).json()["provider"] == "keeps"
    pinned = gateway.client.post("/chat", json={**body, "model": "trains/m"})

    error = error_of(pinned, 503, "gateway_no_target")
    assert "data_policy.training" in error["message"]
    assert upstreams["trains"].calls == before
    demanded = {"training": False, "retention_days": 30, "region": None}
    assert gateway.client.get("/providers").json()["data_policy"] == demanded
