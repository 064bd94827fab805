"""The kill switch, from outside: nothing goes upstream, on any worker, over a restart."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Silent, Stream
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, error_of, provider, streamed
from tests.upstream import Upstream

VOTE = '{"action": "BUY", "confidence": 0.7, "reasoning": "up"}'
QUESTION = {"symbol": "BTC/USDT", "prompt": "now?"}


@pytest.fixture(scope="module")
def upstream(upstream_once: StartUpstream) -> Upstream:
    return upstream_once(Answer(VOTE))


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstream: Upstream) -> Service:
    return start_once(providers=[provider("alpha", upstream), provider("beta", upstream)])


def kill(gateway: Service, scope: str) -> None:
    assert gateway.client.post("/admin/kill", json={"scope": scope, "reason": "drill"}).status_code == 200


def resume(gateway: Service, scope: str) -> None:
    assert scope not in str(gateway.client.post("/admin/resume", json={"scope": scope}).json())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat", {"messages": HELLO}),
        ("/chat", {"messages": HELLO, "stream": True}),
        ("/v1/chat/completions", {"model": "auto", "messages": HELLO}),
        ("/v1/responses", {"model": "auto", "input": "hello"}),
        ("/v1/messages", {"model": "auto", "messages": HELLO, "max_tokens": 9}),
        ("/v1/embeddings", {"model": "alpha/alpha-1", "input": "hello"}),
        ("/providers/alpha/test", {}),
    ],
)
def test_while_everything_is_stopped_nothing_goes_upstream(
    gateway: Service, upstream: Upstream, path: str, body: dict[str, object]
) -> None:
    kill(gateway, "all")
    asked = len(upstream.requests)
    try:
        refused = gateway.client.post(path, json=body)
        assert refused.status_code == 503
        assert "policy_killed" in refused.text
        assert "drill" in refused.text
    finally:
        resume(gateway, "all")
    assert len(upstream.requests) == asked


def test_a_decision_is_a_hold_that_says_so_and_is_found_again(gateway: Service, upstream: Upstream) -> None:
    kill(gateway, "all")
    asked = len(upstream.requests)
    decision = gateway.client.post("/decisions", json=QUESTION).json()
    events = streamed(gateway.client, "/decisions", QUESTION)
    resume(gateway, "all")

    assert (decision["action"], decision["status"], decision["actionable"]) == ("HOLD", "killed", False)
    assert decision["consensus"]["settled_reason"] == "killed"
    assert [event.name for event in events] == ["decision"]
    assert events[0].data["status"] == "killed"
    assert gateway.client.get(f"/decisions/{decision['id']}").json() == decision
    assert len(upstream.requests) == asked
    assert gateway.client.post("/decisions", json=QUESTION).json()["action"] == "BUY"


def test_a_stopped_model_is_left_out_and_the_plan_says_why(gateway: Service) -> None:
    kill(gateway, "model:alpha/alpha-1")
    try:
        answer = gateway.client.post("/chat", json={"messages": HELLO}).json()
        pinned = gateway.client.post("/chat", json={"messages": HELLO, "model": "alpha/alpha-1"})
        decision = gateway.client.post("/decisions", json=QUESTION).json()
    finally:
        resume(gateway, "model:alpha/alpha-1")

    assert answer["provider"] == "beta"
    why = {row["target"]: row["why_not"] for row in answer["routing"]["candidates"]}
    assert "model:alpha/alpha-1 is stopped: drill" in why["alpha/alpha-1"]
    assert "drill" in error_of(pinned, 503, "policy_killed")["message"]
    stopped = next(vote for vote in decision["votes"] if vote["provider"] == "alpha")
    assert (stopped["action"], stopped["status"]) == (None, "error")
    assert "policy_killed" in stopped["reason"]


def test_an_agents_stop_is_its_own(gateway: Service) -> None:
    agent = gateway.client.post("/agents", json={"name": "a"}).json()["id"]
    body = {"provider": "alpha", "model_name": "alpha-1"}
    gateway.client.put(f"/agents/{agent}/llm-config", json=body)
    kill(gateway, f"agent:{agent}")
    try:
        refused = gateway.client.post("/chat", json={"messages": HELLO, "agent_id": agent})
        others = gateway.client.post("/chat", json={"messages": HELLO})
        decision = gateway.client.post("/decisions", json={**QUESTION, "agent_id": agent}).json()
    finally:
        resume(gateway, f"agent:{agent}")
    error_of(refused, 503, "policy_killed")
    assert others.status_code == 200
    assert decision["status"] == "killed"


def test_a_stop_is_in_force_on_all_workers_within_a_second_and_survives_a_restart(
    start: StartService, upstream: Upstream
) -> None:
    gateway = start(providers=[provider("alpha", upstream)], env={"OUTCRY_WORKERS": "2"})
    kill(gateway, "all")
    stopped = time.monotonic()
    assert until_all_are(gateway, 503) - stopped < 1
    gateway.stop()
    gateway.start()
    assert chat(gateway).status_code == 503
    resume(gateway, "all")
    until_all_are(gateway, 200)
    history = gateway.client.get("/admin/kill").json()["history"]
    assert [event["action"] for event in history] == ["resume", "kill"]


def test_panels_under_way_end_within_a_second_of_the_stop_on_all_workers(
    start: StartService, upstream_once: StartUpstream
) -> None:
    silent = upstream_once(Silent())
    gateway = start(providers=[provider("alpha", silent)], env={"OUTCRY_WORKERS": "2"})

    def decision() -> tuple[dict[str, Any], float]:
        # A connection of its own each: the kernel hands them to both workers.
        with plain_client(gateway.base_url) as client:
            answer = client.post("/decisions", json={**QUESTION, "deadline_ms": 20_000}).json()
            return answer, time.monotonic()

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(decision) for _ in range(8)]
        assert silent.wait_until(lambda its: its.calls == 8)
        stopped = time.monotonic()
        kill(gateway, "all")
        answers = [one.result() for one in asked]

    assert max(at for _, at in answers) - stopped < 1.0
    for answer, _ in answers:
        assert (answer["status"], answer["consensus"]["settled_reason"]) == ("killed", "killed")
        assert answer["votes"][0]["reason"] == "policy_killed: all is stopped: drill"
        assert gateway.client.get(f"/decisions/{answer['id']}").json() == answer
    resume(gateway, "all")


def test_a_model_stopped_under_way_ends_its_seat_and_the_panel_goes_on(
    start: StartService, upstream_once: StartUpstream, upstream: Upstream
) -> None:
    silent = upstream_once(Silent())
    gateway = start(providers=[provider("alpha", silent), provider("beta", upstream), provider("gamma", upstream)])
    body = {**QUESTION, "deadline_ms": 20_000, "method": "unanimous", "quorum": 2}

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(lambda: gateway.client.post("/decisions", json=body).json())
        assert silent.wait_until(lambda its: its.calls == 1)
        kill(gateway, "model:alpha/alpha-1")
        decision = asked.result(timeout=5)

    stopped = next(vote for vote in decision["votes"] if vote["provider"] == "alpha")
    assert "model:alpha/alpha-1 is stopped: drill" in stopped["reason"]
    assert (decision["action"], decision["status"]) == ("BUY", "decided")


def test_a_committed_stream_ends_with_the_stop_in_band(start: StartService, upstream_once: StartUpstream) -> None:
    gateway = start(providers=[provider("alpha", upstream_once(Stream(stall_after=2)))])
    lines: list[str] = []
    with gateway.client.stream("POST", "/chat", json={"messages": HELLO, "stream": True}) as answer:
        for line in answer.iter_lines():
            if line == "event: delta" and line not in lines:
                kill(gateway, "all")
            lines.append(line)
    assert "event: error" in lines
    assert "policy_killed" in lines[-2]


def chat(gateway: Service) -> httpx.Response:
    # A connection of its own: the kernel hands it to either worker.
    with plain_client(gateway.base_url, seconds=10) as client:
        return client.post("/chat", json={"messages": HELLO})


def until_all_are(gateway: Service, status: int) -> float:
    """Return once so many answers in a row are this that no worker gives another; when the first of these was asked."""
    end, row, since = time.monotonic() + 10, 0, 0.0
    while row < 20:
        asked = time.monotonic()
        row = row + 1 if chat(gateway).status_code == status else 0
        since = asked if row <= 1 else since
        assert asked < end
    return since
