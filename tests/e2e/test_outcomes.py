"""Outcomes over HTTP: a panel decides, the market speaks, and every vote is graded."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, error_of, provider, within
from tests.upstream import Upstream

ENTRY = 64231.5
AS_OF = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)
MEMBERS = ["bull/bull-1", "bear/bear-1", "calm/calm-1", "mute/mute-1"]


class Panel:
    """One who buys, one who sells, one who holds and one who talks nonsense, behind a gateway."""

    def __init__(self, service: Service, upstreams: list[Upstream]) -> None:
        self.service = service
        for upstream, said in zip(upstreams, (vote("BUY"), vote("SELL"), vote("HOLD"), "well"), strict=True):
            upstream.behave(Answer(said))

    @property
    def client(self) -> httpx.Client:
        return self.service.client

    def decide(self, symbol: str = "BTC/USDT", **fields: Any) -> Any:
        body = {"symbol": symbol, "models": MEMBERS, "market": market(symbol=symbol), **fields}
        response = self.client.post("/decisions", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def report(self, decision: Any, **fields: Any) -> httpx.Response:
        body = {"outcome_id": "fill-1", "kind": "realized", "observed_at": "2026-11-21T14:15:00Z", **fields}
        return self.client.post(f"/decisions/{decision['id']}/outcome", json=body)

    def post(self, close: float, *, symbol: str = "BTC/USDT", after: float = 14_400.0) -> Any:
        at = (AS_OF + timedelta(seconds=after)).isoformat()
        response = self.client.post("/prices", json={"symbol": symbol, "bars": [{"at": at, "close": close}]})
        assert response.status_code == 200, response.text
        return response.json()

    def has_bar(self, symbol: str) -> bool:
        """Whether its bar is committed, whoever has been graded by it."""
        with closing(sqlite3.connect(self.service.database)) as connection:
            return bool(connection.execute("SELECT 1 FROM price_bars WHERE symbol = ?", (symbol,)).fetchone())

    def outcomes(self, decision: Any) -> Any:
        return self.client.get(f"/decisions/{decision['id']}").json().get("outcomes", [])


@pytest.fixture(scope="module")
def panel(start_once: StartService, upstream_once: StartUpstream) -> Panel:
    names = [name.split("/")[0] for name in MEMBERS]
    upstreams = [upstream_once(models=(f"{name}-1",)) for name in names]
    config = {"providers": [provider(*each) for each in zip(names, upstreams, strict=True)]}
    return Panel(start_once(config=config, env=PATIENT), upstreams)


def right(outcome: Any) -> dict[str, bool | None]:
    return {grade["provider"]: grade["correct"] for grade in outcome["grades"]}


def test_one_outcome_grades_every_vote(panel: Panel) -> None:
    decision = panel.decide()

    told = panel.report(decision, exit_price=ENTRY * 1.01)

    assert told.status_code == 201
    assert right(told.json()) == {"bull": True, "bear": False, "calm": False, "mute": None}
    assert told.json()["threshold"] == pytest.approx(0.25 * 78.4 / ENTRY)
    assert panel.outcomes(decision) == [told.json()]


def test_the_same_outcome_is_known_and_another_body_is_a_version(panel: Panel) -> None:
    decision = panel.decide()
    panel.report(decision, exit_price=ENTRY * 1.01)

    again = panel.report(decision, exit_price=ENTRY * 1.01)
    other = panel.report(decision, exit_price=ENTRY)

    assert [(one.status_code, one.json()["version"]) for one in (again, other)] == [(200, 1), (200, 2)]
    assert right(other.json()) == {"bull": False, "bear": False, "calm": True, "mute": None}


def test_wrong_and_homeless_outcomes_are_refused(panel: Panel) -> None:
    decision = panel.decide()

    early = error_of(
        panel.report(decision, exit_price=1.0, observed_at="2026-11-20T14:14:00Z"), 422, "caller_invalid_field"
    )
    assert [error["field"] for error in early["errors"]] == ["observed_at"]
    error_of(panel.report(decision), 422, "caller_invalid_field")
    error_of(panel.report({"id": "dec_404"}, exit_price=1.0), 404, "caller_not_found")
    assert panel.outcomes(decision) == []


def test_prices_grade_whoever_waits_for_them(panel: Panel) -> None:
    decision = panel.decide("ETH/USDT", metadata={"horizon_s": 600})
    later = panel.decide("ETH/USDT", metadata={"horizon_s": 6_000})

    assert panel.post(ENTRY * 0.9, symbol="ETHUSDT", after=660)["graded"] == 1

    (outcome,) = panel.outcomes(decision)
    assert (outcome["kind"], outcome["source"], outcome["horizon_s"]) == ("forward_return", "prices", 600.0)
    assert right(outcome) == {"bull": False, "bear": True, "calm": False, "mute": None}
    assert panel.outcomes(later) == []
    assert panel.post(ENTRY * 1.1, symbol="ETH-USDT", after=660) | {"corrected": 1, "graded": 1} == {
        "added": 0,
        "corrected": 1,
        "unchanged": 0,
        "graded": 1,
        "complete": True,
    }
    assert [(one["version"], right(one)["bull"]) for one in panel.outcomes(decision)] == [(2, True)]


def test_many_who_post_the_same_price_make_one_outcome(panel: Panel) -> None:
    decisions = [panel.decide("SOL/USDT") for _ in range(5)]

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: panel.post(ENTRY * 1.2, symbol="SOL/USDT"), range(8)))

    assert sum(one["added"] for one in taken) == 1
    for decision in decisions:
        assert [one["version"] for one in panel.outcomes(decision)] == [1]


def test_a_kill_while_prices_grade_loses_and_doubles_nothing(panel: Panel) -> None:
    decisions = [panel.decide("ADA/USDT") for _ in range(40)]
    with ThreadPoolExecutor(1) as pool:
        posted = pool.submit(panel.post, ENTRY * 1.2, symbol="ADA/USDT")
        assert within(30, lambda: posted.done() or panel.has_bar("ADAUSDT"))
        panel.service.kill()
        posted.exception()

    panel.service.start()
    panel.post(ENTRY * 1.2, symbol="ADA/USDT")

    assert within(30, lambda: all(panel.outcomes(decision) for decision in decisions))
    told = [panel.outcomes(decision) for decision in decisions]
    assert [[(one["version"], right(one)["bull"]) for one in outcomes] for outcomes in told] == [[(1, True)]] * 40


def test_a_price_that_came_first_grades_by_itself(panel: Panel) -> None:
    panel.post(ENTRY * 1.2, symbol="DOT/USDT")
    decision = panel.decide("DOT/USDT")

    assert within(30, lambda: bool(panel.outcomes(decision)))

    assert 'outcry_outcomes_total{kind="forward_return"}' in panel.client.get("/metrics").text
