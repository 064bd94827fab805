"""Routing over HTTP: explained, changed, counted, reset."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.api.access import ACCESS
from app.domain.caller import Scope
from app.domain.routing import PolicyName, Preferences
from app.services import Services
from tests.api.conftest import client_of
from tests.api.speaking import error_of, native_body
from tests.fakes_edge import FakeRouting, fake_services


@pytest.fixture
def routing() -> FakeRouting:
    return FakeRouting()


@pytest.fixture
def services(routing: FakeRouting) -> Services:
    return fake_services(routing=routing)


async def test_a_chat_is_explained_as_its_answer_would_tell_it(client: httpx.AsyncClient, routing: FakeRouting) -> None:
    body = native_body(model="auto:cost", max_tokens=9, provider={"only": ["alpha"]})

    explained = (await client.post("/routing/explain", json=body)).json()
    answered = (await client.post("/chat", json=body)).json()

    assert explained["target"] == "alpha/alpha-1"
    assert explained["plan"] == ["alpha/alpha-1"]
    assert explained["routing"] == answered["routing"]
    assert explained["error"] is None
    assert routing.asked[0].preferences == Preferences(only=("alpha",))
    assert routing.asked[0].model == "auto:cost"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": "auto"}, "messages"),
        (native_body(provider={"order": []}), "provider.order"),
        (native_body(provider={"max_price": {"prompt": "x"}}), "provider.max_price.prompt"),
        (native_body(frob=1), "frob"),
    ],
)
async def test_a_wrong_body_is_a_422_with_the_field(
    client: httpx.AsyncClient, routing: FakeRouting, body: dict[str, Any], field: str
) -> None:
    error = error_of(await client.post("/routing/explain", json=body), 422, "caller_invalid_field")

    assert [wrong["field"] for wrong in error["errors"]] == [field]
    assert not routing.asked


async def test_the_strategy_is_read_and_changed(client: httpx.AsyncClient, routing: FakeRouting) -> None:
    assert (await client.get("/routing/strategy")).json()["strategy"] == "priority"

    changed = (await client.put("/routing/strategy", json={"strategy": "latency"})).json()

    since = "2026-11-20T12:00:00Z"
    said = {"strategy": "latency_aware", "source": "run_time", "since": since, "scope": "all", "workers": 1}
    assert changed == said
    assert routing.policy is PolicyName.LATENCY_AWARE

    taken_back = (await client.put("/routing/strategy", json={"strategy": None})).json()
    assert (taken_back["strategy"], taken_back["source"], taken_back["since"]) == ("priority", "configuration", None)


@pytest.mark.parametrize("body", [{}, {"strategy": "best"}, {"strategy": 1}, {"strategy": "cost", "more": 1}])
async def test_a_strategy_that_is_none_is_a_422(
    client: httpx.AsyncClient, routing: FakeRouting, body: dict[str, Any]
) -> None:
    error_of(await client.put("/routing/strategy", json=body), 422, "caller_invalid_field")
    assert routing.policy is PolicyName.PRIORITY


async def test_a_circuit_is_reset_for_a_provider_or_one_of_its_models(
    client: httpx.AsyncClient, routing: FakeRouting
) -> None:
    whole = await client.post("/providers/alpha/circuit/reset")
    await client.post("/providers/alpha/circuit/reset", json={"model": "alpha-1"})

    assert whole.json() == {"provider": "alpha", "targets": ["alpha-1"]}
    assert routing.reset == [("alpha", None), ("alpha", "alpha-1")]
    error_of(await client.post("/providers/nobody/circuit/reset"), 404, "caller_unknown_provider")
    error_of(await client.post("/providers/alpha/circuit/reset", json={"model": 1}), 422, "caller_invalid_field")


async def test_what_routing_did_is_told() -> None:
    async with client_of(fake_services(routing_stats=lambda: {"attempts": 3})) as client:
        assert (await client.get("/routing/stats")).json() == {"attempts": 3}


def test_explaining_is_reading() -> None:
    assert ACCESS[("POST", "/routing/explain")] is Scope.READ
