"""A target that is slower than its own p95 gets a second one beside it where that is wanted; the faster answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Silent, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service, plain_client
from tests.e2e.speaking import HELLO, content, error_of, events, metrics, provider, total, within
from tests.upstream import Upstream

COST = {"cost": {"input_per_1m_tokens": 10, "output_per_1m_tokens": 10}}
# A twentieth of all calls: the twenty that make a target known pay for one hedge.
CALLS = 20


class Desk:
    """Two providers behind one gateway: `alpha` is asked first."""

    def __init__(self, gateway: Service, alpha: Upstream, beta: Upstream) -> None:
        self.gateway, self.alpha, self.beta = gateway, alpha, beta

    def known(self, *, streamed: bool = False) -> None:
        """Twenty quick answers of alpha's; what it does afterwards is for the test to say."""
        self.alpha.behave(Answer("alpha answers"))
        self.beta.behave(Answer("beta answers"))
        for _ in range(CALLS):
            assert self.chat(streamed=streamed).status_code == 200
        self.alpha.forget()
        self.beta.forget()

    def chat(self, *, streamed: bool = False, **more: Any) -> httpx.Response:
        headers = more.pop("headers", {})
        body = {"messages": HELLO, "model": "shared-1", "stream": streamed, **more}
        return self.gateway.client.post("/chat", json=body, headers=headers)

    def hedges(self, outcome: str) -> float:
        return total(metrics(self.gateway.client), "outcry_hedges_total", outcome=outcome)

    def is_idle(self) -> bool:
        rows = self.gateway.client.get("/providers/health").json()["providers"].values()
        return all(row["in_flight"] == 0 for row in rows)


@pytest.fixture(scope="module")
def desk(start_once: StartService, upstream_once: StartUpstream) -> Desk:
    alpha, beta = upstream_once(), upstream_once()
    providers = [
        provider("alpha", alpha, priority=1, models=["shared-1"], **COST),
        provider("beta", beta, priority=2, models=["shared-1"], **COST),
    ]
    return Desk(start_once(providers=providers), alpha, beta)


def test_a_silent_target_is_outrun_and_the_answer_says_so(desk: Desk) -> None:
    desk.known()
    desk.alpha.behave(Silent())
    closed, won = desk.alpha.connections_closed, desk.hedges("won")

    response = desk.chat(hedge=True)

    body = response.json()
    assert (response.status_code, body["content"], body["provider"]) == (200, "beta answers", "beta")
    slow, fast = body["attempts"]
    assert (slow["provider"], slow["kind"], slow["outcome"], slow["code"]) == ("alpha", "first", "cancelled", None)
    assert (fast["provider"], fast["kind"], fast["outcome"]) == ("beta", "hedge", "ok")
    assert response.headers["x-outcry-cost-usd"] == body["cost_usd"]
    assert Decimal(body["cost_usd"]) == Decimal(slow["cost_usd"]) + Decimal(fast["cost_usd"])
    assert Decimal(slow["cost_usd"]) > 0
    assert (response.headers["x-outcry-attempts"], response.headers["x-outcry-fallback"]) == ("2", "true")
    assert float(response.headers["x-outcry-overhead-ms"]) < 50
    assert desk.alpha.wait_until(lambda upstream: upstream.connections_closed > closed, 0.5)
    assert desk.hedges("won") == won + 1
    assert desk.gateway.client.get("/routing/stats").json()["hedges_by_outcome"]["won"] == won + 1
    assert desk.is_idle()


def test_a_stream_that_says_nothing_is_outrun_by_one_that_does(desk: Desk) -> None:
    desk.known(streamed=True)
    desk.alpha.behave(Silent())
    won = desk.hedges("won")
    body = {"messages": HELLO, "model": "shared-1", "stream": True}

    with desk.gateway.client.stream(
        "POST", "/v1/chat/completions", json=body, headers={"x-outcry-hedge": "on"}
    ) as response:
        seen = list(events(response))

    assert (content(seen), seen[-1].data) == ("beta answers", "[DONE]")
    assert (response.headers["x-outcry-provider"], response.headers["x-outcry-attempts"]) == ("beta", "2")
    assert desk.hedges("won") == won + 1
    assert within(2, desk.is_idle)


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"hedge": False},
        {"hedge": True, "allow_failover": False},
        {"hedge": True, "max_retries": 0},
        {"hedge": True, "model": "alpha/shared-1"},
    ],
    ids=str,
)
def test_who_did_not_ask_for_it_or_may_not_have_it_waits(desk: Desk, wish: dict[str, Any]) -> None:
    desk.known()
    desk.alpha.behave(Answer("alpha answers", delay=0.3))

    assert desk.chat(**wish).json()["provider"] == "alpha"

    assert desk.beta.calls == 0


def test_a_hedge_that_fails_leaves_the_slow_target_its_time(desk: Desk) -> None:
    desk.known()
    desk.alpha.behave(Answer("alpha answers", delay=0.3))
    desk.beta.behave(Status(500))

    body = desk.chat(hedge=True).json()

    assert (body["provider"], [one["outcome"] for one in body["attempts"]]) == ("alpha", ["ok", "error"])
    assert desk.hedges("failed") == 1


def test_a_caller_who_leaves_a_race_closes_both_calls(desk: Desk) -> None:
    desk.known()
    desk.alpha.behave(Silent())
    desk.beta.behave(Silent())
    closed = [desk.alpha.connections_closed, desk.beta.connections_closed]
    body = {"messages": HELLO, "model": "shared-1", "hedge": True}

    with pytest.raises(httpx.ReadTimeout), plain_client(desk.gateway.base_url, seconds=0.5) as client:
        client.post("/chat", json=body)

    assert desk.alpha.wait_until(lambda upstream: upstream.connections_closed > closed[0], 0.5)
    assert desk.beta.wait_until(lambda upstream: upstream.connections_closed > closed[1], 0.5)
    assert within(2, desk.is_idle)


def test_the_deadline_bounds_both_attempts(desk: Desk) -> None:
    desk.known()
    desk.alpha.behave(Silent())
    desk.beta.behave(Silent())

    response = desk.chat(hedge=True, deadline_ms=1200)

    assert response.status_code == 504
    assert response.elapsed.total_seconds() < 1.2 + 0.25
    assert (desk.alpha.calls, desk.beta.calls) == (1, 1)


@pytest.mark.parametrize("value", ["yes", "", "ON"])
def test_a_header_that_says_neither_is_a_400(desk: Desk, value: str) -> None:
    error = error_of(desk.chat(headers={"x-outcry-hedge": value}), 400, "caller_invalid_header")

    assert error["param"] == "x-outcry-hedge"


def test_an_operator_hedges_everybody_or_nobody(start: StartService, upstream: StartUpstream) -> None:
    alpha, beta = upstream(), upstream()
    providers = [provider(name, one, models=["shared-1"]) for name, one in (("alpha", alpha), ("beta", beta))]
    always = Desk(start(providers=providers, env={"OUTCRY_HEDGING__ENABLED": "true"}), alpha, beta)
    never = Desk(start(providers=providers, env={"OUTCRY_HEDGING__SHARE": "0"}), alpha, beta)
    for each in (never, always):
        each.known()
        alpha.behave(Answer("alpha answers", delay=0.3))
        refused = each.chat(hedge=False).json()
        answered = each.chat(**({"hedge": True} if each is never else {})).json()

        assert refused["provider"] == "alpha"
        assert answered["provider"] == ("alpha" if each is never else "beta")
