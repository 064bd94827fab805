"""Agents over HTTP: absent is not null, and a key goes in and never comes out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from app.agents.changes import UNSET
from tests.api.speaking import error_of
from tests.fakes_edge import FakeAgents

KEY = "sk-canary-0123456789"
CONFIG = {
    "provider": "alpha",
    "model_name": "alpha-1",
    "temperature": 0.7,
    "max_tokens": 500,
    "top_p": None,
    "api_key": KEY,
    "fallback_provider": "beta",
    "fallback_model": "beta-1",
    "enabled": True,
    "metadata": {},
}


@pytest.fixture
async def agent(client: httpx.AsyncClient) -> str:
    """The path of an agent."""
    return f"/agents/{(await client.post('/agents', json={'name': 'btc-5m'})).json()['id']}"


async def test_an_agent_is_made_read_changed_and_deleted(client: httpx.AsyncClient) -> None:
    made = await client.post("/agents", json={"name": "btc-5m", "metadata": {"desk": 1}})
    changed = await client.patch("/agents/1", json={"enabled": False})
    gone = await client.delete("/agents/1")

    assert made.status_code == 201
    assert made.json() == {
        "id": 1,
        "name": "btc-5m",
        "description": None,
        "metadata": {"desk": 1},
        "enabled": True,
        "created_at": "2026-11-20T14:15:00Z",
        "updated_at": "2026-11-20T14:15:00Z",
    }
    assert changed.json()["enabled"] is False
    assert changed.json()["name"] == "btc-5m"
    assert gone.status_code == 204
    error_of(await client.get("/agents/1"), 404, "caller_unknown_agent")


async def test_a_list_pages_to_its_end(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.post("/agents", json={"name": f"agent {number}"})

    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get("/agents", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]

    assert seen == [1, 2, 3, 4, 5]


async def test_the_primary_configuration_is_created_then_replaced(client: httpx.AsyncClient, agent: str) -> None:
    first = await client.put(f"{agent}/llm-config", json=CONFIG)
    second = await client.put(f"{agent}/llm-config", json=CONFIG)

    assert (first.status_code, second.status_code) == (201, 200)
    body = first.json()
    assert (body["has_api_key"], body["api_key_hint"]) == (True, "sk-…4f2a")
    assert "api_key" not in body
    whole = await client.get(f"{agent}/llm-config")
    assert whole.json() == {"agent_id": 1, "primary": second.json(), "configs": [second.json()]}


async def test_a_key_comes_out_of_no_answer(client: httpx.AsyncClient, agent: str, agents: FakeAgents) -> None:
    answers = [
        await client.put(f"{agent}/llm-config", json=CONFIG),
        await client.put(f"{agent}/llm-config", json=CONFIG | {"temperature": "hot"}),
        await client.put(f"{agent}/llm-config", json=CONFIG | {"api_key": f"{KEY} \n"}),
        await client.put(f"{agent}/llm-config", json=CONFIG | {"api_key": [KEY]}),
        await client.post("/chat", json={"messages": [], "api_key": KEY}),
        await client.get(f"{agent}/llm-config"),
    ]

    assert [answer.status_code for answer in answers] == [201, 422, 422, 422, 422, 200]
    assert KEY not in "".join(answer.text + str(answer.headers) for answer in answers)
    assert KEY not in repr(agents.changes)
    change = agents.changes[0]
    assert change is not None
    assert change.api_key == SecretStr(KEY)


async def test_absent_is_unset_and_null_is_null(client: httpx.AsyncClient, agent: str, agents: FakeAgents) -> None:
    await client.put(f"{agent}/llm-config", json=CONFIG)
    await client.patch(f"{agent}/llm-config/1", json={"temperature": None, "cost_per_1k_input_tokens": 0.1})
    await client.patch(f"{agent}/llm-config/1", json={"api_key": None, "cost_per_1k_input_tokens": "0.25"})

    _, first, second = agents.changes
    assert first is not None
    assert second is not None
    assert (first.temperature, first.api_key, first.provider) == (None, UNSET, UNSET)
    assert first.cost_per_1k_input_tokens == Decimal("0.1")
    assert (second.temperature, second.api_key) == (UNSET, None)
    assert second.cost_per_1k_input_tokens == Decimal("0.25")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"temperature": 3}, "temperature"),
        ({"temperature": "0.7"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"top_p": -0.1}, "top_p"),
        ({"provider": None}, "provider"),
        ({"model_name": ""}, "model_name"),
        ({"api_key": ""}, "api_key"),
        ({"api_key": "naïve"}, "api_key"),
        ({"cost_per_1k_input_tokens": -1}, "cost_per_1k_input_tokens"),
        ({"cost_per_1k_input_tokens": "much"}, "cost_per_1k_input_tokens"),
        ({"cost_per_1k_input_tokens": "NaN"}, "cost_per_1k_input_tokens"),
        ({"cost_per_1k_input_tokens": "Infinity"}, "cost_per_1k_input_tokens"),
        ({"cost_per_1k_input_tokens": True}, "cost_per_1k_input_tokens"),
        ({"priority": 2**40}, "priority"),
        ({"has_api_key": True}, "has_api_key"),
        ({"base_url": "http://127.0.0.1"}, "base_url"),
    ],
)
async def test_a_wrong_configuration_is_a_422_that_names_the_field(
    client: httpx.AsyncClient, agent: str, change: dict[str, Any], field: str
) -> None:
    for answer in (
        await client.put(f"{agent}/llm-config", json=CONFIG | change),
        await client.patch(f"{agent}/llm-config/1", json=change),
    ):
        error = error_of(answer, 422, "caller_invalid_field")
        assert [wrong["field"] for wrong in error["errors"]] == [field]


async def test_a_configuration_is_tried_as_stored_or_as_sent(
    client: httpx.AsyncClient, agent: str, agents: FakeAgents
) -> None:
    stored = await client.post(f"{agent}/llm-config/validate")
    empty = await client.post(f"{agent}/llm-config/validate", json={})
    sent = await client.post(f"{agent}/llm-config/validate", json=CONFIG)

    assert stored.json() == empty.json() == sent.json() == {"ok": True}
    assert agents.changes[:2] == [None, None]
    change = agents.changes[2]
    assert change is not None
    assert change.provider == "alpha"


async def test_configurations_are_added_and_deleted(client: httpx.AsyncClient, agent: str) -> None:
    await client.put(f"{agent}/llm-config", json=CONFIG)
    added = await client.post(f"{agent}/llm-config", json=CONFIG)
    deleted = await client.delete(f"{agent}/llm-config/{added.json()['id']}")

    assert (added.status_code, deleted.status_code) == (201, 204)
    assert len((await client.get(f"{agent}/llm-config")).json()["configs"]) == 1


@pytest.mark.parametrize("raw", [b"", b"{", b'{"name": "\\u0000"}', b'{"name": "a", "name": "b"}'])
async def test_an_unreadable_agent_is_a_400(client: httpx.AsyncClient, raw: bytes) -> None:
    error_of(await client.post("/agents", content=raw), 400, "caller_invalid_json")
