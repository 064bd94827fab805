"""Panels over HTTP: every method, misbehaving members, an agent's own configurations, a database that is gone."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Behaviour, Drip, EndlessLine, Silent, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.speaking import PATIENT, error_of, provider, streamed
from tests.upstream import Upstream

NAMES = ("one", "two", "three", "four")
MEMBERS = [f"{name}/{name}-1" for name in NAMES]
OVERRUN = 0.25


class House:
    """Four scripted members behind one gateway."""

    def __init__(self, client: httpx.Client, members: dict[str, Upstream]) -> None:
        self.client, self.members = client, members

    def script(self, *scripts: Behaviour) -> None:
        for member, script in zip(self.members.values(), scripts, strict=False):
            member.behave(script)
            member.forget()

    def decide(self, *scripts: Behaviour, **fields: Any) -> Any:
        self.script(*scripts)
        body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS[: len(scripts)], **fields}
        response = self.client.post("/decisions", json={k: v for k, v in body.items() if v is not None})
        assert response.status_code == 200, response.text
        return response.json()


@pytest.fixture(scope="module")
def house(start_once: StartService, upstream_once: StartUpstream) -> House:
    members = {name: upstream_once(models=(f"{name}-1",)) for name in NAMES}
    config = {
        "providers": [provider(name, member, priority=1) for name, member in members.items()],
        "panels": {
            "staged": {"members": MEMBERS, "method": "two_stage", "stages": [MEMBERS[2:], MEMBERS[:2]]},
            "guarded": {"members": MEMBERS[:2], "method": "risk_officer_veto", "risk_officer": MEMBERS[2]},
        },
    }
    return House(start_once(config=config, env=PATIENT).client, members)


def test_a_panel_of_the_silent_the_dripping_and_the_flooding_keeps_its_deadline(house: House) -> None:
    started = time.monotonic()

    decision = house.decide(
        Silent(), Drip(gap=0.05), EndlessLine(mebibytes=4000), Answer(vote("BUY")), deadline_ms=1000, quorum=1
    )

    assert time.monotonic() - started <= 1.0 + OVERRUN
    assert decision["action"] == "BUY"
    assert [vote["status"] for vote in decision["votes"]][3] == "ok"
    assert all(vote["reason"] for vote in decision["votes"][:3])
    for name in NAMES[:3]:
        assert house.members[name].wait_until(lambda upstream: upstream.connections_open == 0, 3)


@pytest.mark.parametrize(
    ("method", "action"), [("majority", "BUY"), ("confidence_weighted", "SELL"), ("performance_weighted", "BUY")]
)
def test_methods_weigh_the_same_votes_differently(house: House, method: str, action: str) -> None:
    sure = Answer(vote("SELL", confidence=0.95))
    doubtful = [Answer(vote("BUY", confidence=0.3)), Answer(vote("BUY", confidence=0.4))]

    decision = house.decide(sure, *doubtful, method=method, settle="all")

    assert (decision["action"], decision["consensus"]["method"]) == (action, method)
    assert [vote["family"] for vote in decision["votes"]] == list(NAMES[:3])


def test_a_named_panel_with_an_officer_is_vetoed(house: House) -> None:
    decision = house.decide(
        Answer(vote("BUY")), Answer(vote("BUY")), Answer(vote("HOLD")), panel="guarded", models=None
    )

    assert (decision["action"], decision["status"], decision["actionable"]) == ("HOLD", "decided", False)
    assert decision["consensus"]["settled_reason"] == "risk_veto"
    assert decision["risk"]["verdict"] == "reject"
    assert decision["votes"][2]["role"] == "risk_officer"
    assert (decision["entry"], decision["stop_loss"], decision["take_profit"]) == (None, None, [])


def test_a_second_stage_is_asked_only_where_the_first_disagrees(house: House) -> None:
    agreed = house.decide(*[Answer(vote("SELL"))] * 4, panel="staged", models=None)

    assert (agreed["action"], [house.members[name].calls for name in NAMES]) == ("SELL", [0, 0, 1, 1])
    assert agreed["votes"][0]["reason"].startswith("not_asked")

    split = [Answer(vote("BUY")), Answer(vote("BUY")), Answer(vote("BUY")), Answer(vote("SELL"))]
    escalated = house.decide(*split, panel="staged", models=None)

    assert (escalated["action"], [house.members[name].calls for name in NAMES]) == ("BUY", [1, 1, 1, 1])
    assert [vote["stage"] for vote in escalated["votes"]] == [2, 2, 1, 1]


def test_samples_are_streamed_and_counted(house: House) -> None:
    house.script(Answer(vote("BUY")))

    seen = streamed(
        house.client,
        "/decisions",
        {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS[:1], "samples": 3},
    )

    assert [event.name for event in seen] == ["vote", "vote", "vote", "decision"]
    assert sorted(event.data["sample"] for event in seen[:3]) == [1, 2, 3]
    (voted,) = seen[3].data["votes"]
    assert (voted["flip_rate"], len(voted["samples"]), house.members["one"].calls) == (0.0, 3, 3)


def test_an_agents_configurations_sit_each_with_its_own_parameters_and_key(house: House) -> None:
    agent = house.client.post("/agents", json={"name": "desk"}).json()["id"]
    own = {"provider": "one", "model_name": "one-1"}
    for key, temperature in (("sk-first-0123456789", 0.1), ("sk-second-0123456789", 0.9)):
        added = house.client.post(
            f"/agents/{agent}/llm-config", json={**own, "api_key": key, "temperature": temperature}
        )
        assert added.status_code == 201, added.text

    decision = house.decide(Answer(vote("HOLD")), agent_id=agent, models=None, settle="all")

    asked = {r.headers["authorization"]: (r.body or {})["temperature"] for r in house.members["one"].requests}
    assert asked == {"Bearer sk-first-0123456789": 0.1, "Bearer sk-second-0123456789": 0.9}
    assert len(decision["votes"]) == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"samples": 0}, "samples"),
        ({"samples": 11}, "samples"),
        ({"risk_officer": "one/one-1"}, "risk_officer"),
        ({"risk_officer": "nobody-9000", "method": "risk_officer_veto"}, "risk_officer"),
        ({"method": "loudest"}, "method"),
    ],
)
def test_a_wrong_panel_is_refused_by_field(house: House, fields: dict[str, Any], field: str) -> None:
    body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS[:2], **fields}

    error = error_of(house.client.post("/decisions", json=body), 422, "caller_invalid_field")

    assert [violation["field"] for violation in error["errors"]] == [field]


def test_names_and_market_are_refused_together(house: House) -> None:
    body = {
        "symbol": "BTC/USDT",
        "market": market(price={"last": -1}),
        "models": [MEMBERS[0], "nobody-9000"],
        "method": "loudest",
        "quorum": 3,
        "risk_officer": "nobody-9001",
        "risk_check": True,
    }

    error = error_of(house.client.post("/decisions", json=body), 422, "caller_invalid_field")

    assert [violation["field"] for violation in error["errors"]] == [
        "market.price.last",
        "models[1]",
        "risk_officer",
        "method",
        "quorum",
    ]


def test_when_everybody_fails_it_is_an_answer_with_every_reason(house: House) -> None:
    decision = house.decide(*[Status(500)] * 4, method="confidence_weighted")

    assert (decision["status"], decision["actionable"]) == ("no_quorum", False)
    assert all(vote["reason"] for vote in decision["votes"])


def test_a_decision_outlives_a_locked_database_and_a_kill(start: StartService, upstream: StartUpstream) -> None:

    member = upstream(models=("one-1",))
    member.behave(Answer(vote("BUY")))
    service = start(providers=[provider("one", member)], env=PATIENT)
    lock = sqlite3.connect(service.database, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")

    body = {"symbol": "BTC/USDT", "market": market(), "deadline_ms": 1500}
    started = time.monotonic()
    decision = service.client.post("/decisions", json=body)
    took = time.monotonic() - started
    assert decision.status_code == 200, decision.text
    assert took <= 1.5 + OVERRUN
    path = f"/decisions/{decision.json()['id']}"
    assert service.client.get(path).json() == decision.json()

    service.kill()
    lock.execute("ROLLBACK")
    lock.close()
    service.start()
    give_up = time.monotonic() + 10
    while (found := service.client.get(path)).status_code == 404:
        assert time.monotonic() < give_up
    assert found.json() == decision.json()
