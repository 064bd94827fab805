"""Registered tools over HTTP: a secret goes in and never comes out, a chat may name what is registered."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.domain.tools import ToolCallStatus, ToolFailure
from app.services import Services
from tests.api.speaking import error_of, native_body
from tests.fakes_edge import FakeGateway
from tests.fakes_tools import SCHEMA, FakeTools, called

SECRET = "Bearer canary-0123456789"
BODY: dict[str, Any] = {
    "name": "get_price",
    "description": "a price",
    "parameters": SCHEMA,
    "url": "https://tools.test/x",
    "timeout_ms": 2500,
    "headers": {"authorization": SECRET},
}


@pytest.fixture
def tools(services: Services) -> FakeTools:
    assert isinstance(services.tools, FakeTools)
    return services.tools


async def test_a_tool_is_registered_and_its_secret_never_comes_out(client: httpx.AsyncClient, tools: FakeTools) -> None:
    made = await client.post("/tools", json=BODY)
    read = await client.get("/tools/get_price")
    listed = await client.get("/tools")

    assert made.status_code == 201
    assert made.json() == read.json() == listed.json()["items"][0]
    assert (read.json()["header_names"], read.json()["timeout_ms"]) == (["authorization"], 2500)
    assert "canary" not in made.text + read.text + listed.text
    assert tools.tools["get_price"].headers["authorization"].get_secret_value() == SECRET
    assert tools.tools["get_price"].timeout == 2.5


async def test_tools_come_in_pages(client: httpx.AsyncClient) -> None:
    for name in ("a", "b", "c"):
        await client.post("/tools", json={**BODY, "name": name})

    first = (await client.get("/tools", params={"limit": 2})).json()
    rest = (await client.get("/tools", params={"limit": 2, "cursor": first["next"]})).json()

    assert [one["name"] for one in (*first["items"], *rest["items"])] == ["a", "b", "c"]
    assert rest["next"] is None


async def test_a_second_tool_of_a_name_is_a_conflict_and_a_deleted_one_is_gone(client: httpx.AsyncClient) -> None:
    await client.post("/tools", json=BODY)

    error_of(await client.post("/tools", json=BODY), 409, "caller_conflict")
    assert (await client.delete("/tools/get_price")).status_code == 204
    error_of(await client.get("/tools/get_price"), 404, "caller_not_found")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "a b"}, "name"),
        ({"name": "get_price\n"}, "name"),
        ({"parameters": []}, "parameters"),
        ({"timeout_ms": 120_001}, "timeout_ms"),
        ({"headers": {"a": 1}}, "headers.a"),
        ({"headers": {f"h{n}": "x" for n in range(17)}}, "headers"),
        ({"method": "GET"}, "method"),
    ],
)
async def test_a_wrong_field_is_named(client: httpx.AsyncClient, change: dict[str, Any], field: str) -> None:
    error = error_of(await client.post("/tools", json={**BODY, **change}), 422, "caller_invalid_field")

    assert [wrong["field"] for wrong in error["errors"]] == [field]
    assert "canary" not in str(error)


async def test_calls_on_record_are_listed(client: httpx.AsyncClient, tools: FakeTools) -> None:
    await client.post("/tools", json=BODY)
    tools.made.append(called(status=ToolCallStatus.FAILED, code=ToolFailure.ERROR, http_status=500, message="broke"))

    [item] = (await client.get("/tools/get_price/calls")).json()["items"]

    assert (item["name"], item["status"], item["code"], item["http_status"]) == (
        "get_price",
        "failed",
        "tool_error",
        500,
    )
    assert (item["message"], item["latency_ms"], item["request_id"]) == ("broke", 250.0, "req-1")


async def test_a_named_tool_reaches_the_model_as_a_function(
    client: httpx.AsyncClient, gateway: FakeGateway, tools: FakeTools
) -> None:
    await client.post("/tools", json=BODY)
    tools.made.append(called())
    own = {"type": "function", "function": {"name": "place_order"}}

    answer = (await client.post("/chat", json=native_body(tools=["get_price", own]))).json()

    offered = gateway.asked[0].chat.parameters["tools"]
    assert [one["function"]["name"] for one in offered] == ["get_price", "place_order"]
    assert offered[0]["function"]["parameters"] == SCHEMA
    assert answer["tool_calls_made"] == [
        {
            "round": 1,
            "name": "get_price",
            "call_id": "call_1",
            "status": "ok",
            "http_status": 200,
            "latency_ms": 250.0,
            "code": None,
        }
    ]


async def test_a_stream_tells_of_each_call_once(client: httpx.AsyncClient, tools: FakeTools) -> None:
    await client.post("/tools", json=BODY)
    tools.made += [called(), replace(called(), call_id="call_2")]

    text = (await client.post("/chat", json=native_body(tools=["get_price"], stream=True))).text

    assert text.count("event: tool\n") == 2
    assert text.index("event: start") < text.index("event: tool") < text.index("event: delta")


async def test_every_wrong_name_is_told_with_everything_else_that_is_wrong(client: httpx.AsyncClient) -> None:
    await client.post("/tools", json=BODY)
    own = {"type": "function", "function": {"name": "get_price"}}

    error = error_of(
        await client.post("/chat", json=native_body(tools=["nothing", "get_price", own], temperature=9)),
        422,
        "caller_invalid_field",
    )

    assert [wrong["field"] for wrong in error["errors"]] == ["temperature", "tools[0]", "tools[1]"]


async def test_the_openai_wire_takes_no_names(client: httpx.AsyncClient) -> None:
    await client.post("/tools", json=BODY)
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}], "tools": ["get_price"]}

    error_of(await client.post("/v1/chat/completions", json=body), 400, "caller_invalid_request")
