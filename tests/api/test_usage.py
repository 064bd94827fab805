"""Usage over HTTP: filters, summaries, projections, and exports that are whole or visibly cut."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import httpx
import pytest

from app.domain.usage_query import UsageFilter
from tests.api.conftest import client_of, serving
from tests.fakes_edge import FakeUsage, fake_services

EXPORT = "/usage/export"


@pytest.fixture
def usage() -> FakeUsage:
    return FakeUsage()


@pytest.fixture
def reader(usage: FakeUsage) -> httpx.AsyncClient:
    return client_of(fake_services(usage=usage))


async def test_every_filter_reaches_the_record(reader: httpx.AsyncClient, usage: FakeUsage) -> None:
    query = {
        "since": "2026-11-20T12:00:00+02:00", "until": "2026-11-21T00:00:00Z", "model": "m", "provider": "p",
        "agent": "7", "key": "local", "route": "chat", "symbol": "BTC/USDT", "strategy": "s", "outcome": "error",
        "code": "provider_error", "request_id": "r", "decision_id": "d",
    }  # fmt: skip

    for path in ("/usage", "/usage/summary", EXPORT):
        assert (await reader.get(path, params=query)).status_code == 200

    wanted = UsageFilter(
        datetime(2026, 11, 20, 10, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC), "m", "p", 7, "local", "chat",
        "BTC/USDT", "s", "error", "provider_error", "r", "d",
    )  # fmt: skip
    assert {asked["wanted"] for asked in usage.asked} == {wanted}


@pytest.mark.parametrize("path", ["/usage", "/usage/summary", EXPORT])
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"until": "0001-01-01T00:00:00+10:00"}, "until"),
        ({"since": "2026-11-21T00:00:00Z", "until": "2026-11-20T00:00:00Z"}, "since"),
        ({"agent": "seven"}, "agent"),
        ({"agent": "0"}, "agent"),
        ({"outcome": "fine"}, "outcome"),
        ({"code": "teapot"}, "code"),
        ({"model": "m" * 513}, "model"),
        ({"modle": "gpt-4o"}, "modle"),
    ],
)
async def test_a_wrong_filter_is_refused_by_name(
    reader: httpx.AsyncClient, path: str, query: dict[str, str], field: str
) -> None:
    answer = await reader.get(path, params=query)

    assert answer.status_code == 422
    assert [wrong["field"] for wrong in answer.json()["error"]["errors"]] == [field]


async def test_a_projection_names_what_has_no_price_and_what_it_covers(reader: httpx.AsyncClient) -> None:
    body = (await reader.get("/usage/projection")).json()

    window = body["last_24h"]
    assert body["month_days"] == 30
    assert (window["covered_seconds"], [row["model"] for row in window["rows"]]) == (0.0, ["a", "b"])
    assert (window["rows"][1]["per_day"]["cost_usd"], window["rows"][1]["per_day"]["unpriced_requests"]) == (None, 1440)
    assert any("alpha/b" in warning for warning in window["warnings"])


async def test_an_export_has_every_page_once(reader: httpx.AsyncClient) -> None:
    table = await reader.get(EXPORT)
    lines = await reader.get(EXPORT, params={"format": "jsonl"})

    assert table.headers["content-type"].startswith("text/csv")
    assert "attachment" in table.headers["content-disposition"]
    head, *rows = csv.reader(io.StringIO(table.text))
    ids = ["1-0", "1-1", "2-0", "2-1"]
    assert [row[head.index("id")] for row in rows] == ids
    assert [json.loads(line)["id"] for line in lines.text.splitlines()] == ids


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", " =1", "\t=1"])
async def test_no_cell_of_a_table_is_a_formula(reader: httpx.AsyncClient, usage: FakeUsage, text: str) -> None:
    usage.item["message"] = text

    head, *rows = csv.reader(io.StringIO((await reader.get(EXPORT)).text))

    assert {row[head.index("message")] for row in rows} == {f"'{text}"}


async def test_an_export_is_refused_while_the_database_is_away(reader: httpx.AsyncClient, usage: FakeUsage) -> None:
    usage.fails_on_page = 1

    answer = await reader.get(EXPORT)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_storage_unavailable")


async def test_an_export_that_breaks_off_does_not_look_whole(usage: FakeUsage) -> None:
    usage.fails_on_page = 2

    async with serving(fake_services(usage=usage)) as url, httpx.AsyncClient(base_url=url) as far:
        with pytest.raises(httpx.RemoteProtocolError):
            await far.get(EXPORT, params={"format": "jsonl"})
