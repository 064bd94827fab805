"""A run over HTTP: recorded once, told again with nobody there, flagged and free."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, content, error_of, events, provider, within
from tests.upstream import Upstream

KEYS = {"OUTCRY_API_KEYS": "desk-key-0123456789:chat+decisions+read,other-key-0123456789:chat+decisions+read"}
OURS = {"authorization": "Bearer desk-key-0123456789"}
THEIRS = {"authorization": "Bearer other-key-0123456789"}


@pytest.fixture(scope="module")
def upstreams(upstream_once: StartUpstream) -> list[Upstream]:
    return [upstream_once(models=(f"{name}-1",)) for name in ("one", "two", "three")]


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstreams: list[Upstream]) -> Service:
    names = ("one", "two", "three")
    configured = [provider(name, one) for name, one in zip(names, upstreams, strict=True)]
    return start_once(providers=configured, env=PATIENT | KEYS)


def run(mode: str, name: str = "r1", key: dict[str, str] = OURS) -> dict[str, str]:
    return {"x-outcry-replay": mode, "x-outcry-run": name, **key}


def say(upstreams: list[Upstream], *behaviours: Any) -> None:
    for upstream, behaviour in zip(upstreams, behaviours, strict=True):
        upstream.behave(behaviour)
        upstream.forget()


def dead(upstreams: list[Upstream]) -> None:
    say(upstreams, *[Status(500)] * 3)


def calls(upstreams: list[Upstream]) -> int:
    return sum(upstream.calls for upstream in upstreams)


def test_a_completion_is_told_again_with_nobody_there(gateway: Service, upstreams: list[Upstream]) -> None:
    say(upstreams, Answer("up"), Status(500), Status(500))
    body = {"messages": HELLO, "model": "one/one-1"}
    live = gateway.client.post("/chat", json=body, headers=run("record"))
    dead(upstreams)

    told = gateway.client.post("/chat", json=body, headers=run("replay"))

    assert (live.status_code, "x-outcry-replayed" in live.headers) == (200, False)
    assert (told.status_code, told.headers["x-outcry-replayed"], told.headers["x-outcry-cost-usd"]) == (
        200,
        "true",
        "0",
    )
    assert told.headers["x-outcry-attempts"] == "0"
    assert (told.json()["content"], told.json()["replayed"], told.json()["attempts"]) == ("up", True, [])
    assert calls(upstreams) == 0
    # Rows are written in their order: with that of a later request, all of an earlier one would be there.
    say(upstreams, Answer("later"), Status(500), Status(500))
    later = gateway.client.post("/chat", json=body, headers=OURS)
    assert within(5, lambda: is_on_record(gateway, later))
    assert is_on_record(gateway, live)
    assert not is_on_record(gateway, told)


def is_on_record(gateway: Service, answer: httpx.Response) -> bool:
    """Whether an attempt of this request is told as used."""
    rows = gateway.client.get("/usage", params={"limit": 50}, headers=OURS).json()["items"]
    return any(row["request_id"].startswith(answer.headers["x-request-id"]) for row in rows)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/v1/responses"])
def test_a_stream_of_every_wire_is_told_again(gateway: Service, upstreams: list[Upstream], path: str) -> None:
    say(upstreams, Answer("up we go"), Status(500), Status(500))
    body: dict[str, Any] = {"model": "one/one-1", "stream": True}
    body |= {"input": "hello"} if path == "/v1/responses" else {"messages": HELLO, "max_tokens": 50}
    seen = []
    for mode in ("record", "replay"):
        with gateway.client.stream("POST", path, json=body, headers=run(mode)) as response:
            assert response.status_code == 200, response.read()
            seen.append(("x-outcry-replayed" in response.headers, list(events(response))))
        dead(upstreams)

    assert [replayed for replayed, _ in seen] == [False, True]
    assert len(seen[0][1]) == len(seen[1][1])
    if path == "/v1/chat/completions":
        assert content(seen[1][1]) == "up we go"
    assert calls(upstreams) == 0


def test_a_decision_is_made_again_with_the_same_hash(gateway: Service, upstreams: list[Upstream]) -> None:
    say(upstreams, Answer(vote("BUY"), delay=0.2), Answer(vote("BUY")), Answer(vote("SELL"), delay=0.1))
    body = {"symbol": "BTC/USDT", "market": market(), "models": ["one/one-1", "two/two-1", "three/three-1"]}
    live = gateway.client.post("/decisions", json=body, headers=run("record"))
    dead(upstreams)

    told = [gateway.client.post("/decisions", json=body, headers=run("replay")) for _ in range(2)]

    hashes = {one.headers["x-outcry-decision-hash"] for one in (live, *told)}
    assert len(hashes) == 1
    assert {one.json()["decision_hash"] for one in told} == hashes
    assert [one.json()["replayed"] for one in (live, *told)] == [False, True, True]
    assert (told[0].headers["x-outcry-cost-usd"], told[0].json()["cost_usd"]) == ("0", "0")
    assert calls(upstreams) == 0
    stored = gateway.client.get(f"/decisions/{told[0].json()['id']}", headers=OURS).json()
    assert stored == told[0].json()


def test_a_miss_is_a_409_and_no_call(gateway: Service, upstreams: list[Upstream]) -> None:
    dead(upstreams)
    chat = {"messages": [{"role": "user", "content": "never asked"}], "model": "one/one-1"}
    decision = {"symbol": "BTC/USDT", "prompt": "never asked", "models": ["one/one-1"]}
    for path, body in (("/chat", chat), ("/v1/chat/completions", chat), ("/decisions", decision)):
        error_of(gateway.client.post(path, json=body, headers=run("replay")), 409, "caller_replay_miss")

    assert calls(upstreams) == 0


def test_another_key_has_other_runs(gateway: Service, upstreams: list[Upstream]) -> None:
    say(upstreams, Answer("secret"), Status(500), Status(500))
    body = {"messages": HELLO, "model": "one/one-1"}
    gateway.client.post("/chat", json=body, headers=run("record", "private"))

    error_of(
        gateway.client.post("/chat", json=body, headers=run("replay", "private", THEIRS)), 409, "caller_replay_miss"
    )


@pytest.mark.parametrize(
    ("headers", "param"),
    [
        ({"x-outcry-replay": "record"}, "x-outcry-run"),
        ({"x-outcry-replay": "again", "x-outcry-run": "r"}, "x-outcry-replay"),
        ({"x-outcry-replay": "record", "x-outcry-run": "../r"}, "x-outcry-run"),
        ({"x-outcry-replay": "record", "x-outcry-run": "r" * 129}, "x-outcry-run"),
    ],
    ids=str,
)
def test_a_wrong_header_is_named(gateway: Service, headers: dict[str, str], param: str) -> None:
    for path in ("/chat", "/decisions"):
        response = gateway.client.post(path, json={"messages": HELLO}, headers=headers | OURS)
        assert error_of(response, 400, "caller_invalid_header")["param"] == param


def test_what_cannot_be_recorded_says_so(gateway: Service) -> None:
    bodies: dict[str, Any] = {
        "/v1/embeddings": {"model": "one/one-1", "input": "up"},
        "/v1/messages/count_tokens": {"model": "one/one-1", "messages": HELLO},
    }
    for path, body in bodies.items():
        response: httpx.Response = gateway.client.post(path, json=body, headers=run("record"))
        assert response.status_code == 400, path
        assert "x-outcry-replay" in response.text


def test_runs_outlive_the_process(start: StartService, upstream: StartUpstream) -> None:
    one = upstream(Answer("kept"))
    gateway = start(providers=[provider("one", one)], env=PATIENT)
    body = {"messages": HELLO, "model": "one/one-1"}
    headers = {"x-outcry-replay": "record", "x-outcry-run": "r"}
    assert gateway.client.post("/chat", json=body, headers=headers).status_code == 200
    gateway.stop()
    one.behave(Status(500))
    gateway.start()

    told = gateway.client.post("/chat", json=body, headers=headers | {"x-outcry-replay": "replay"})

    assert told.json()["content"] == "kept"
