"""OpenAI's embeddings wire: what is asked for, what comes back, and what is refused with which path."""

from __future__ import annotations

import base64
import struct
from typing import Any

import httpx
import pytest

from app.domain.embedding import Embeddings, EmbedRequest
from app.domain.errors import Code, RequestRejected
from tests.api.speaking import error_of
from tests.fakes_edge import FakeGateway

V1 = "/v1/embeddings"


def body(**more: Any) -> dict[str, Any]:
    """A body that is taken."""
    return {"model": "embed-1", "input": "hi", **more}


@pytest.mark.parametrize(
    ("stated", "inputs"),
    [
        ("hi", ["hi"]),
        (["hi", "ho"], ["hi", "ho"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        (["hi", [3]], ["hi", [3]]),
    ],
)
async def test_every_form_of_input_is_one_entry_per_vector(
    client: httpx.AsyncClient, gateway: FakeGateway, stated: Any, inputs: list[Any]
) -> None:
    response = await client.post(V1, json=body(input=stated, dimensions=2, user="u", encoding_format="float"))

    assert response.status_code == 200
    ask = gateway.asked[0]
    assert ask.request == EmbedRequest(inputs, {"dimensions": 2, "user": "u"})
    assert (ask.model, ask.route) == ("embed-1", "embeddings")


async def test_the_answer_is_openais_list_and_says_who_made_it(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.warnings = ("careful",)

    response = await client.post(V1, json=body())

    assert response.json() == {
        "object": "list",
        "data": [
            {"object": "embedding", "index": 0, "embedding": [0.5, -1.0]},
            {"object": "embedding", "index": 1, "embedding": [0.25, 2.0]},
        ],
        "model": "embed-1",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }
    assert response.headers["x-outcry-provider"] == "alpha"
    assert response.headers["x-outcry-attempts"] == "1"
    assert response.headers["x-outcry-cost-usd"] == "0.000123"
    assert response.headers["x-outcry-warnings"] == "careful"


async def test_base64_is_little_endian_float32(client: httpx.AsyncClient) -> None:
    first, second = (await client.post(V1, json=body(encoding_format="base64"))).json()["data"]

    assert struct.unpack("<2f", base64.b64decode(first["embedding"])) == (0.5, -1.0)
    assert struct.unpack("<2f", base64.b64decode(second["embedding"])) == (0.25, 2.0)


async def test_many_vectors_are_the_same_as_few(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.embeddings = Embeddings([[0.5] * 3_000] * 10, "embed-1")

    answer = (await client.post(V1, json=body(input=["x"] * 10))).json()

    assert [entry["index"] for entry in answer["data"]] == list(range(10))
    assert answer["data"][9]["embedding"] == [0.5] * 3_000


@pytest.mark.parametrize(
    ("wrong", "param"),
    [
        ({"input": "hi"}, "model"),
        ({"model": "m"}, "input"),
        (body(input=""), "input"),
        (body(input=[]), "input"),
        (body(input=7), "input"),
        (body(input={"text": "hi"}), "input"),
        (body(input=["hi", ""]), "input[1]"),
        (body(input=["hi", []]), "input[1]"),
        (body(input=["hi", None]), "input[1]"),
        (body(input=[1, "hi"]), "input[1]"),
        (body(input=[1, -1]), "input[1]"),
        (body(input=[1, True]), "input[1]"),
        (body(input=[[1], [2, 0.5]]), "input[1][1]"),
        (body(input=["x"] * 2_049), "input"),
        (body(dimensions=0), "dimensions"),
        (body(dimensions="many"), "dimensions"),
        (body(encoding_format="hex"), "encoding_format"),
        (body(encoding_format=["float"]), "encoding_format"),
        (body(user=7), "user"),
        (body(base_url="http://x"), "base_url"),
        (body(provider={"only": []}), "provider.only"),
    ],
)
async def test_what_is_wrong_is_a_400_that_names_it(
    client: httpx.AsyncClient, gateway: FakeGateway, wrong: dict[str, Any], param: str
) -> None:
    response = await client.post(V1, json=wrong)

    assert response.status_code == 400
    assert response.json()["error"]["param"] == param
    assert gateway.asked == []


async def test_as_many_inputs_as_openai_takes_are_taken(client: httpx.AsyncClient) -> None:
    assert (await client.post(V1, json=body(input=["x"] * 2_048))).status_code == 200
    assert (await client.post(V1, json=body(input=[1] * 4_000))).status_code == 200


async def test_a_request_that_no_provider_can_do_is_a_400(client: httpx.AsyncClient, gateway: FakeGateway) -> None:
    gateway.before = RequestRejected(Code.UNSUPPORTED_PARAMETER, "no target can do this", param="model")

    error = error_of(await client.post(V1, json=body()), 400, "caller_unsupported_parameter")

    assert error["param"] == "model"
