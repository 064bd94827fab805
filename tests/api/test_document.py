"""The OpenAPI document describes every operation, with examples."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.api.access import ACCESS
from app.api.examples.native import DECISION_ANSWER
from app.decisions.wire import rendered
from tests.fakes_edge import DECISION


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/openapi.json")
    body: dict[str, Any] = response.json()
    return body


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    """Every described operation."""
    return {(method.upper(), path): o for path, item in document["paths"].items() for method, o in item.items()}


async def test_every_operation_is_described(document: dict[str, Any]) -> None:
    served = {(method, path.replace(":path}", "}")) for method, path in ACCESS} - {("GET", "/openapi.json")}

    assert set(operations(document)) == served


async def test_every_answer_and_every_body_has_an_example(document: dict[str, Any]) -> None:
    for name, operation in operations(document).items():
        bodies = [answer for status, answer in operation["responses"].items() if status not in ("204", "default")]
        assert all(answer["content"] for answer in bodies), name
        contents = [content for answer in bodies for content in answer["content"].values()]
        assert all("example" in content for content in contents), name
        if "requestBody" in operation:
            assert all("example" in content for content in operation["requestBody"]["content"].values()), name
        assert operation["summary"], name
        assert operation["responses"]["default"]["content"]["application/json"]["example"]["error"], name


async def test_the_example_of_a_decision_has_every_key_of_one() -> None:
    answered = rendered(DECISION)

    assert set(DECISION_ANSWER) == set(answered)
    assert set(DECISION_ANSWER["votes"][0]) == set(answered["votes"][0])
    assert set(DECISION_ANSWER["consensus"]) == set(answered["consensus"])


async def test_every_write_tells_which_body_it_takes(document: dict[str, Any]) -> None:
    writes = {name for name in operations(document) if name[0] in ("POST", "PUT", "PATCH")}

    bodies = {name for name, operation in operations(document).items() if "requestBody" in operation}

    assert writes - bodies == {("POST", "/admin/reload"), ("POST", "/experiments/{experiment_id}/stop")}


async def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    def follow(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                assert node["$ref"].removeprefix("#/components/schemas/") in schemas
            for value in node.values():
                follow(value)
        elif isinstance(node, list):
            for value in node:
                follow(value)

    follow(document)


async def test_the_examples_of_bodies_are_taken_by_the_service(
    client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    served = ("/v1/chat/completions", "/v1/responses", "/v1/embeddings", "/v1/messages", "/v1/messages/count_tokens")
    for name in (*served, "/chat", "/decisions", "/prompts/render", "/agents", "/tools"):
        content = document["paths"][name]["post"]["requestBody"]["content"]["application/json"]
        assert (await client.post(name, json=content["example"])).status_code in (200, 201), name
    config = document["paths"]["/agents/{agent_id}/llm-config"]["put"]["requestBody"]["content"]["application/json"]
    assert (await client.put("/agents/1/llm-config", json=config["example"])).status_code == 201
