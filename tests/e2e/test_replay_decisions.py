"""Decisions of a run over HTTP, by every way of asking: the same hash the second time, with nobody there."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.behaviours import Answer, Silent, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.service import Service
from tests.e2e.speaking import PATIENT, error_of, provider, streamed
from tests.upstream import Received, Upstream

NAMES = ("one", "two", "three", "four")
MEMBERS = [f"{name}/{name}-1" for name in NAMES]
SIZED = vote("BUY", stop_loss=63_500.0, take_profit=66_000.0, size_fraction=0.1)
RICH = market(account={"equity": 100_000.0, "open_risk_usd": 0.0})
NEWS = market(news=[{"title": "Regulator approves everything", "source": "wire"}])
REDUCED = json.dumps({"verdict": "reduce", "max_fraction": 0.05, "risk_score": 0.6, "reasons": ["late in the day"]})
OFFICER = {"models": MEMBERS[:2], "risk_officer": MEMBERS[2]}
STAGED = {"method": "two_stage", "panel": "staged", "models": None}
BUY, SELL, HOLD = (Answer(vote(action)) for action in ("BUY", "SELL", "HOLD"))


def swayed(received: Received) -> Answer:
    """Buys when it reads the headline."""
    return BUY if "approves everything" in str(received.body) else HOLD


def slow_without_news(received: Received) -> Answer:
    return BUY if "approves everything" in str(received.body) else Answer(vote("HOLD"), delay=5)


class Desk:
    """Four members behind one gateway."""

    def __init__(self, gateway: Service, upstreams: list[Upstream]) -> None:
        self.client, self.upstreams = gateway.client, upstreams

    def says(self, *scripts: Any) -> None:
        for upstream, script in zip(self.upstreams, (*scripts, *[Status(500)] * 4), strict=False):
            upstream.behave(*(script if isinstance(script, list) else [script]))
            upstream.forget()

    def ask(self, mode: str, name: str, headers: dict[str, str] | None = None, **fields: Any) -> Any:
        body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS[:2]} | fields
        run = {"x-outcry-replay": mode, "x-outcry-run": name} | (headers or {})
        return self.client.post("/decisions", json={k: v for k, v in body.items() if v is not None}, headers=run)

    def complete(self, decision_id: str) -> None:
        """Returns once every vote is on record."""
        give_up = time.monotonic() + 10
        while any(one["status"] == "pending" for one in self.client.get(f"/decisions/{decision_id}").json()["votes"]):
            assert time.monotonic() < give_up

    @property
    def calls(self) -> int:
        return sum(upstream.calls for upstream in self.upstreams)


@pytest.fixture(scope="module")
def desk(start_once: StartService, upstream_once: StartUpstream) -> Desk:
    upstreams = [upstream_once(models=(f"{name}-1",)) for name in NAMES]
    config = {
        "providers": [provider(name, one, priority=1) for name, one in zip(NAMES, upstreams, strict=True)],
        "panels": {"staged": {"members": MEMBERS, "method": "two_stage", "stages": [MEMBERS[2:], MEMBERS[:2]]}},
    }
    return Desk(start_once(config=config, env=PATIENT), upstreams)


@pytest.mark.parametrize(
    ("scripts", "fields"),
    [
        ([[BUY, SELL, BUY], BUY], {"samples": 3}),
        ([BUY, SELL, SELL, BUY], STAGED),
        ([BUY, BUY, BUY, Silent()], STAGED | {"deadline_ms": 800}),
        ([SELL, SELL, BUY, BUY], STAGED),
        ([BUY, BUY, HOLD], OFFICER | {"method": "risk_officer_veto"}),
        ([Answer(SIZED), Answer(SIZED), Answer(REDUCED)], OFFICER | {"risk_check": True, "market": RICH}),
        (
            [Answer(SIZED), Answer(SIZED), Silent()],
            OFFICER | {"risk_check": True, "market": RICH, "deadline_ms": 800},
        ),
        ([swayed, BUY], {"news_check": True, "market": NEWS}),
        ([slow_without_news, BUY], {"news_check": True, "market": NEWS, "settle": "all"}),
        ([[Answer(vote("BUY", stop_loss=2)), BUY], BUY], {"on_invalid": "repair_once"}),
        ([BUY, Silent()], {"quorum": 2, "deadline_ms": 800}),
        ([BUY, Answer(vote("SELL"), delay=0.3), BUY], {"models": MEMBERS[:3], "settle": "all"}),
    ],
    ids=[
        "samples",
        "escalated",
        "late",
        "agreed",
        "veto",
        "checked",
        "silent officer",
        "news",
        "news too late",
        "repaired",
        "timeout",
        "settle all",
    ],
)
def test_it_comes_out_as_it_went_in(
    desk: Desk, request: pytest.FixtureRequest, scripts: list[Any], fields: dict[str, Any]
) -> None:
    name = request.node.callspec.id.replace(" ", "-")
    desk.says(*scripts)
    live = desk.ask("record", name, **fields)
    assert live.status_code == 200, live.text
    if fields.get("settle") == "all":
        desk.complete(live.json()["id"])
    desk.says()

    told = desk.ask("replay", name, **fields | ({"deadline_ms": 20_000} if "deadline_ms" in fields else {}))

    assert told.status_code == 200, told.text
    assert told.headers["x-outcry-decision-hash"] == live.headers["x-outcry-decision-hash"]
    assert (told.json()["replayed"], told.json()["cost_usd"], desk.calls) == (True, "0", 0)
    assert told.json()["status"] == live.json()["status"]


def test_a_key_belongs_to_its_run(desk: Desk) -> None:
    desk.says(BUY, BUY)
    live = desk.ask("record", "keyed", {"idempotency-key": "keyed-1"})
    again = desk.ask("record", "keyed", {"idempotency-key": "keyed-1"})
    desk.says()

    error_of(desk.ask("replay", "keyed", {"idempotency-key": "keyed-1"}), 422, "caller_idempotency_mismatch")
    told = desk.ask("replay", "keyed", {"idempotency-key": "keyed-2"})
    retold = desk.ask("replay", "keyed", {"idempotency-key": "keyed-2"})

    answers = (live, again, told, retold)
    assert len({answer.headers["x-outcry-decision-hash"] for answer in answers}) == 1
    assert [answer.headers.get("x-outcry-replayed") for answer in answers] == [None, None, "true", "true"]
    assert [answer.headers.get("idempotency-replayed") for answer in answers] == [None, "true", None, "true"]
    assert (told.headers["x-outcry-cost-usd"], desk.calls) == ("0", 0)


def test_samples_under_a_key_are_streamed_by_their_numbers(desk: Desk) -> None:
    desk.says(BUY)
    body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS[:1], "samples": 3}

    seen = streamed(desk.client, "/decisions", body, headers={"idempotency-key": "samples"})

    assert sorted(event.data["sample"] for event in seen if event.name == "vote") == [1, 2, 3]


def test_a_changed_question_is_a_miss_and_no_call(desk: Desk) -> None:
    desk.says(BUY, BUY)
    desk.ask("record", "changed")
    desk.says()

    for change in ({"samples": 2}, {"market": NEWS}, {"method": "unanimous"}, {"risk_check": True}, {"settle": "all"}):
        error_of(desk.ask("replay", "changed", **change), 409, "caller_replay_miss")
    assert desk.calls == 0


def test_an_assessment_belongs_to_no_run_and_says_so(desk: Desk) -> None:
    body = {"decision": {"action": "HOLD", "symbol": "BTC/USDT"}}
    headers = {"x-outcry-replay": "record", "x-outcry-run": "r"}

    error_of(desk.client.post("/risk-assessments", json=body, headers=headers), 400, "caller_unsupported_parameter")
