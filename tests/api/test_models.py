from __future__ import annotations

from typing import Any

import pytest

from app.domain.catalog import ModelFacts
from app.domain.listing import ListedName, ListedTarget, NameKind
from app.domain.target import Target
from tests.api.conftest import client_of
from tests.fakes_edge import fake_services


def _listing(*names: str) -> Any:
    async def models() -> dict[str, ListedName]:
        return {
            name: ListedName(name, NameKind.MODEL, (ListedTarget(Target("lab", name), ModelFacts(), None),))
            for name in names
        }

    return models


async def test_the_list_has_openais_fields_and_ours_beside_them() -> None:
    async with client_of(fake_services()) as client:
        listed = (await client.get("/v1/models")).json()

    assert listed["object"] == "list"
    model = next(one for one in listed["data"] if one["id"] == "alpha/alpha-1")
    assert {name: model[name] for name in ("object", "created", "owned_by")} == {
        "object": "model",
        "created": 0,
        "owned_by": "alpha",
    }
    assert (model["outcry"]["context_window"], model["outcry"]["capabilities"]) == (8_000, ["tools"])
    assert {one["id"]: one["outcry"]["kind"] for one in listed["data"]} == {
        "alpha/alpha-1": "model",
        "alpha-1": "model",
        "auto": "policy",
    }


@pytest.mark.parametrize("path", ["lab/org/model:8b", "lab%2Forg%2Fmodel%3A8b", "lab/org%2Fmodel:8b"])
async def test_an_id_may_hold_slashes_and_colons_escaped_or_not(path: str) -> None:
    async with client_of(fake_services(models=_listing("lab/org/model:8b"))) as client:
        response = await client.get(f"/v1/models/{path}")

    assert (response.status_code, response.json()["id"]) == (200, "lab/org/model:8b")


async def test_a_list_of_thousands_is_the_same_list() -> None:
    names = [f"lab/model-{n}" for n in range(1500)]
    async with client_of(fake_services(models=_listing(*names))) as client:
        listed = (await client.get("/v1/models")).json()

    assert [one["id"] for one in listed["data"]] == names
