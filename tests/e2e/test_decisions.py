"""A panel of models decides under one deadline, and nothing is ever invented."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Behaviour, Empty, Html, Refuse, Reset, Silent, Status, Stream
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.speaking import PATIENT, error_of, metrics, provider, streamed, total
from tests.upstream import Script, Upstream

SANDBOX = ["paper/trend", "paper/reversion", "paper/breakout"]
MEMBERS = ["one/one-1", "two/two-1", "three/three-1"]


class Panel:
    """Three scripted members and the sandbox behind one gateway."""

    def __init__(self, client: httpx.Client, members: dict[str, Upstream]) -> None:
        self.client, self.members = client, members

    def decide(self, *scripts: Behaviour | Script, **fields: Any) -> Any:
        for member, script in zip(self.members.values(), scripts, strict=True):
            member.behave(script)
            member.forget()
        body = {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS, "settle": "all", **fields}
        response = self.client.post("/decisions", json=body)
        assert response.status_code == 200, response.text
        return self.complete(response.json()) if body["settle"] == "all" else response.json()

    def complete(self, decision: Any) -> Any:
        """The decision as it is stored once every vote has come, which may be after the answer went out."""
        give_up = time.monotonic() + 5
        while any(vote["status"] == "pending" for vote in decision["votes"]):
            assert time.monotonic() < give_up, decision
            decision = self.client.get(f"/decisions/{decision['id']}").json()
        return decision


@pytest.fixture(scope="module")
def panel(start_once: StartService, upstream_once: StartUpstream) -> Panel:
    members = {name: upstream_once(models=(f"{name}-1",)) for name in ("one", "two", "three")}
    configured = [provider(name, member, priority=1) for name, member in members.items()]
    sandbox = {"name": "paper", "provider_type": "sandbox", "priority": 9}
    config = {
        "providers": [*configured, sandbox],
        "panels": {"desk": {"members": SANDBOX, "method": "majority", "quorum": 2}},
    }
    return Panel(start_once(config=config, env=PATIENT).client, members)


def votes_by_provider(decision: Any) -> dict[str, Any]:
    return {vote["provider"]: vote for vote in decision["votes"]}


def test_the_three_sandbox_traders_vote_on_a_market(panel: Panel) -> None:
    body = {"symbol": "BTC/USDT", "market": market(), "models": SANDBOX, "settle": "all"}

    decision = panel.client.post("/decisions", json=body).json()

    assert {vote["model"] for vote in decision["votes"]} == {"trend", "reversion", "breakout"}
    assert {vote["status"] for vote in decision["votes"]} <= {"ok", "repaired"}
    assert decision["action"] in {"BUY", "SELL", "HOLD"}
    assert decision["status"] in {"decided", "no_quorum"}
    assert decision["consensus"]["method"] == "majority"
    assert decision["consensus"]["quorum"] == 2


def test_a_majority_decides_with_the_median_of_its_prices(panel: Panel) -> None:
    decision = panel.decide(
        Answer(vote("BUY", stop_loss=64000.0)),
        Answer(vote("BUY", stop_loss=63900.0), delay=0.3),
        Answer(vote("SELL")),
    )

    assert (decision["action"], decision["status"], decision["actionable"]) == ("BUY", "decided", True)
    assert decision["consensus"]["settled_reason"] == "all_voted"
    assert 63900 <= decision["stop_loss"] <= 64000
    assert isinstance(decision["take_profit"], list)
    assert decision["entry"]["type"] in {"market", "limit"}
    assert votes_by_provider(decision)["three"]["action"] == "SELL"
    assert len(decision["consensus"]["dissent"]) == 1


def test_members_are_understood_in_whatever_form_and_language_they_answer(panel: Panel) -> None:
    decision = panel.decide(
        Answer('{"操作": "买入", "置信度": "70%", "理由": "突破", "入场价": 64231.5, "止损": "64,000", "止盈": 64800}'),
        Answer(
            "Überlegt.\n\nEmpfehlung: **Kaufen**\nKonfidenz: hoch\nStop: 64.000,00\nKursziel: 64800\nEinstieg: 64231,50"
        ),
        Answer("{'action': 'LONG', 'confidence': 80%, 'entry_price': 64231.5, 'stop_loss': 64000, 'tp': [64800],}"),
    )

    votes = votes_by_provider(decision)
    read = {name: (vote["status"], vote["parse"]["method"], vote["confidence"]) for name, vote in votes.items()}
    assert read == {
        "one": ("ok", "json", pytest.approx(0.7)),
        "two": ("ok", "label", pytest.approx(0.85)),
        "three": ("repaired", "repair", pytest.approx(0.8)),
    }
    assert (decision["action"], decision["stop_loss"], decision["actionable"]) == ("BUY", 64000, True)


@pytest.mark.parametrize("broken", [Html(), Empty()], ids=str)
def test_a_body_that_is_no_answer_is_the_providers_failure_and_asked_for_again(panel: Panel, broken: Behaviour) -> None:
    script = iter([broken])

    decision = panel.decide(
        Answer(vote("BUY")),
        Answer(vote("BUY")),
        lambda _: next(script, Answer(vote("BUY"))),
    )

    assert votes_by_provider(decision)["three"]["status"] == "ok"
    assert panel.members["three"].calls == 2


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (Refuse(), ["error"]),
        (Status(500), ["error"]),
        (Reset(), ["error"]),
        (Html(), ["error"]),
        (Stream(words=("I would not buy here.",)), ["invalid", "abstained"]),
        (Answer('{"action": "BUY|SELL|HOLD"}'), ["invalid"]),
        (Answer("I cannot provide financial advice."), ["refused", "invalid", "abstained"]),
        (Answer('{"action": "BUY", "reasoning": "because', finish_reason="length"), ["truncated", "invalid"]),
        (Answer(vote("BUY", stop_loss=2)), ["invalid"]),
    ],
    ids=str,
)
def test_a_broken_member_abstains_with_its_reason_and_the_others_decide(
    panel: Panel, broken: Behaviour, status: list[str]
) -> None:
    decision = panel.decide(Answer(vote("SELL")), Answer(vote("SELL")), broken)

    abstained = votes_by_provider(decision)["three"]
    assert abstained["status"] in status, abstained
    assert (abstained["action"], abstained["confidence"]) == (None, None)
    assert abstained["reason"]
    assert (decision["action"], decision["status"]) == ("SELL", "decided")


def test_when_all_fail_there_is_no_quorum_and_no_action(panel: Panel) -> None:
    decision = panel.decide(Status(500), Refuse(), Answer("hm"))

    assert (decision["status"], decision["actionable"], decision["action"]) == ("no_quorum", False, "HOLD")
    assert decision["consensus"]["settled_reason"] == "no_quorum"
    assert [vote["action"] for vote in decision["votes"]] == [None, None, None]
    assert all(vote["reason"] for vote in decision["votes"])


def test_a_tie_is_said_to_be_one(panel: Panel) -> None:
    decision = panel.decide(Answer(vote("BUY")), Answer(vote("SELL")), Answer("hm"))

    assert (decision["action"], decision["actionable"], decision["status"]) == ("HOLD", False, "no_quorum")
    assert decision["consensus"]["settled_reason"] == "tie"


def test_a_quorum_that_is_not_reached_decides_nothing(panel: Panel) -> None:
    decision = panel.decide(Answer(vote("BUY")), Answer(vote("BUY")), Status(500), quorum=3)

    assert (decision["status"], decision["actionable"]) == ("no_quorum", False)


def test_a_silent_member_costs_no_more_than_the_deadline(panel: Panel) -> None:
    started = time.monotonic()

    decision = panel.decide(Answer(vote("BUY")), Answer(vote("SELL")), Silent(), deadline_ms=1000)

    assert time.monotonic() - started <= 1.0 + 0.25
    assert votes_by_provider(decision)["three"]["status"] == "timeout"
    assert decision["latency_ms"] <= 1250


def test_an_outcome_that_is_fixed_is_not_waited_for(panel: Panel) -> None:
    decision = panel.decide(Answer(vote("BUY")), Answer(vote("BUY")), Silent(), settle="early", deadline_ms=10_000)

    assert decision["action"] == "BUY"
    assert decision["consensus"]["settled_reason"] == "outcome_fixed"
    assert decision["consensus"]["settled_at_ms"] < 5000
    assert votes_by_provider(decision)["three"]["status"] in {"cancelled", "pending"}
    assert panel.members["three"].wait_until(lambda u: u.connections_open == 0, 2)


def test_a_decision_is_found_again_as_it_was_answered(panel: Panel) -> None:
    decision = panel.decide(Answer(vote("BUY")), Answer(vote("BUY")), Answer(vote("HOLD")))

    again = panel.client.get(f"/decisions/{decision['id']}").json()
    listed = panel.client.get("/decisions", params={"limit": 1}).json()

    assert again == decision
    assert listed["items"][0]["id"] == decision["id"]
    assert listed["next"]
    second = panel.client.get("/decisions", params={"limit": 1, "cursor": listed["next"]}).json()
    assert second["items"][0]["id"] != decision["id"]
    error_of(panel.client.get("/decisions/no-such-decision"), 404, "caller_not_found")


def test_votes_are_streamed_as_they_come_and_then_the_decision(panel: Panel) -> None:
    actions = (("BUY", 0.0), ("SELL", 0.2), ("BUY", 0.4))
    for member, (action, delay) in zip(panel.members.values(), actions, strict=True):
        member.behave(Answer(vote(action), delay=delay))

    seen = streamed(
        panel.client,
        "/decisions",
        {"symbol": "BTC/USDT", "market": market(), "models": MEMBERS, "settle": "all"},
    )

    assert [event.name for event in seen] == ["vote", "vote", "vote", "decision"]
    assert [event.data["provider"] for event in seen[:3]] == ["one", "two", "three"]
    assert seen[3].data["action"] == "BUY"
    assert seen[3].data == panel.client.get(f"/decisions/{seen[3].data['id']}").json()


def test_a_prompt_of_ones_own_is_asked_and_the_market_still_validates(panel: Panel) -> None:
    decision = panel.decide(
        Answer(vote("BUY", stop_loss=65000.0)), Answer(vote("BUY")), Answer(vote("BUY")), prompt="Buy or sell?"
    )

    codes = [violation["code"] for violation in votes_by_provider(decision)["one"]["violations"]]
    assert codes
    assert "Buy or sell?" in str(panel.members["one"].requests[-1].body)
    assert decision["action"] == "BUY"


def test_a_named_panel_decides(panel: Panel) -> None:
    decision = panel.client.post(
        "/decisions", json={"symbol": "BTC/USDT", "market": market(), "panel": "desk", "settle": "all"}
    ).json()

    assert {f"{vote['provider']}/{vote['model']}" for vote in decision["votes"]} == set(SANDBOX)


def test_without_models_every_provider_sits_on_the_panel(panel: Panel) -> None:
    for member in panel.members.values():
        member.behave(Answer(vote("HOLD")))

    decision = panel.client.post("/decisions", json={"symbol": "BTC/USDT", "market": market(), "settle": "all"}).json()

    assert {f"{vote['provider']}/{vote['model']}" for vote in decision["votes"]} == {*MEMBERS, *SANDBOX}


def test_decisions_are_counted(panel: Panel) -> None:
    before = total(metrics(panel.client), "outcry_decisions_total")

    # Two who agree settle it: the third has failed by then.
    panel.decide(Answer(vote("BUY"), delay=0.2), Answer(vote("BUY"), delay=0.2), Status(500))

    samples = metrics(panel.client)
    assert total(samples, "outcry_decisions_total") == before + 1
    assert total(samples, "outcry_votes_total", provider="three", model="three-1", status="error") >= 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"symbol": "btc usdt"}, "symbol"),
        ({"market": None}, "market"),
        ({"market": market(price={"last": -1})}, "market.price.last"),
        ({"market": market(indicators={"rsi": {"period": 14, "value": 101}})}, "market.indicators.rsi.value"),
        ({"market": market(colour="red")}, "market.colour"),
        ({"quorum": 9}, "quorum"),
        ({"method": "loudest"}, "method"),
        ({"deadline_ms": "soon"}, "deadline_ms"),
        ({"panel": "nobody", "models": None}, "panel"),
    ],
)
def test_a_wrong_question_is_refused_by_field(panel: Panel, change: dict[str, Any], field: str) -> None:
    body = {"symbol": "BTC/USDT", "market": market(), "models": SANDBOX, **change}

    error = error_of(panel.client.post("/decisions", json=body), 422, "caller_invalid_field")

    assert any(field in violation["field"] for violation in error["errors"]), error


def test_an_unknown_member_is_named(panel: Panel) -> None:
    response = panel.client.post(
        "/decisions", json={"symbol": "BTC/USDT", "market": market(), "models": ["one/one-1", "nobody-9000"]}
    )

    assert response.status_code in {404, 422}
    assert "nobody-9000" in response.text
