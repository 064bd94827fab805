"""How often whom: `max_retries`, `allow_failover` and pinned targets, counted where the calls arrive."""

from __future__ import annotations

from typing import Any

import pytest

from tests.behaviours import Answer, Status
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, PATIENT, error_of, provider
from tests.upstream import Received, Upstream

NOTHING_IN_THE_WAY = {**PATIENT, "OUTCRY_RETRY__BASE": "0.001", "OUTCRY_RETRY__BUDGET_FLOOR": "100000"}
BROKEN = (Status(500),)
ONCE = (Status(500), Answer("alpha again"))
LIMITED = (Status(429, headers={"retry-after": "0.01"}),)
WRONG = (Status(400),)
PINNED = {"model": "alpha/shared-1"}
ALONE = {"allow_failover": False}
CLOSED = {"provider": {"order": ["alpha"], "allow_fallbacks": False}}
BACKUP = {"model": "alpha/shared-1", "fallbacks": ["beta/shared-1"]}


class Pair:
    """Two providers of one model behind one gateway: `alpha` is asked first."""

    def __init__(self, gateway: Service, alpha: Upstream, beta: Upstream) -> None:
        self.gateway, self.alpha, self.beta = gateway, alpha, beta


@pytest.fixture(scope="module")
def pair(start_once: StartService, upstream_once: StartUpstream) -> Pair:
    alpha, beta = upstream_once(), upstream_once()
    providers = [
        provider("alpha", alpha, priority=1, models=["shared-1"]),
        provider("beta", beta, priority=2, models=["shared-1"]),
    ]
    return Pair(start_once(providers=providers, env=NOTHING_IN_THE_WAY), alpha, beta)


@pytest.mark.parametrize(
    ("wish", "alpha", "beta", "status", "calls"),
    [
        # Attempts after the first, over all targets together; two by default.
        ({"max_retries": 0}, BROKEN, BROKEN, 502, (1, 0)),
        ({"max_retries": 1}, BROKEN, BROKEN, 502, (1, 1)),
        ({"max_retries": 2}, BROKEN, BROKEN, 502, (2, 1)),
        ({"max_retries": 3}, BROKEN, BROKEN, 502, (2, 2)),
        ({"max_retries": 10}, BROKEN, BROKEN, 502, (6, 5)),
        ({}, BROKEN, BROKEN, 502, (2, 1)),
        ({"max_retries": 0}, BROKEN, (Answer(),), 502, (1, 0)),
        ({"max_retries": 1}, BROKEN, (Answer(),), 200, (1, 1)),
        # The same target again only when no other is left.
        (ALONE, ONCE, (Answer(),), 200, (2, 0)),
        ({**ALONE, "max_retries": 0}, ONCE, (Answer(),), 502, (1, 0)),
        ({**ALONE, "max_retries": 4}, BROKEN, (Answer(),), 502, (5, 0)),
        ({**PINNED, "max_retries": 0}, BROKEN, (Answer(),), 502, (1, 0)),
        ({**PINNED, "max_retries": 1}, BROKEN, (Answer(),), 502, (2, 0)),
        (PINNED, ONCE, (Answer(),), 200, (2, 0)),
        (CLOSED, BROKEN, (Answer(),), 502, (3, 0)),
        (BACKUP, BROKEN, (Answer(),), 200, (1, 1)),
        ({**BACKUP, **ALONE}, BROKEN, (Answer(),), 502, (3, 0)),
        # What a provider limits may be asked again; what is the caller's own fault may not, whoever found it.
        (PINNED, LIMITED, (Answer(),), 429, (3, 0)),
        ({}, WRONG, (Answer(),), 400, (1, 0)),
        ({"max_retries": 5}, BROKEN, WRONG, 400, (1, 1)),
    ],
)
def test_attempts_are_counted(
    pair: Pair, wish: dict[str, Any], alpha: Any, beta: Any, status: int, calls: tuple[int, int]
) -> None:
    pair.gateway.client.post("/providers/alpha/circuit/reset")
    pair.gateway.client.post("/providers/beta/circuit/reset")
    for upstream, script in ((pair.alpha, alpha), (pair.beta, beta)):
        upstream.behave(*script)
        upstream.forget()

    response = pair.gateway.client.post("/chat", json={"messages": HELLO, "model": "shared-1", **wish})

    assert (response.status_code, (pair.alpha.calls, pair.beta.calls)) == (status, calls)
    assert response.headers["x-outcry-attempts"] == str(sum(calls))


@pytest.mark.parametrize("max_retries", [-1, 11, "1", 1.5])
def test_a_number_of_retries_that_is_none_is_named(pair: Pair, max_retries: Any) -> None:
    body = {"messages": HELLO, "max_retries": max_retries}

    assert "max_retries" in pair.gateway.client.post("/chat", json=body).text
    error_of(pair.gateway.client.post("/chat", json=body), 422, "caller_invalid_field")


def test_a_limit_on_one_key_is_not_the_other_keys_and_not_the_callers(
    start: StartService, upstream: StartUpstream
) -> None:
    spent, good = "sk-spent-0123456789abcdef", "sk-good-0123456789abcdef"

    def one_key_is_spent(request: Received) -> Any:
        return Status(429, headers={"retry-after": "30"}) if request.key == spent else Answer("by the other key")

    main, spare = upstream(one_key_is_spent), upstream(Answer("spare"))
    providers = [provider("main", main, api_keys=[spent, good]), provider("spare", spare)]
    del providers[0]["api_key"]
    gateway = start(providers=providers)

    answers = [gateway.client.post("/chat", json={"messages": HELLO}).json() for _ in "12"]

    assert [one["content"] for one in answers] == ["by the other key"] * 2
    assert [[attempt["kind"] for attempt in one["attempts"]] for one in answers] == [["first", "retry"], ["first"]]
    assert [request.key for request in main.requests] == [spent, good, good]
    assert not spare.calls


def test_tokens_are_counted_while_every_target_is_away(start: StartService, upstream: StartUpstream) -> None:
    gateway = start(
        providers=[provider("alpha", upstream(Status(500)))],
        env={"OUTCRY_BREAKER__FAILURES": "1", "OUTCRY_BREAKER__LAST_RESORT": "60"},
    )
    body = {"model": "alpha-1", "max_tokens": 10, "messages": HELLO}
    assert gateway.client.post("/v1/messages", json=body).status_code >= 500
    error_of(gateway.client.post("/chat", json={"messages": HELLO}), 503, "provider_circuit_open")

    counted = gateway.client.post("/v1/messages/count_tokens", json={"model": "alpha-1", "messages": HELLO})

    assert counted.status_code == 200
    assert counted.json()["input_tokens"] > 0
    assert counted.headers["x-outcry-token-source"] in ("tokenizer", "estimate")
