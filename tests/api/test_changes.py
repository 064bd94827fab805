"""Who changed what, over HTTP: what is asked for, and how an entry is told."""

from __future__ import annotations

import httpx
import pytest

from app.domain.audit import Change, Kind
from app.services import Services
from tests.fakes_edge import FakeChanges, fake_services


@pytest.fixture
def record() -> FakeChanges:
    return FakeChanges()


@pytest.fixture
def services(record: FakeChanges) -> Services:
    return fake_services(changes=record)


async def test_without_a_filter_changes_and_erasures_are_asked_for(
    client: httpx.AsyncClient, record: FakeChanges
) -> None:
    assert (await client.get("/audit/changes")).json() == {"items": [], "next": None}
    await client.get("/audit/changes", params={"subject": "agent:7", "kind": "erasure", "limit": 3})

    assert record.asked == [
        {"limit": 50, "cursor": None, "subject": None, "kinds": [Kind.CHANGE, Kind.ERASURE]},
        {"limit": 3, "cursor": None, "subject": "agent:7", "kinds": [Kind.ERASURE]},
    ]


async def test_an_entry_is_told_whole_also_where_its_payload_is_gone(
    client: httpx.AsyncClient, record: FakeChanges
) -> None:
    record.rows.append(Change("c", 2, "2026-11-20T14:15:00.000000Z", Kind.CHANGE, "agent:7", "0a1b2c3d", "5f" * 32))

    (told,) = (await client.get("/audit/changes")).json()["items"]

    assert (told["kind"], told["subject"], told["by"], told["seq"]) == ("change", "agent:7", "0a1b2c3d", 2)
    assert (told["what"], told["before"], told["after"]) == (None, None, None)
