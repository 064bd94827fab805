"""Conversations over HTTP: a header, a field or a cache key keeps them at one target."""

from __future__ import annotations

from typing import Any

import pytest

from tests.behaviours import Answer, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, provider
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def upstreams(upstream_once: StartUpstream) -> dict[str, Upstream]:
    return {name: upstream_once(Answer(f"by {name}")) for name in ("one", "two", "three")}


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstreams: dict[str, Upstream]) -> Service:
    providers = [provider(name, upstream, models=["m"]) for name, upstream in upstreams.items()]
    service: Service = start_once(config={"providers": providers, "failover_strategy": "round_robin"})
    return service


WAYS: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("/v1/chat/completions", {"messages": HELLO}, {"x-outcry-conversation": "desk 7"}),
    ("/v1/chat/completions", {"messages": HELLO, "prompt_cache_key": "desk"}, {}),
    ("/v1/responses", {"input": "hello", "prompt_cache_key": "desk"}, {}),
    ("/v1/messages", {"messages": HELLO, "max_tokens": 9}, {"x-outcry-conversation": "desk 7"}),
    ("/chat", {"messages": HELLO, "conversation_id": "desk"}, {}),
    ("/chat", {"messages": HELLO}, {"x-outcry-conversation": "desk 7"}),
]


@pytest.mark.parametrize(("path", "body", "headers"), WAYS)
def test_a_conversation_stays_and_requests_without_one_take_turns(
    gateway: Service, path: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    def asked(body: dict[str, Any], headers: dict[str, str]) -> str:
        response = gateway.client.post(path, json={"model": "m", **body}, headers=headers)
        assert response.status_code == 200, response.text
        return response.headers["x-outcry-provider"]

    unnamed = {name: value for name, value in body.items() if name not in ("prompt_cache_key", "conversation_id")}

    assert len({asked(body, headers) for _ in range(4)}) == 1
    assert len({asked(unnamed, {}) for _ in range(3)}) == 3


def test_a_conversation_moves_with_its_failing_target_and_explain_says_why_it_stays(
    gateway: Service, upstreams: dict[str, Upstream]
) -> None:
    body = {"model": "m", "messages": HELLO, "conversation_id": "moving"}
    first = gateway.client.post("/chat", json=body).json()["provider"]
    explained = gateway.client.post("/routing/explain", json=body).json()
    assert explained["target"] == f"{first}/m"
    assert explained["routing"]["reason"].startswith("the one that answered this conversation last")

    upstreams[first].behave(Status(500))
    second = gateway.client.post("/chat", json=body).json()["provider"]
    upstreams[first].behave(Answer("back"))

    assert second != first
    assert gateway.client.post("/chat", json=body).json()["provider"] == second


@pytest.mark.parametrize("name", ["", "x" * 129, "caf\u00e9"])
def test_a_name_that_is_none_is_refused_by_its_field(gateway: Service, name: str) -> None:
    headers = {b"x-outcry-conversation": name.encode()}
    said = gateway.client.post("/v1/chat/completions", json={"model": "m", "messages": HELLO}, headers=headers)
    assert error_of(said, 400, "caller_invalid_header")["param"] == "x-outcry-conversation"

    field = gateway.client.post("/chat", json={"messages": HELLO, "conversation_id": name})
    error = error_of(field, 422, "caller_invalid_field")
    assert [wrong["field"] for wrong in error["errors"]] == ["conversation_id"]
