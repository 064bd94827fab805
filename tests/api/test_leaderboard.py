"""`GET /leaderboard` and `GET /calibration`: the columns, the filters, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from app.api.examples.framework import EXAMPLES
from app.decisions.counting import UNGRADED
from app.domain.outcome import ScoredVote
from app.outcomes.board import Boards
from app.outcomes.book import ScoreBook, ScoreRules
from app.outcomes.refreshing import ScoreReader
from tests.api.conftest import client_of
from tests.fakes_edge import fake_services
from tests.fakes_scores import FakeScores, panel, streak

COLUMNS = {
    "provider",
    "model",
    "decisions",
    "abstentions",
    "resolved",
    "hit_rate",
    "hit_rate_interval",
    "mean_forward_return",
    "brier",
    "p50_ms",
    "p95_ms",
    "cost_usd",
    "cost_per_decision",
    "cost_per_correct_decision",
    "rank",
    "note",
}
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
YESTERDAY = NOW - timedelta(days=1)


async def asked(votes: list[ScoredVote], path: str, **query: Any) -> httpx.Response:
    scores, rules = FakeScores(votes), ScoreRules()
    book = ScoreBook(rules, UNGRADED)
    await ScoreReader(scores, book, rules, lambda: NOW).look()
    services = fake_services(scoring=Boards(scores, book, wall=lambda: NOW))
    async with client_of(services) as client:
        return await client.get(path, params=query)


async def test_every_column_of_the_contract_is_there_and_the_window() -> None:
    votes = streak("a", 15, 10, start=YESTERDAY, confidence=0.8, latency=0.25, cost_usd=Decimal("0.001"))
    body = (await asked(votes, "/leaderboard")).json()
    row = body["rows"][0]

    assert set(row) >= COLUMNS
    assert set(row) == set(EXAMPLES["GET /leaderboard"]["rows"][0])
    assert (row["rank"], row["note"], row["resolved"], row["hit_rate"]) == (1, None, 25, 0.6)
    assert row["hit_rate_interval"] == [pytest.approx(0.4074, abs=1e-3), pytest.approx(0.7660, abs=1e-3)]
    assert row["brier"] == pytest.approx((15 * 0.04 + 10 * 0.64) / 25)
    assert (row["p50_ms"], row["cost_usd"], row["cost_per_decision"]) == (250.0, "0.025", "0.001")
    assert row["cost_per_correct_decision"] == "0.001666667"
    assert body["window"] == {
        "since": "2026-08-23T12:00:00Z",
        "until": "2026-11-21T12:00:00Z",
        "agent": None,
        "symbol": None,
    }


async def test_below_twenty_resolved_there_is_no_rank_and_every_other_figure() -> None:
    row = (await asked(streak("a", 3, 0, start=YESTERDAY), "/leaderboard")).json()["rows"][0]

    assert (row["rank"], row["note"], row["hit_rate"], row["resolved"]) == (None, "insufficient data", 1.0, 3)


async def test_what_was_never_graded_is_null_and_never_nought() -> None:
    row = (await asked(panel("1", {"a": "BUY"}, decided_at=YESTERDAY), "/leaderboard")).json()["rows"][0]

    nothing = ("hit_rate", "mean_forward_return", "paper_return", "brier", "ece", "cost_usd", "p50_ms", "profit_factor")
    assert {row[name] for name in nothing} == {None}


@pytest.mark.parametrize(
    ("by", "subject"), [("agent", {"agent_id": 7}), ("method", {"method": "majority"}), ("variant", {"variant": "new"})]
)
async def test_rows_are_about_what_was_asked(by: str, subject: dict[str, Any]) -> None:
    votes = panel("1", {"a": "BUY", "b": "SELL", "c": "BUY"}, 0.01, agent_id=7, variant="new", decided_at=YESTERDAY)
    body = (await asked(votes, "/leaderboard", by=by)).json()

    assert len(body["rows"]) == 1
    assert body["rows"][0] | subject == body["rows"][0]
    assert "provider" not in body["rows"][0]
    assert (body["by"], body["rows"][0]["decisions"], body["rows"][0]["correct"]) == (by, 1, 1)


async def test_filters_are_of_decisions() -> None:
    votes = [
        *streak("a", 3, 0, start=YESTERDAY, agent_id=7),
        *streak("b", 2, 0, start=YESTERDAY, symbol="ETH/USDT"),
        *streak("c", 1, 0, start=YESTERDAY - timedelta(days=5)),
    ]

    async def names(**query: Any) -> list[str]:
        return [row["provider"] for row in (await asked(votes, "/leaderboard", **query)).json()["rows"]]

    assert await names() == ["a", "b", "c"]
    assert await names(agent=7) == ["a"]
    assert await names(symbol="eth/usdt") == ["b"]
    assert await names(since="2026-11-19T00:00:00Z") == ["a", "b"]
    assert await names(until="2026-11-19T00:00:00+00:00") == ["c"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"by": "provider"}, "by"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2026-11-20T00:00:00Z", "until": "2026-11-19T00:00:00Z"}, "since"),
        ({"until": "0001-01-01T00:00:00+14:00"}, "until"),
        ({"agent": "seven"}, "agent"),
        ({"symbol": "X" * 40}, "symbol"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_its_field(query: dict[str, str], field: str) -> None:
    answer = await asked([], "/leaderboard", **query)

    assert answer.status_code == 422
    assert field in str(answer.json()["error"]["errors"])


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "9999-12-30T00:00:00Z"])
async def test_the_ends_of_time_are_no_trouble(since: str) -> None:
    assert (await asked([], "/leaderboard", since=since)).status_code == 200
    assert (await asked([], "/leaderboard", until=since)).status_code == 200


async def test_an_absent_database_is_a_503() -> None:
    scores = FakeScores()
    scores.away = True
    boards = Boards(scores, ScoreBook(ScoreRules(), UNGRADED), wall=lambda: NOW)
    async with client_of(fake_services(scoring=boards)) as client:
        answer = await client.get("/leaderboard")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_storage_unavailable")


async def test_curves_say_how_they_were_found_and_from_how_many() -> None:
    votes = [
        *streak("a", 20, 9, start=YESTERDAY, confidence=0.8),
        *streak("b", 120, 80, start=YESTERDAY, confidence=0.8),
    ]
    body = (await asked(votes, "/calibration")).json()

    assert [(one["provider"], one["method"], one["n"], one["note"]) for one in body["models"]] == [
        ("a", "shrunk", 29, "uncalibrated"),
        ("b", "isotonic", 200, None),
    ]
    assert body["models"][1]["points"] == [[0.8, 0.6]]
    assert [(one["method"], one["fit"], one["n"]) for one in body["methods"]] == [("majority", "isotonic", 229)]
