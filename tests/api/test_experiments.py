"""Experiments over HTTP: what is begun is told back, wrong bodies name their fields, arms stand side by side."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.api.speaking import error_of

ARMS = [{"name": "a", "share": 0.8, "config_id": 1}, {"name": "b", "share": 0.2, "config_id": 2}]
BODY: dict[str, Any] = {"name": "a against b", "agent_id": 7, "arms": ARMS, "sticky_by": "symbol"}


async def test_an_experiment_is_begun_read_stopped_and_deleted(client: httpx.AsyncClient) -> None:
    made = await client.post("/experiments", json=BODY)
    listed = await client.get("/experiments", params={"agent_id": 7})

    assert made.status_code == 201
    assert listed.json()["items"] == [made.json()]
    assert made.json()["status"] == "running"
    assert made.json()["applies_to"] == ["chat", "decisions"]
    assert [arm["share"] for arm in made.json()["arms"]] == [0.8, 0.2]
    path = f"/experiments/{made.json()['id']}"
    stopped = await client.post(f"{path}/stop")
    assert (stopped.status_code, stopped.json()["status"], stopped.json()["stopped_by"]) == (200, "stopped", "local")
    assert (await client.delete(path)).status_code == 204
    for gone in (await client.get(path), await client.post(f"{path}/stop"), await client.delete(path)):
        error_of(gone, 404, "caller_not_found")


async def test_it_tells_every_figure_and_no_winner_where_nothing_was_counted(client: httpx.AsyncClient) -> None:
    made = (await client.post("/experiments", json=BODY)).json()

    told = (await client.get(f"/experiments/{made['id']}")).json()

    decisions, chat = (told["arms"][0]["results"][name] for name in ("decisions", "chat"))
    assert decisions["hit_rate"] == {"votes": 0, "rate": None, "interval": [0.0, 1.0]}
    assert (decisions["cost_usd"], decisions["cost_per_decision_usd"]["mean"]) == ("0", None)
    assert chat["answered"] == {"requests": 0, "rate": None, "interval": [0.0, 1.0]}
    assert (told["comparison"]["baseline"], told["comparison"]["comparisons"]) == ("a", 7)
    assert {row["verdict"] for row in told["comparison"]["rows"]} == {"insufficient data"}
    assert told["shadows"] == []


async def test_an_arm_that_changes_the_prompt_is_for_decisions_alone(client: httpx.AsyncClient) -> None:
    arms = [{"name": "en", "share": 0.5}, {"name": "de", "share": 0.5, "language": "de", "template": "no_regime"}]

    made = await client.post("/experiments", json=BODY | {"arms": arms})

    assert made.json()["applies_to"] == ["decisions"]
    assert made.json()["arms"][1] | {"name": "de"} == made.json()["arms"][1]
    error_of(await client.post("/experiments", json=BODY | {"arms": arms}), 409, "caller_conflict")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"arms": []}, "arms"),
        ({"arms": [ARMS[0], ARMS[1] | {"share": 0.3}]}, "arms"),
        ({"arms": [ARMS[0], ARMS[1] | {"share": "0.2"}]}, "arms[1].share"),
        ({"arms": [ARMS[0], ARMS[1] | {"share": 1e300}]}, "arms[1].share"),
        ({"arms": [ARMS[0], ARMS[1] | {"name": "../b"}]}, "arms[1].name"),
        ({"arms": [ARMS[0], ARMS[1] | {"template": "mine"}]}, "arms[1].template"),
        ({"arms": [ARMS[0], ARMS[1] | {"config_id": 2**40}]}, "arms[1].config_id"),
        ({"arms": [ARMS[0], ARMS[1] | {"api_key": "sk-x"}]}, "arms[1].api_key"),
        ({"agent_id": 8}, "agent_id"),
        ({"applies_to": ["moon"]}, "applies_to[0]"),
        ({"applies_to": ["chat", "chat"]}, "applies_to"),
        ({"sticky_by": "metadata.a b"}, "sticky_by"),
        ({"shadow": ["nobody/x"], "applies_to": ["decisions"]}, "shadow[0]"),
        ({"shadow": ["alpha"] * 9}, "shadow"),
        ({"name": " "}, "name"),
    ],
)
async def test_a_wrong_body_names_its_field(client: httpx.AsyncClient, changes: dict[str, Any], field: str) -> None:
    answer = await client.post("/experiments", json=BODY | changes)

    error = error_of(answer, 422, "caller_invalid_field")
    assert field in [one["field"] for one in error["errors"]]
    assert "sk-x" not in answer.text


@pytest.mark.parametrize("path", ["/experiments/exp_nobody", "/experiments/" + "x" * 65])
async def test_what_is_no_experiment_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code in (404, 422)
