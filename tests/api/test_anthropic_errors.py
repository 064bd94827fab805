"""Every error under /v1/messages has Anthropic's shape and words, whoever raised it."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from app.api.anthropic_errors import TYPE_OF_STATUS, anthropic_error, is_anthropic
from app.domain.caller import Scope
from app.domain.errors import CONSEQUENCES, Code, NotFound, OutcryError, RequestRejected, Violation
from app.services import GatewayKey
from tests.api.conftest import client_of
from tests.fakes_edge import FakeGateway, fake_services

BODY: dict[str, Any] = {"model": "auto", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
READER = "key-for-reading-0123456789"


def told(response: httpx.Response, status: int, type_: str, code: str) -> dict[str, Any]:
    """The error of an answer, which must be this one in Anthropic's shape."""
    body = response.json()
    assert response.status_code == status, body
    assert body.keys() == {"type", "error", "request_id"}
    assert (body["type"], body["error"]["type"], body["error"]["code"]) == ("error", type_, code)
    assert body["request_id"] == response.headers["request-id"] == response.headers["x-request-id"]
    error: dict[str, Any] = body["error"]
    return error


def test_every_status_of_ours_has_a_word_of_anthropics() -> None:
    assert {consequence.status for consequence in CONSEQUENCES.values()} == set(TYPE_OF_STATUS)


@pytest.mark.parametrize(
    ("path", "is_theirs"),
    [
        ("/v1/messages", True),
        ("/v1/messages/count_tokens", True),
        ("/v1/messages/", True),
        ("/v1/messagesx", False),
        ("/v1/chat/completions", False),
    ],
)
def test_the_path_says_which_wire_is_spoken(path: str, is_theirs: bool) -> None:
    assert is_anthropic(path) is is_theirs


async def test_what_the_edge_refuses_before_any_route_has_the_shape_too(client: httpx.AsyncClient) -> None:
    told(await client.get("/v1/messages"), 405, "invalid_request_error", "caller_method_not_allowed")
    told(await client.post("/v1/messages/batches"), 404, "not_found_error", "caller_not_found")
    told(await client.post("/v1/messages", content=b"{"), 400, "invalid_request_error", "caller_invalid_json")
    large = b'{"model": "' + b"x" * (10 * 1024 * 1024) + b'"}'
    told(await client.post("/v1/messages", content=large), 413, "request_too_large", "caller_too_large")
    headers = {"x-outcry-policy": "cheapest"}
    refused = await client.post("/v1/messages", json=BODY, headers=headers)
    assert told(refused, 400, "invalid_request_error", "caller_invalid_header")["param"] == "x-outcry-policy"
    assert (await client.get("/v1/messages")).headers["allow"] == "POST"


async def test_a_stranger_is_told_in_the_shape_too() -> None:
    keys = (GatewayKey.of(SecretStr(READER), frozenset({Scope.READ})),)
    async with client_of(fake_services(keys=keys)) as client:
        nobody = await client.post("/v1/messages", json=BODY)
        reader = await client.post("/v1/messages", json=BODY, headers={"authorization": f"Bearer {READER}"})

    told(nobody, 401, "authentication_error", "caller_unauthenticated")
    told(reader, 403, "permission_error", "caller_not_permitted")


@pytest.mark.parametrize(
    ("error", "status", "type_"),
    [
        (NotFound("no model is named x", code=Code.MODEL_NOT_FOUND, param="model"), 404, "not_found_error"),
        (OutcryError(Code.BUDGET_EXCEEDED, "spent"), 402, "billing_error"),
        (OutcryError(Code.RATE_LIMIT, "slow"), 429, "rate_limit_error"),
        (OutcryError(Code.PROVIDER_ERROR, "alpha 500: x"), 502, "api_error"),
        (OutcryError(Code.PROVIDER_OVERLOADED, "alpha 529: x"), 503, "overloaded_error"),
        (OutcryError(Code.DEADLINE_EXCEEDED, "late"), 504, "timeout_error"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("streams", [False, True])
async def test_what_the_gateway_refuses_has_anthropics_words(
    client: httpx.AsyncClient,
    gateway: FakeGateway,
    error: OutcryError,
    status: int,
    type_: str,
    path: str,
    streams: bool,
) -> None:
    gateway.before = error

    response = await client.post(path, json=BODY | {"stream": streams})

    assert told(response, status, type_, error.code.value)["message"] == error.message


async def test_a_bug_of_ours_has_the_shape_too(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.before = ZeroDivisionError("x")

    told(await client.post("/v1/messages", json=BODY), 500, "api_error", "gateway_internal")


async def test_the_other_wires_keep_their_own_shape(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/chat/completions", content=b"{")

    assert response.json().keys() == {"error", "request_id"}
    assert "request-id" not in response.headers


def test_lone_surrogates_are_no_bug() -> None:
    error = RequestRejected(Code.INVALID_REQUEST, "a\udc00b", param="\udc00", violations=[Violation("\udc00", "x")])
    told_so = orjson.loads(anthropic_error(error, "req_1"))
    assert told_so["error"]["message"] == "a?b"
