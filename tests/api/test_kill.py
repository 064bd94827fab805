"""The kill switch over HTTP: what is taken, what is told, what is refused."""

from __future__ import annotations

import httpx
import pytest

from app.domain.errors import StorageUnavailable
from app.gateway.kills import KillSwitch
from app.services import Services
from tests.api.speaking import error_of
from tests.fakes_edge import THEN, FakeKills, fake_services


@pytest.fixture
def stored() -> FakeKills:
    return FakeKills()


@pytest.fixture
def services(stored: FakeKills) -> Services:
    return fake_services(kills=KillSwitch(stored, lambda _: None, lambda: THEN))


async def test_a_stop_is_told_with_its_reason_its_time_and_whose_it_is(client: httpx.AsyncClient) -> None:
    stopped = (await client.post("/admin/kill", json={"scope": "agent:7", "reason": " drawdown "})).json()

    row = {"scope": "agent:7", "reason": "drawdown", "since": "2026-11-20T14:15:00Z", "by": "local"}
    assert stopped == {"stopped": [row]}
    told = (await client.get("/admin/kill")).json()
    assert told["stopped"] == [row]
    assert [event["action"] for event in told["history"]] == ["kill"]
    assert (await client.post("/admin/resume", json={"scope": "agent:7"})).json() == {"stopped": []}
    assert (await client.post("/admin/resume", json={"scope": "agent:7"})).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scope": "everything", "reason": "x"}, "scope"),
        ({"scope": "agent:0", "reason": "x"}, "scope"),
        ({"scope": "agent:seven", "reason": "x"}, "scope"),
        ({"scope": "model:alpha-1", "reason": "x"}, "scope"),
        ({"scope": "model:nobody/alpha-1", "reason": "x"}, "scope"),
        ({"scope": "model:alpha/alpha-11", "reason": "x"}, "scope"),
        ({"scope": "model:openai/alpha-l", "reason": "x"}, "scope"),
        ({"scope": "all", "reason": "   "}, "reason"),
        ({"scope": "all"}, "reason"),
        ({"scope": "all", "reason": "x", "until": "noon"}, "until"),
    ],
)
async def test_a_stop_that_would_stop_nothing_is_refused_by_field(
    client: httpx.AsyncClient, stored: FakeKills, body: dict[str, str], field: str
) -> None:
    refused = await client.post("/admin/kill", json=body)

    assert field in str(error_of(refused, 422, "caller_invalid_field"))
    assert stored.rows == {}


async def test_models_are_stopped_by_the_providers_name_or_its_type(client: httpx.AsyncClient) -> None:
    for provider in ("alpha", "openai"):
        answer = await client.post("/admin/kill", json={"scope": f"model:{provider}/alpha-1", "reason": "x"})
        assert answer.status_code == 200, answer.text


async def test_a_misspelt_model_hears_the_closest_and_one_on_no_list_is_stopped_by_saying_so(
    client: httpx.AsyncClient, services: Services
) -> None:
    body = {"scope": "model:alpha/alpha-11", "reason": "x"}

    error = error_of(await client.post("/admin/kill", json=body), 422, "caller_invalid_field")
    assert "closest: alpha/alpha-1;" in error["errors"][0]["message"]
    assert not services.kills.stopped()

    assert (await client.post("/admin/kill", json={**body, "unlisted": True})).status_code == 200
    assert [kill.scope for kill in services.kills.stopped()] == ["model:alpha/alpha-11"]


async def test_without_the_database_the_answer_is_a_503_and_the_stop_holds(
    client: httpx.AsyncClient, stored: FakeKills, services: Services
) -> None:
    stored.error = StorageUnavailable("the database is away")

    refused = await client.post("/admin/kill", json={"scope": "all", "reason": "now"})

    error_of(refused, 503, "gateway_storage_unavailable")
    assert [kill.scope for kill in services.kills.stopped()] == ["all"]
