"""The conformance suite over HTTP: one report, or its progress as events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.domain.caller import Scope
from app.services import GatewayKey, Services
from tests.api.conftest import client_of, serving
from tests.fakes_edge import FakeConformance, fake_services


@pytest.fixture
def suite() -> FakeConformance:
    return FakeConformance()


@pytest.fixture
def services(suite: FakeConformance) -> Services:
    return fake_services(conformance=suite)


async def test_without_a_body_every_check_runs_with_the_default_model(
    client: httpx.AsyncClient, suite: FakeConformance
) -> None:
    response = await client.post("/providers/alpha/test")

    assert response.status_code == 200, response.text
    report = response.json()
    assert (report["provider"], report["status"], report["cost_usd"]) == ("alpha", "passed", "0.002")
    assert [check["name"] for check in report["checks"]] == ["chat", "tools"]
    assert (suite.asked[0]["model"], suite.asked[0]["checks"]) == (None, None)
    assert suite.asked[0]["request_id"] == response.headers["x-request-id"]


async def test_model_and_checks_are_handed_on(client: httpx.AsyncClient, suite: FakeConformance) -> None:
    await client.post("/providers/alpha/test", json={"model": "alpha-2", "checks": ["chat"]})

    assert (suite.asked[0]["model"], suite.asked[0]["checks"]) == ("alpha-2", ["chat"])


async def test_a_stream_shows_each_check_and_then_the_report(client: httpx.AsyncClient) -> None:
    response = await client.post("/providers/alpha/test", json={"stream": True})

    assert response.headers["content-type"].startswith("text/event-stream")
    events: list[tuple[str, Any]] = []
    for block in response.text.strip().split("\n\n"):
        name, content = block.split("\n", 1)
        events.append((name.removeprefix("event: "), json.loads(content.removeprefix("data: "))))
    assert [name for name, _ in events] == ["check", "check", "report"]
    assert events[0][1]["name"] == "chat"
    assert events[-1][1]["summary"] == {"passed": 2, "failed": 0, "skipped": 0}


@pytest.mark.parametrize("body", [{}, {"stream": True}])
async def test_an_unknown_provider_is_a_404(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    response = await client.post("/providers/nobody/test", json=body)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "caller_unknown_provider"


async def test_a_wrong_body_names_every_wrong_field(client: httpx.AsyncClient) -> None:
    response = await client.post("/providers/alpha/test", json={"checks": [], "stream": "yes", "tempo": 1})

    assert response.status_code == 422
    assert {each["field"] for each in response.json()["error"]["errors"]} == {"checks", "stream", "tempo"}


async def test_only_an_administrator_may_spend_money_on_a_test(suite: FakeConformance) -> None:
    key = SecretStr("a-reading-key-0123456789")
    services = fake_services(conformance=suite, keys=(GatewayKey.of(key, frozenset({Scope.READ, Scope.CHAT})),))

    async with client_of(services, headers={"x-api-key": key.get_secret_value()}) as client:
        response = await client.post("/providers/alpha/test")

    assert response.status_code == 403
    assert suite.asked == []


@pytest.mark.parametrize("stream", [True, False])
async def test_a_caller_who_leaves_ends_the_suite(suite: FakeConformance, services: Services, stream: bool) -> None:
    suite.hangs = True

    async with serving(services) as url, httpx.AsyncClient(trust_env=False) as client:
        asking = asyncio.create_task(client.post(f"{url}/providers/alpha/test", json={"stream": stream}))
        async with asyncio.timeout(5):
            while not suite.asked:
                await asyncio.sleep(0)
            asking.cancel()
            while not suite.closed:
                await asyncio.sleep(0)

    assert suite.closed == 1
