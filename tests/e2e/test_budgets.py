"""Budgets, from outside: what is refused, what is counted, what is left, and over restarts."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Status, Stream, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.revision import is_in_force
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, error_of, metrics, provider, streamed, within
from tests.upstream import Received, Upstream

# Ten tokens of answer at 100 dollars a million are a tenth of a cent; the prompt is free.
PRICE = {"input_per_1m_tokens": 0, "output_per_1m_tokens": 100}
CHEAP = {"input_per_1m_tokens": 0, "output_per_1m_tokens": 10}
COST = Decimal("0.001")
ASKED = {"messages": HELLO, "max_tokens": 10}
VOTE = '{"action": "BUY", "confidence": 0.7, "reasoning": "up"}'


@pytest.fixture(scope="module")
def upstream(upstream_once: StartUpstream) -> Upstream:
    return upstream_once(Answer(VOTE, usage=Tokens(11, 10)))


@pytest.fixture(scope="module")
def gateway(start_once: StartService, upstream: Upstream) -> Service:
    providers = [
        provider("alpha", upstream, cost=PRICE, priority=1),
        provider("beta", upstream, cost=CHEAP, priority=2),
        provider("free", upstream, priority=3, enabled=True),
    ]
    return start_once(providers=providers)


@pytest.fixture(autouse=True)
def _no_budgets(gateway: Service, upstream: Upstream) -> Iterator[None]:
    upstream.behave(lambda _: Answer(VOTE, usage=Tokens(11, 10)))
    yield
    for item in gateway.client.get("/budgets").json()["items"]:
        gateway.client.delete(f"/budgets/{item['scope']}")


def agent(gateway: Service) -> str:
    """The scope of a new agent: nobody has spent anything of it."""
    return f"agent:{gateway.client.post('/agents', json={'name': 'spender'}).json()['id']}"


def put(gateway: Service, scope: str, **body: Any) -> dict[str, Any]:
    answer = gateway.client.put(f"/budgets/{scope}", json={"window": "day", **body})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def state(gateway: Service, scope: str) -> dict[str, Any]:
    found: dict[str, Any] = gateway.client.get(f"/budgets/{scope}").json()
    return found


def chat(
    gateway: Service, scope: str, path: str = "/chat", model: str = "alpha/alpha-1", **body: Any
) -> httpx.Response:
    headers = {"x-outcry-agent": scope.removeprefix("agent:"), "connection": "close"}
    return gateway.client.post(path, json={**ASKED, "model": model, **body}, headers=headers)


def at_once(gateway: Service, scope: str, times: int, most: int = 200) -> Counter[int]:
    """How so many requests at once were answered."""

    def one(_: int) -> int:
        headers = {"x-outcry-agent": scope.removeprefix("agent:")} if scope.startswith("agent:") else {}
        body = {**ASKED, "model": "alpha/alpha-1"}
        with plain_client(gateway.base_url, seconds=60) as client:
            return client.post("/chat", json=body, headers=headers).status_code

    with ThreadPoolExecutor(most) as callers:
        return Counter(callers.map(one, range(times)))


def test_of_two_hundred_at_once_exactly_what_the_cap_is_worth_is_answered(gateway: Service, upstream: Upstream) -> None:
    scope = agent(gateway)
    put(gateway, scope, cost_usd=str(50 * COST))
    before = upstream.calls

    assert at_once(gateway, scope, 200) == {200: 50, 402: 150}

    assert upstream.calls - before == 50
    found = state(gateway, scope)
    assert (found["used"], found["left"]) == (
        {"cost_usd": "0.05", "tokens": 50 * 21},
        {"cost_usd": "0", "tokens": None},
    )


def test_a_refusal_names_the_budget_and_tells_nobody_to_come_again(gateway: Service, upstream: Upstream) -> None:
    scope = agent(gateway)
    put(gateway, scope, cost_usd="0.0009")
    before = upstream.calls

    refused = chat(gateway, scope)

    error = error_of(refused, 402, "policy_budget_exceeded")
    assert error["type"] == "insufficient_quota"
    assert f"the day budget of {scope} ($0.0009)" in error["message"]
    assert "begins anew at" in error["message"]
    assert refused.headers["x-should-retry"] == "false"
    assert "retry-after" not in refused.headers
    assert upstream.calls == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/chat", {"messages": HELLO}),
        ("/chat", {"messages": HELLO, "stream": True}),
        ("/v1/chat/completions", {"model": "alpha/alpha-1", "messages": HELLO}),
        ("/v1/responses", {"model": "alpha/alpha-1", "input": "hello"}),
        ("/v1/messages", {"model": "alpha/alpha-1", "messages": HELLO, "max_tokens": 9}),
        ("/v1/embeddings", {"model": "alpha/alpha-1", "input": "hello"}),
    ],
)
def test_at_the_gateways_cap_nothing_goes_upstream(
    gateway: Service, upstream: Upstream, path: str, body: dict[str, object]
) -> None:
    put(gateway, "gateway", tokens=0)
    before = len(upstream.requests)

    refused = gateway.client.post(path, json=body)

    assert refused.status_code == 402
    assert "policy_budget_exceeded" in refused.text
    assert len(upstream.requests) == before


def test_decisions_and_conformance_tests_and_checks_of_configurations_are_no_way_around(
    gateway: Service, upstream: Upstream
) -> None:
    put(gateway, "gateway", tokens=0)
    before = upstream.calls

    decided = gateway.client.post("/decisions", json={"symbol": "BTC/USDT", "prompt": "now?"})
    assert decided.status_code in (200, 402)
    assert "policy_budget_exceeded" in decided.text
    tested = gateway.client.post("/providers/alpha/test", json={})
    assert "no room" in tested.text
    number = agent(gateway).removeprefix("agent:")
    config = {"provider": "alpha", "model_name": "alpha-1"}
    gateway.client.put(f"/agents/{number}/llm-config", json=config)
    gateway.client.post(f"/agents/{number}/llm-config/validate", json=config)

    assert upstream.calls == before


def test_a_window_each_and_the_tightest_counts(gateway: Service) -> None:
    scope = agent(gateway)
    put(gateway, scope, window="month", cost_usd="5", alert_at=None)
    put(gateway, scope, window="minute", tokens=10_000, on_exceeded="downgrade")

    found = state(gateway, scope)
    assert (found["scope"], found["window"], found["tokens"], found["on_exceeded"]) == (
        scope, "minute", 10_000, "downgrade",
    )  # fmt: skip
    assert [one["window"] for one in found["windows"]] == ["minute", "month"]
    month = gateway.client.get(f"/budgets/{scope}", params={"window": "month"}).json()
    assert (month["cost_usd"], month["alert_at"], month["left"]) == ("5", None, {"cost_usd": "5", "tokens": None})

    assert gateway.client.delete(f"/budgets/{scope}", params={"window": "minute"}).status_code == 204
    assert [one["window"] for one in state(gateway, scope)["windows"]] == ["month"]
    assert gateway.client.delete(f"/budgets/{scope}").status_code == 204
    error_of(gateway.client.get(f"/budgets/{scope}"), 404, "caller_not_found")
    error_of(gateway.client.delete(f"/budgets/{scope}"), 404, "caller_not_found")


@pytest.mark.parametrize(
    ("scope", "body", "status", "field"),
    [
        ("planet", {"window": "day", "tokens": 1}, 422, "scope"),
        ("agent:0", {"window": "day", "tokens": 1}, 422, "scope"),
        ("agent:999999", {"window": "day", "tokens": 1}, 404, None),
        ("agent:99999999999999999", {"window": "day", "tokens": 1}, 404, "scope"),
        ("provider:nobody", {"window": "day", "tokens": 1}, 404, "scope"),
        ("key:nobody", {"window": "day", "tokens": 1}, 404, "scope"),
        ("gateway", {"window": "week", "tokens": 1}, 422, "window"),
        ("gateway", {"window": "day"}, 422, None),
        ("gateway", {"window": "day", "cost_usd": "-1"}, 422, "cost_usd"),
        ("gateway", {"window": "day", "cost_usd": "NaN"}, 422, "cost_usd"),
        ("gateway", {"window": "day", "cost_usd": "1e999"}, 422, "cost_usd"),
        ("gateway", {"window": "day", "cost_usd": True}, 422, "cost_usd"),
        ("gateway", {"window": "day", "cost_usd": "1_000"}, 422, "cost_usd"),
        ("gateway", {"window": "day", "cost_usd": "\u0663"}, 422, "cost_usd"),
        ("gateway", {"window": "day", "tokens": -1}, 422, "tokens"),
        ("gateway", {"window": "day", "tokens": 1.5}, 422, "tokens"),
        ("gateway", {"window": "day", "tokens": 1, "alert_at": 0}, 422, "alert_at"),
        ("gateway", {"window": "day", "tokens": 1, "on_exceeded": "beg"}, 422, "on_exceeded"),
        ("gateway", {"tokens": 1}, 422, "window"),
        ("gateway", {"window": "day", "tokens": 1, "more": 1}, 422, "more"),
    ],
)
def test_what_is_no_budget_is_refused_by_its_field(
    gateway: Service, scope: str, body: dict[str, Any], status: int, field: str | None
) -> None:
    refused = gateway.client.put(f"/budgets/{scope}", json=body)

    assert refused.status_code == status, refused.text
    assert field is None or refused.json()["error"]["param"] == field
    assert gateway.client.get("/budgets").json() == {"items": []}


def test_a_misspelt_window_removes_nothing(gateway: Service) -> None:
    scope = agent(gateway)
    for window in ("day", "month"):
        put(gateway, scope, window=window, tokens=5)

    removed = gateway.client.delete(f"/budgets/{scope}", params={"windwo": "day"})

    error_of(removed, 422, "caller_invalid_field")
    assert len(state(gateway, scope)["windows"]) == 2


def test_an_answer_says_what_is_left_and_the_metrics_too(gateway: Service) -> None:
    scope = agent(gateway)
    assert "x-outcry-budget-left-usd" not in chat(gateway, scope).headers
    put(gateway, scope, window="month", cost_usd="5", tokens=1_000_000)
    put(gateway, scope, window="day", cost_usd="0.01")

    answered = chat(gateway, scope)

    used = Decimal(state(gateway, scope)["used"]["cost_usd"])
    assert Decimal(answered.headers["x-outcry-budget-left-usd"]) == Decimal("0.01") - used
    assert int(answered.headers["x-outcry-budget-left-tokens"]) <= 1_000_000 - 21
    samples = metrics(gateway.client)
    left = samples['outcry_budget_left_usd{scope="agent",window="day"}']
    assert left == pytest.approx(float(Decimal("0.01") - used))
    assert not any(scope in sample for sample in samples)


def test_a_stream_pays_what_it_cost(gateway: Service, upstream: Upstream) -> None:
    scope = agent(gateway)
    put(gateway, scope, cost_usd="0.0015")
    upstream.behave(lambda _: Stream(usage=Tokens(11, 4)))
    headers = {"x-outcry-agent": scope.removeprefix("agent:")}

    streamed(gateway.client, "/v1/chat/completions", {**ASKED, "model": "alpha/alpha-1"}, headers=headers)

    assert within(2, lambda: state(gateway, scope)["used"] == {"cost_usd": "0.0004", "tokens": 15})
    assert state(gateway, scope)["reserved"] == {"cost_usd": "0", "tokens": 0}


def test_a_failure_that_cost_nothing_gives_everything_back(gateway: Service, upstream: Upstream) -> None:
    scope = agent(gateway)
    put(gateway, scope, cost_usd=str(COST))
    upstream.behave(lambda _: Status(400))

    for _ in range(3):
        assert chat(gateway, scope).status_code == 400

    found = state(gateway, scope)
    assert (found["used"]["cost_usd"], found["left"]["cost_usd"]) == ("0", "0.001")
    upstream.behave(lambda _: Answer(VOTE, usage=Tokens(11, 10)))
    assert chat(gateway, scope).status_code == 200
    assert chat(gateway, scope).status_code == 402


def test_a_caller_who_leaves_pays_for_what_was_sent_and_frees_the_rest(gateway: Service, upstream: Upstream) -> None:
    scope = agent(gateway)
    put(gateway, scope, tokens=1_000)
    upstream.behave(lambda _: Answer(VOTE, delay=5.0))
    headers = {"x-outcry-agent": scope.removeprefix("agent:")}

    with pytest.raises(httpx.ReadTimeout), plain_client(gateway.base_url, seconds=0.3) as client:
        client.post("/chat", json={**ASKED, "model": "alpha/alpha-1"}, headers=headers)

    assert within(3, lambda: state(gateway, scope)["reserved"] == {"cost_usd": "0", "tokens": 0})
    assert 0 < state(gateway, scope)["used"]["tokens"] < 100


def test_a_providers_used_up_budget_sends_requests_to_the_next(gateway: Service) -> None:
    put(gateway, "provider:alpha", tokens=0)

    answered = gateway.client.post("/chat", json={**ASKED, "model": "auto"})

    assert answered.headers["x-outcry-provider"] == "beta"
    explained = gateway.client.post("/routing/explain", json={"model": "auto", "messages": HELLO}).json()
    assert "the day budget of provider:alpha" in str(explained)
    error_of(gateway.client.post("/chat", json={**ASKED, "model": "alpha/alpha-1"}), 402, "policy_budget_exceeded")


def test_a_budget_that_downgrades_goes_to_a_cheaper_target_that_still_fits(gateway: Service) -> None:
    scope = agent(gateway)
    put(gateway, scope, cost_usd="0.0005", on_exceeded="downgrade")

    answered = chat(gateway, scope, fallbacks=["beta/beta-1"])

    assert answered.status_code == 200, answered.text
    assert (answered.headers["x-outcry-provider"], answered.headers["x-outcry-fallback"]) == ("beta", "true")
    assert state(gateway, scope)["used"]["cost_usd"] == "0.0001"


def test_an_answer_from_the_cache_takes_nothing(gateway: Service) -> None:
    scope = agent(gateway)
    put(gateway, scope, cost_usd=str(COST))
    headers = {"x-outcry-agent": scope.removeprefix("agent:"), "x-outcry-cache": "read-write"}
    body = {"model": "alpha/alpha-1", "messages": [{"role": "user", "content": "once"}], "max_tokens": 10}

    answers = [gateway.client.post("/chat", json=body, headers=headers) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert state(gateway, scope)["used"]["cost_usd"] == str(COST)


def test_what_was_spent_before_a_budget_was_set_counts(gateway: Service) -> None:
    scope = agent(gateway)
    assert chat(gateway, scope).status_code == 200

    def counts() -> bool:
        gateway.client.delete(f"/budgets/{scope}")
        used = put(gateway, scope, cost_usd="1", window="month")["used"]
        return bool(used == {"cost_usd": str(COST), "tokens": 21})

    # A finished call is on record within a second.
    assert within(3, counts)


def test_a_budget_near_its_end_is_told_once(gateway: Service) -> None:
    scope = agent(gateway)
    put(gateway, scope, cost_usd=str(2 * COST), alert_at=0.5)
    chat(gateway, scope)

    assert within(5, lambda: gateway.log.count("alert fired") >= 1 and scope in gateway.log)
    chat(gateway, scope)
    put(gateway, scope, cost_usd="1", alert_at=0.5)
    assert within(5, lambda: "alert resolved" in gateway.log)
    fired = [line for line in gateway.log.splitlines() if "alert fired" in line and f"{scope} has" in line]
    assert len(fired) == 1


def test_what_was_spent_outlives_a_restart_and_a_kill(start: StartService, upstream: Upstream) -> None:
    upstream.behave(lambda _: Answer("fine", usage=Tokens(11, 10)))
    gateway = start(providers=[provider("alpha", upstream, cost=PRICE)])
    put(gateway, "gateway", cost_usd=str(10 * COST))
    assert at_once(gateway, "gateway", 3) == {200: 3}

    gateway.stop()
    gateway.start()
    assert state(gateway, "gateway")["used"]["cost_usd"] == "0.003"
    assert at_once(gateway, "gateway", 3) == {200: 3}
    # Written four times a second: this is what the bound says.
    assert within(2, lambda: _recorded(gateway) == Decimal("0.006"))
    gateway.kill()
    gateway.start()

    assert state(gateway, "gateway")["used"]["cost_usd"] == "0.006"
    assert at_once(gateway, "gateway", 20) == {200: 4, 402: 16}


def _recorded(gateway: Service) -> Decimal:
    with sqlite3.connect(gateway.database) as connection:
        return sum((Decimal(row[0]) for row in connection.execute("SELECT spent_usd FROM budget_spend")), Decimal(0))


@pytest.fixture(params=["sqlite", "postgresql"])
def workers(request: pytest.FixtureRequest, start: StartService, upstream: Upstream) -> Iterator[Service]:
    """Two workers on one database."""
    url = None
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    if server is not None:
        url = server.create()
    gateway = start(providers=[provider("alpha", upstream, cost=PRICE)], env={"OUTCRY_WORKERS": "2"}, database_url=url)
    yield gateway
    gateway.stop()
    if server is not None:
        server.drop(url)


def test_two_workers_together_answer_exactly_what_the_cap_is_worth(workers: Service, upstream: Upstream) -> None:
    calls: list[Received] = []

    def answer(received: Received) -> Answer:
        calls.append(received)
        return Answer("fine", usage=Tokens(11, 10))

    upstream.behave(answer)
    put(workers, "gateway", cost_usd=str(50 * COST))
    assert is_in_force(workers)
    assert _said(workers) == {("0.05", "0")}

    assert at_once(workers, "gateway", 200) == {200: 50, 402: 150}
    assert len(calls) == 50
    assert within(3, lambda: _said(workers) == {("0.05", "0.05")})


def _said(gateway: Service) -> set[tuple[str, str] | None]:
    """The cap, and what is spent of it, as all say; asked at once: one worker may take whoever comes one by one."""

    def one(_: int) -> tuple[str, str] | None:
        with plain_client(gateway.base_url) as client:
            answer = client.get("/budgets/gateway")
        return (answer.json()["cost_usd"], answer.json()["used"]["cost_usd"]) if answer.status_code == 200 else None

    with ThreadPoolExecutor(16) as callers:
        return set(callers.map(one, range(32)))
