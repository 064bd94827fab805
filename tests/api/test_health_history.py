"""Health over time: windows, steps, pages, and exports that are whole or visibly cut."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import httpx
import pytest

from tests.api.conftest import client_of, serving
from tests.fakes_edge import FakeHistory, FakeMetrics, fake_services

NOON = "2026-11-20T12:00:00Z"
ONE = "2026-11-20T13:00:00Z"
HOUR = {"since": NOON, "until": ONE}
HISTORY = "/providers/alpha/health/history"
EXPORT = "/providers/health/export"


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


@pytest.fixture
def reader(history: FakeHistory) -> httpx.AsyncClient:
    return client_of(fake_services(history=history))


async def test_a_page_has_its_samples_the_windows_sum_and_the_way_on(reader: httpx.AsyncClient) -> None:
    body = (await reader.get(HISTORY, params=HOUR | {"limit": 20})).json()

    assert body["window"] == {"since": NOON, "until": ONE, "step": None}
    assert [row["at"] for row in body["items"][:2]] == ["2026-11-20T12:59:00Z", "2026-11-20T12:58:00Z"]
    assert (body["items"][0]["success_rate"], body["items"][0]["uptime_percentage"]) == (0.75, 75.0)
    assert (body["items"][0]["response_time_ms"], body["items"][0]["p95_ms"]) == (100.0, 250.0)
    assert (body["summary"]["samples"], body["summary"]["requests"], body["summary"]["failures"]) == (60, 240, 60)
    following = (await reader.get(HISTORY, params=HOUR | {"limit": 20, "cursor": body["next"]})).json()
    assert following["items"][0]["at"] == "2026-11-20T12:39:00Z"


async def test_a_window_is_the_seconds_before_its_end(reader: httpx.AsyncClient, history: FakeHistory) -> None:
    body = (await reader.get(HISTORY, params={"until": ONE, "window": 600, "step": 60})).json()

    assert body["window"] == {"since": "2026-11-20T12:50:00Z", "until": ONE, "step": 60}
    assert history.windows[0].step == 60


async def test_a_configured_provider_without_samples_has_none_and_an_unknown_one_is_unknown(
    reader: httpx.AsyncClient,
) -> None:
    empty = (await reader.get(HISTORY, params={"until": "2020-01-01T00:00:00Z"})).json()
    unknown = await reader.get("/providers/nobody/health/history")

    assert (empty["items"], empty["next"], empty["summary"]["uptime_percentage"]) == ([], None, None)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "caller_unknown_provider")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"step": "0"}, "step"),
        ({"window": "-1"}, "window"),
        ({"since": "yesterday"}, "since"),
        ({"since": ONE, "until": NOON}, "since"),
        ({"until": "0001-01-01T00:00:00+10:00"}, "since"),
        ({"until": "0001-01-01T00:00:00Z"}, "since"),
        ({"limit": "1001"}, "limit"),
    ],
)
async def test_a_wrong_window_is_refused_by_name(reader: httpx.AsyncClient, query: dict[str, str], field: str) -> None:
    answer = await reader.get(HISTORY, params=query)

    assert answer.status_code == 422
    assert [wrong["field"] for wrong in answer.json()["error"]["errors"]] == [field]


async def test_an_export_has_every_sample_of_the_window(reader: httpx.AsyncClient) -> None:
    answer = await reader.get(EXPORT, params=HOUR)

    assert answer.headers["content-type"] == "application/json"
    assert "attachment" in answer.headers["content-disposition"]
    body: dict[str, Any] = answer.json()
    assert len(body["items"]) == 60
    assert body["window"] == {"since": NOON, "until": ONE}


async def test_an_export_of_nothing_is_an_empty_list(reader: httpx.AsyncClient) -> None:
    assert (await reader.get(EXPORT, params=HOUR | {"provider": "nobody"})).json()["items"] == []


async def test_a_table_has_its_head_once_and_no_formula_of_a_providers() -> None:
    reader = client_of(fake_services(history=FakeHistory(error='=HYPERLINK("http://evil")')))

    answer = await reader.get(EXPORT, params=HOUR | {"format": "csv"})

    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert head[:3] == ["at", "provider", "status"]
    assert len(rows) == 60
    assert {row[head.index("last_error")] for row in rows} == {'\'=HYPERLINK("http://evil")'}


async def test_an_export_is_refused_while_the_database_is_away(history: FakeHistory, reader: httpx.AsyncClient) -> None:
    history.fails_on_page = 1

    answer = await reader.get(EXPORT, params=HOUR)

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_storage_unavailable")


async def test_an_export_that_breaks_off_does_not_look_whole(history: FakeHistory) -> None:
    history.samples *= 40
    history.fails_on_page = 2

    async with serving(fake_services(history=history)) as url, httpx.AsyncClient(base_url=url) as far:
        with pytest.raises(httpx.RemoteProtocolError):
            await far.get(EXPORT, params=HOUR)


async def test_a_reader_who_stands_still_is_left_after_a_while(history: FakeHistory) -> None:
    history.samples *= 800
    metrics = FakeMetrics()
    services = fake_services(history=history, metrics=metrics, max_deadline=0.2)

    async with serving(services) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rsplit(":", 1)[1]), limit=1024)
        writer.write(f"GET {EXPORT}?since={NOON}&until={ONE} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        async with asyncio.timeout(10):
            await metrics.counted.wait()
        assert not reader.at_eof()
        writer.close()

    assert metrics.requests == [(EXPORT, 499, "caller_cancelled")]
    assert history.pages < 48
