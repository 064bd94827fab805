"""Free tiers in rotation: a cap moves traffic on before its provider refuses, and what failed comes back by itself."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Status, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.service import Service
from tests.e2e.speaking import HELLO, error_of, metrics, provider, total
from tests.upstream import Upstream

GROQ, GEMINI = "groq answers", "gemini answers"
SOON = {"OUTCRY_BREAKER__FAILURES": "1", "OUTCRY_BREAKER__OPEN_SECONDS": "1", "OUTCRY_BREAKER__SUCCESSES": "1"}


class Rotation:
    """A gateway before two free tiers."""

    def __init__(self, gateway: Service, groq: Upstream, gemini: Upstream) -> None:
        self.gateway, self.groq, self.gemini = gateway, groq, gemini

    def chat(self, **body: Any) -> httpx.Response:
        return self.gateway.client.post("/chat", json={"messages": HELLO, "max_tokens": 100, **body})

    def says(self, times: int, **body: Any) -> list[str]:
        return [self.chat(**body).json()["content"] for _ in range(times)]

    def health(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = self.gateway.client.get("/providers/health").json()["providers"][name]
        return row


def until_recorded(gateway: Service, tokens: int) -> None:
    """Return when so many tokens are on record: a second later at most."""
    end = time.monotonic() + 3
    with closing(sqlite3.connect(gateway.database)) as database:
        while database.execute("SELECT sum(tokens) FROM provider_days").fetchone() != (tokens,):
            assert time.monotonic() < end


@pytest.fixture(scope="module")
def tiers(start_once: StartService, upstream_once: StartUpstream) -> Rotation:
    """Groq by requests a minute, Gemini by tokens a minute, and nothing behind them."""
    groq, gemini = upstream_once(Answer(GROQ)), upstream_once(Answer(GEMINI, usage=Tokens(300, 100)))
    gateway = start_once(
        providers=[
            provider("groq", groq, priority=1, rate_limit={"requests_per_minute": 3}),
            provider("gemini", gemini, priority=2, rate_limit={"tokens_per_minute": 1000, "tokens_per_day": 15_000}),
        ]
    )
    return Rotation(gateway, groq, gemini)


def test_a_cap_moves_traffic_on_before_a_provider_refuses(tiers: Rotation) -> None:
    said = tiers.says(5)
    last = tiers.chat(max_tokens=300)

    # Three requests a minute of the first; 400 tokens each of the second, so that a third does not fit.
    assert [GROQ] * 3 + [GEMINI] * 2 == said
    error = error_of(last, 429, "policy_rate_limit")
    assert "limit requests_per_minute" in error["message"]
    assert "limit tokens_per_minute" in error["message"]
    assert 0 < float(last.headers["retry-after"]) <= 60
    assert (3, 2) == (tiers.groq.calls, tiers.gemini.calls)
    counted = metrics(tiers.gateway.client)
    assert total(counted, "outcry_limit_rejections_total", limit="tokens_per_minute") > 0

    groq, gemini = tiers.health("groq"), tiers.health("gemini")
    assert (3, 3, 54) == (groq["requests_today"], groq["requests_this_minute"], groq["tokens_today"])
    assert (3, None) == (groq["rate_limit_per_minute"], groq["token_limit_per_day"])
    assert (2, 800, 0) == (gemini["requests_today"], gemini["tokens_today"], gemini["in_flight"])
    assert (1000, 15_000) == (gemini["token_limit_per_minute"], gemini["token_limit_per_day"])


def test_what_is_used_today_survives_a_restart_and_a_kill(start: StartService, upstream: StartUpstream) -> None:
    groq, gemini = upstream(Answer(GROQ, usage=Tokens(150, 50))), upstream(Answer(GEMINI))
    tiers = Rotation(
        start(
            providers=[
                provider("groq", groq, priority=1, rate_limit={"tokens_per_day": 1000}),
                provider("gemini", gemini, priority=2),
            ]
        ),
        groq,
        gemini,
    )
    assert [GROQ] * 2 == tiers.says(2)
    tiers.gateway.stop()
    tiers.gateway.start()

    assert (2, 400) == (tiers.health("groq")["requests_today"], tiers.health("groq")["tokens_today"])
    assert [GROQ] * 2 == tiers.says(2)
    until_recorded(tiers.gateway, 800)
    tiers.gateway.kill()
    tiers.gateway.start()

    assert [GROQ, GEMINI, GEMINI] == tiers.says(3, max_tokens=120)
    assert 5 == groq.calls


def test_a_provider_that_failed_recovers_by_itself(start: StartService, upstream: StartUpstream) -> None:
    groq, gemini = upstream(Status(503)), upstream(Answer(GEMINI))
    tiers = Rotation(
        start(providers=[provider("groq", groq, priority=1), provider("gemini", gemini, priority=2)], env=SOON),
        groq,
        gemini,
    )

    assert [GEMINI] * 3 == tiers.says(3)
    assert 1 == groq.calls
    groq.behave(Answer(GROQ))
    end = time.monotonic() + 10
    while tiers.says(1) != [GROQ]:
        assert time.monotonic() < end

    assert [GROQ] * 3 == tiers.says(3)


def test_calls_at_once_are_capped_and_a_short_wait_is_made_for_a_place(
    start: StartService, upstream: StartUpstream
) -> None:
    groq = upstream(Answer(GROQ, delay=0.1))
    gateway = start(providers=[provider("groq", groq, max_concurrent=1)])
    client = gateway.client
    with ThreadPoolExecutor(2) as callers:
        answers = list(callers.map(lambda _: client.post("/chat", json={"messages": HELLO}), range(2)))
    assert [200, 200] == [answer.status_code for answer in answers]

    groq.behave(Answer(GROQ, delay=1.0))
    with ThreadPoolExecutor(2) as callers:
        answers = list(callers.map(lambda _: client.post("/chat", json={"messages": HELLO}), range(2)))

    refused, served = sorted(answers, key=lambda answer: -answer.status_code)
    assert 200 == served.status_code
    assert "max_concurrent" in error_of(refused, 429, "policy_rate_limit")["message"]
    assert "1" == refused.headers["retry-after"]
    assert 0.2 <= refused.elapsed.total_seconds() < 0.6
