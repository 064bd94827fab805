"""From votes to choices over HTTP: traders decide, outcomes come in, and that changes whom one asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import StartService
from tests.e2e.markets import market
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO

TRADERS = ("reversion", "breakout", "trend")
MEMBERS = [f"{name}/{name}" for name in TRADERS]
CONFIG = {
    "providers": [
        {"name": name, "provider_type": "sandbox", "models": [name], "model": name, "priority": place}
        for place, name in enumerate(TRADERS)
    ]
}
ENV = {"OUTCRY_SCORES__REFRESH": "0.1", "OUTCRY_SCORES__EXPLORATION": "0"}


class Desk:
    """The three traders, and how the market went after each of their decisions: always up."""

    def __init__(self, service: Service) -> None:
        self.service = service

    @property
    def client(self) -> httpx.Client:
        return self.service.client

    def decide(self, **fields: Any) -> Any:
        body = {"symbol": "BTC/USDT", "models": MEMBERS, "market": market(), "settle": "all", **fields}
        response = self.client.post("/decisions", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def grade(self, count: int) -> None:
        """So many more decisions, all graded."""
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(self._one, range(count)))

    def _one(self, _place: int) -> None:
        decision = self.decide()
        body = {"outcome_id": "o", "kind": "forward_return", "observed_at": "2026-11-21T14:15:00Z"}
        told = self.client.post(f"/decisions/{decision['id']}/outcome", json=body | {"forward_return": 0.02})
        assert told.status_code == 201, told.text

    def get(self, path: str, **query: Any) -> Any:
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, **query: Any) -> dict[str, Any]:
        return {row["model"]: row for row in self.get("/leaderboard", **query)["rows"]}

    def curve(self, model: str) -> Any:
        return next((one for one in self.get("/calibration")["models"] if one["model"] == model), {"n": 0})

    def first(self) -> str:
        """Whom accuracy_first would ask."""
        told = self.client.post("/routing/explain", json={"messages": HELLO, "model": "auto:accuracy"}).json()
        return str(told["target"])


def eventually(holds: Callable[[], bool]) -> None:
    """Waits until the background job has read what is there; fails after a minute."""
    ends = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < ends, "the record was not read in time"


@pytest.fixture(scope="module")
def desk(start_once: StartService) -> Desk:
    return Desk(start_once(config=CONFIG, env=ENV))


def test_from_no_grades_to_two_hundred(desk: Desk) -> None:
    fresh = desk.decide(method="performance_weighted")
    said = {vote["model"]: vote["action"] for vote in fresh["votes"]}
    assert said["trend"] == "BUY"
    assert any(warning.startswith("ungraded") for warning in fresh["warnings"])
    assert {vote["calibrated_confidence"] for vote in fresh["votes"]} == {None}
    assert desk.first() == "reversion/reversion"

    desk.grade(10)
    few = desk.rows()["trend"]
    assert (few["resolved"], few["rank"], few["note"], few["hit_rate"]) == (10, None, "insufficient data", 1.0)

    desk.grade(20)
    eventually(lambda: desk.rows()["trend"]["resolved"] == 30)
    ranked = desk.rows()
    assert (ranked["trend"]["rank"], ranked["trend"]["resolved"]) == (1, 30)
    assert ranked["trend"]["hit_rate_interval"][0] == pytest.approx(0.8865, abs=1e-3)
    wrong = [name for name, action in said.items() if action not in ("BUY", None)]
    assert wrong
    assert {ranked[name]["hit_rate"] for name in wrong} == {0.0}

    eventually(lambda: desk.curve("trend")["n"] == 30)
    assert desk.curve("trend")["method"] == "platt"
    known = desk.decide(method="performance_weighted")
    votes = {vote["model"]: vote for vote in known["votes"]}
    assert votes["trend"]["calibrated_confidence"] > 0.9
    assert votes["trend"]["calibration"] == {"n": 30, "method": "platt", "note": None}
    assert votes["trend"]["weight"] > max(votes[name]["weight"] for name in wrong)
    assert known["action"] == "BUY"
    assert desk.first() == "trend/trend"

    desk.grade(170)
    eventually(lambda: desk.curve("trend")["n"] == 200)
    assert desk.curve("trend")["method"] == "isotonic"


def test_rows_by_method_and_filters(desk: Desk) -> None:
    desk.grade(1)
    methods = desk.get("/leaderboard", by="method")["rows"]

    assert "majority" in {row["method"] for row in methods}
    assert desk.rows(symbol="ETH/USDT") == {}
    assert desk.rows(symbol="btcusdt")["trend"]["decisions"] >= 1
    assert desk.rows(until="2020-01-01T00:00:00Z") == {}


def test_a_restart_reads_the_record_again(desk: Desk) -> None:
    desk.grade(30)
    before = desk.rows()["trend"]["resolved"]
    desk.service.stop()
    desk.service.start()

    eventually(lambda: desk.curve("trend")["n"] == before)
    assert desk.first() == "trend/trend"
    assert desk.decide()["votes"][2]["calibrated_confidence"] > 0.9


def test_what_cannot_be_asked_is_a_422(desk: Desk) -> None:
    answer = desk.client.get("/leaderboard", params={"by": "luck"})

    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "caller_invalid_field"
