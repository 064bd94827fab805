"""One key, one panel: at once, again, after a crash, and on whichever process the request arrives."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.markets import market, vote
from tests.e2e.service import Service, new_encryption_key, plain_client
from tests.e2e.speaking import PATIENT, error_of, provider, streamed
from tests.postgres import PostgresServer
from tests.upstream import Upstream

BODY = {"symbol": "BTC/USDT", "market": market(), "models": ["one/one-1"]}


def post(gateway: Service, key: str, **fields: Any) -> httpx.Response:
    # A connection of its own: the kernel hands it to either worker.
    with plain_client(gateway.base_url) as client:
        return client.post("/decisions", json=BODY | fields, headers={"idempotency-key": key})


def at_once(gateways: list[Service], key: str, number: int) -> list[httpx.Response]:
    with ThreadPoolExecutor(number) as callers:
        return list(callers.map(lambda place: post(gateways[place % len(gateways)], key), range(number)))


def one_panel(answers: list[httpx.Response], upstream: Upstream) -> None:
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    assert all(answer.json() == answers[0].json() for answer in answers)
    assert [answer.headers.get("idempotency-replayed") for answer in answers].count(None) == 1
    assert len(upstream.requests) == 1


@pytest.fixture(scope="module")
def upstream(upstream_once: StartUpstream) -> Upstream:
    return upstream_once(models=("one-1",))


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstream: Upstream) -> Service:
    return start_once(providers=[provider("one", upstream)], env=PATIENT)


def test_fifty_at_once_are_one_panel_and_fifty_equal_answers(gateway: Service, upstream: Upstream) -> None:
    upstream.behave(Answer(vote("BUY"), delay=0.5))
    upstream.forget()

    answers = at_once([gateway], "fifty", 50)

    one_panel(answers, upstream)
    assert gateway.client.get(f"/decisions/{answers[0].json()['id']}").json() == answers[0].json()


def test_two_workers_and_fifty_callers_make_one_panel(start: StartService, upstream: Upstream) -> None:
    gateway = start(providers=[provider("one", upstream)], env={**PATIENT, "OUTCRY_WORKERS": "2"})
    upstream.behave(Answer(vote("BUY"), delay=0.5))
    upstream.forget()

    one_panel(at_once([gateway], "workers", 50), upstream)


def test_two_replicas_on_postgresql_make_one_panel(
    start: StartService, upstream: Upstream, postgres: PostgresServer
) -> None:
    url = postgres.migrated()
    upstream.behave(Answer(vote("BUY"), delay=0.5))
    env = {**PATIENT, "ENCRYPTION_KEYS": new_encryption_key()}
    gateways = [start(providers=[provider("one", upstream)], env=env, database_url=url) for _ in range(2)]
    upstream.forget()

    one_panel(at_once(gateways, "replicas", 20), upstream)


def test_while_the_database_cannot_be_written_nobody_is_asked(gateway: Service, upstream: Upstream) -> None:
    upstream.behave(Answer(vote("BUY")))
    upstream.forget()
    with closing(sqlite3.connect(gateway.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        asked = time.monotonic()
        refused = post(gateway, "locked", deadline_ms=600)

    assert time.monotonic() - asked < 0.9
    error_of(refused, 503, "gateway_storage_unavailable")
    assert not upstream.requests
    assert post(gateway, "locked", deadline_ms=600).json()["action"] == "BUY"


def test_the_answer_is_told_again_whole_and_as_events(gateway: Service, upstream: Upstream) -> None:
    upstream.behave(Answer(vote("BUY")))
    first = post(gateway, "again").json()
    upstream.forget()

    events = streamed(gateway.client, "/decisions", BODY, headers={"idempotency-key": "again"})

    assert [event.name for event in events] == ["vote", "decision"]
    assert events[0].data == first["votes"][0] | {"sample": None}
    assert events[1].data == first
    error_of(post(gateway, "again", symbol="ETH/USDT", market=None, prompt="up?"), 422, "caller_idempotency_mismatch")
    assert not upstream.requests


def test_after_a_kill_in_between_the_outcome_is_unknown_once_and_never_a_silent_second_panel(
    start: StartService, upstream: Upstream
) -> None:
    gateway = start(providers=[provider("one", upstream)], env=PATIENT)
    upstream.behave(Answer(vote("BUY")))
    kept = post(gateway, "kept").json()
    upstream.forget()
    upstream.behave(Answer(vote("BUY"), delay=20))
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(post, gateway, "cut")
        assert upstream.wait_until(lambda there: len(there.requests) == 1)
        gateway.kill()
        assert isinstance(waiting.exception(), httpx.TransportError)
    gateway.start()
    upstream.behave(Answer(vote("SELL")))
    upstream.forget()

    unknown = post(gateway, "cut")
    asked = len(upstream.requests)
    anew = post(gateway, "cut")

    error_of(unknown, 409, "caller_idempotency_unknown_outcome")
    assert asked == 0
    assert (anew.json()["action"], len(upstream.requests)) == ("SELL", 1)
    assert post(gateway, "kept").json() == kept


def test_a_decision_that_cannot_be_committed_waits_on_disk_and_keeps_its_key_also_over_a_kill(
    start: StartService, upstream: Upstream
) -> None:
    gateway = start(providers=[provider("one", upstream)], env=PATIENT)
    upstream.forget()
    answers = []
    for key in ("spilled", "killed"):
        upstream.behave(Answer(vote("BUY"), delay=0.5))
        upstream.forget()
        with ThreadPoolExecutor(1) as caller, closing(sqlite3.connect(gateway.database, isolation_level=None)) as other:
            waiting = caller.submit(post, gateway, key, deadline_ms=1500)
            assert upstream.wait_until(lambda there: len(there.requests) == 1)
            other.execute("BEGIN IMMEDIATE")
            answers.append(waiting.result().json())
            if key == "killed":
                gateway.kill()
    spilled, killed = answers
    assert (spilled["action"], killed["action"]) == ("BUY", "BUY")

    gateway.start()
    upstream.forget()
    for answer in answers:
        until_found(gateway, answer)

    again = [post(gateway, key, deadline_ms=1500) for key in ("spilled", "killed")]

    assert [one.json() for one in again] == answers
    assert {one.headers["idempotency-replayed"] for one in again} == {"true"}
    assert not upstream.requests


def until_found(gateway: Service, answer: dict[str, Any]) -> None:
    end = time.monotonic() + 10
    while gateway.client.get(f"/decisions/{answer['id']}").status_code != 200:
        assert time.monotonic() < end


def test_a_decision_that_was_killed_is_asked_anew_under_its_key_once_it_goes_on(
    gateway: Service, upstream: Upstream
) -> None:
    upstream.behave(Answer(vote("BUY")))
    gateway.client.post("/admin/kill", json={"scope": "all", "reason": "drill"})
    killed = post(gateway, "after-the-storm").json()
    assert post(gateway, "after-the-storm").json() == killed
    gateway.client.post("/admin/resume", json={"scope": "all"})

    decided = post(gateway, "after-the-storm").json()

    assert (killed["status"], decided["action"]) == ("killed", "BUY")
    assert post(gateway, "after-the-storm").json() == decided
    assert gateway.client.get(f"/decisions/{killed['id']}").json() == killed
