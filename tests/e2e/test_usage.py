"""Usage from outside: chosen, summed up, projected and exported, the same in every form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal

import httpx
import pytest

from tests.behaviours import Answer, Status, Tokens
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, provider, within
from tests.upstream import Upstream

COST = {"input_per_1m_tokens": 2, "output_per_1m_tokens": 8}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A gateway that was asked five times: three by one strategy, one that fell back, one without a price."""
    answer = Answer(usage=Tokens(1000, 500))
    with Upstream(answer, answer, answer, Status(500), answer) as alpha, Upstream(answer) as beta:
        two = [provider("alpha", alpha, priority=1, cost=COST), provider("beta", beta, priority=2)]
        with Service(
            tmp_path_factory.mktemp("usage"), providers=two, env={"OUTCRY_USAGE__ROLLUP_INTERVAL": "0.3"}
        ) as gateway:
            body = {"messages": HELLO, "metadata": {"strategy": "breakout"}}
            for _ in range(3):
                gateway.client.post("/chat", json=body).raise_for_status()
            gateway.client.post("/chat", json={"messages": HELLO, "max_retries": 1}).raise_for_status()
            gateway.client.post("/chat", json={"messages": HELLO, "model": "beta/beta-1"}).raise_for_status()
            assert within(4, lambda: gateway.client.get("/usage/summary").json()["total"]["requests"] == 5)
            yield gateway.client


def test_what_is_chosen_is_the_same_in_pages_sums_and_exports(client: httpx.Client) -> None:
    for query in ({}, {"strategy": "breakout"}, {"provider": "alpha"}, {"outcome": "error"}, {"model": "nobody"}):
        items = client.get("/usage", params=query).json()["items"]
        total = client.get("/usage/summary", params=query | {"by": "hour", "group": "model,strategy"}).json()["total"]
        lines = [
            json.loads(line)
            for line in client.get("/usage/export", params=query | {"format": "jsonl"}).text.splitlines()
        ]
        table = list(csv.DictReader(io.StringIO(client.get("/usage/export", params=query).text)))

        assert lines == items
        assert [row["id"] for row in table] == [item["id"] for item in items]
        assert total["attempts"] == len(items)
        assert total["requests"] == len({item["request_id"] for item in items})
        costs = [Decimal(item["cost_usd"]) for item in items if item["cost_usd"] is not None]
        assert Decimal(total["cost_usd"] or 0) == sum(costs, Decimal(0))


def test_sums_stay_the_same_when_they_are_rolled_up(client: httpx.Client) -> None:
    rows = client.get("/usage/summary", params={"group": "provider,outcome"}).json()

    assert rows["total"]["cost_usd"] == "0.018"
    assert (rows["total"]["requests"], rows["total"]["attempts"], rows["total"]["unpriced_requests"]) == (5, 6, 2)
    assert {(row["provider"], row["outcome"]): row["requests"] for row in rows["rows"]} == {
        ("alpha", "ok"): 3,
        ("alpha", "error"): 1,
        ("beta", "ok"): 2,
    }


def test_a_projection_says_what_it_stands_on(client: httpx.Client) -> None:
    window = client.get("/usage/projection").json()["last_24h"]

    assert 0 < window["covered_seconds"] < 120
    assert Decimal(window["total"]["per_day"]["cost_usd"]) > Decimal("0.018")
    beta = next(row for row in window["rows"] if row["provider"] == "beta")
    assert (beta["per_day"]["cost_usd"], beta["seen"]["unpriced_requests"]) == (None, 2)
    assert len(window["warnings"]) == 2


@pytest.mark.parametrize(
    "path", ["/usage", "/usage/summary", "/usage/export", "/leaderboard", "/providers/health/export"]
)
def test_a_year_alone_is_no_moment(client: httpx.Client, path: str) -> None:
    for moment in ("2026", "-1", "1732147200.5"):
        assert "since" in str(error_of(client.get(path, params={"since": moment}), 422, "caller_invalid_field"))


@pytest.mark.parametrize("path", ["/usage", "/usage/summary", "/usage/export", "/usage/projection"])
def test_a_parameter_that_there_is_not_is_refused_by_name(client: httpx.Client, path: str) -> None:
    assert "agnet" in str(error_of(client.get(path, params={"agnet": "7"}), 422, "caller_invalid_field"))
