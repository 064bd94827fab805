"""Usage, health and metrics tell what happened, from one source and soon."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.behaviours import Answer, Refuse, Status, Stream, Tokens
from tests.e2e.conftest import StartService, StartUpstream
from tests.e2e.speaking import HELLO, error_of, metrics, provider, streamed, total, within
from tests.upstream import Upstream

NAMES = {
    "gen_ai_client_operation_duration_seconds_count",
    "gen_ai_client_token_usage_count",
    "gen_ai_client_operation_time_to_first_chunk_seconds_count",
    "outcry_requests_total",
    "outcry_request_overhead_seconds_count",
    "outcry_attempts_total",
    "outcry_fallbacks_total",
    "outcry_circuit_state",
    "outcry_ejections_total",
    "outcry_in_flight",
    "outcry_limit_rejections_total",
    "outcry_spend_usd_total",
    "outcry_unpriced_requests_total",
    "outcry_cache_requests_total",
    "outcry_cache_bytes",
    "outcry_decisions_total",
    "outcry_votes_total",
    "outcry_tasks",
    "outcry_usage_queue_depth",
    "outcry_usage_spilled_total",
    "outcry_background_restarts_total",
    "outcry_config_revision",
    "outcry_undecryptable_keys",
}
COST = {"input_per_1m_tokens": 2, "output_per_1m_tokens": 8}


class Books:
    """A gateway with a priced provider, and an unpriced one behind it."""

    def __init__(self, client: httpx.Client, alpha: Upstream, beta: Upstream) -> None:
        self.client, self.alpha, self.beta = client, alpha, beta

    def rows(self, group: str, **query: str) -> dict[Any, Any]:
        body = self.client.get("/usage/summary", params={"by": "day", "group": group, **query}).json()
        return {tuple(row[name] for name in group.split(",")): row for row in body["rows"]} | {"total": body["total"]}


@pytest.fixture
def books(start: StartService, upstream: StartUpstream) -> Books:
    alpha, beta = upstream(Answer(usage=Tokens(1000, 500))), upstream(Answer(usage=Tokens(10, 5)))
    gateway = start(
        providers=[provider("alpha", alpha, priority=1, cost=COST), provider("beta", beta, priority=2)],
        env={"OUTCRY_HEALTH__INTERVAL": "1"},
    )
    return Books(gateway.client, alpha, beta)


def test_usage_and_cost_of_every_attempt_are_summed_up_within_two_seconds(books: Books) -> None:
    for _ in range(3):
        books.client.post("/chat", json={"messages": HELLO})
    books.client.post("/chat", json={"messages": HELLO, "model": "beta/beta-1"})

    assert within(2.5, lambda: books.rows("model")["total"].get("requests") == 4)

    rows = books.rows("model")
    alpha = rows["alpha-1",]
    assert (alpha["requests"], alpha["attempts"]) == (3, 3)
    assert (alpha["input_tokens"], alpha["output_tokens"]) == (3000, 1500)
    assert Decimal(alpha["cost_usd"]) == Decimal("0.018")
    assert isinstance(alpha["cost_usd"], str)
    assert alpha["unpriced_requests"] == 0
    assert rows["beta-1",]["unpriced_requests"] == 1
    assert ("alpha", "alpha-1") in books.rows("provider,model")
    items = books.client.get("/usage", params={"limit": 2}).json()
    assert len(items["items"]) == 2
    assert items["next"]


def test_a_failed_attempt_is_on_record_beside_the_one_that_answered(books: Books) -> None:
    books.alpha.behave(Status(500))

    books.client.post("/chat", json={"messages": HELLO, "max_retries": 1})

    assert within(2.5, lambda: books.rows("provider")["total"].get("attempts") == 2)
    assert books.rows("provider")["total"]["requests"] == 1


def test_a_streams_usage_is_recorded_although_the_caller_did_not_ask_for_it(books: Books) -> None:
    books.alpha.behave(Stream(usage=Tokens(100, 50)))

    streamed(books.client, "/v1/chat/completions", {"model": "alpha-1", "messages": HELLO})

    assert within(2.5, lambda: books.rows("model")["total"].get("output_tokens") == 50)
    assert Decimal(books.rows("model")["total"]["cost_usd"]) == Decimal("0.0006")


def test_a_wrong_grouping_is_refused_by_name(books: Books) -> None:
    by = books.client.get("/usage/summary", params={"by": "century"})
    group = books.client.get("/usage/summary", params={"by": "day", "group": "colour"})

    assert error_of(by, 422, "caller_invalid_field")
    assert "colour" in str(error_of(group, 422, "caller_invalid_field"))


def test_records_outlive_the_process(start: StartService, upstream: StartUpstream) -> None:
    gateway = start(providers=[provider("alpha", upstream(), cost=COST)])
    gateway.client.post("/chat", json={"messages": HELLO})

    gateway.stop()
    gateway.start()

    total_row = gateway.client.get("/usage/summary", params={"by": "day", "group": "model"}).json()["total"]
    assert total_row["requests"] == 1


def test_every_promised_metric_has_its_name(books: Books) -> None:
    books.alpha.behave(Status(500), Stream())
    books.client.post("/chat", json={"messages": HELLO})
    streamed(books.client, "/chat", {"messages": HELLO})

    text = books.client.get("/metrics").text

    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    suffixes = ("_total", "_count")
    missing = {
        name
        for name in NAMES
        if name not in families and not any(name.removesuffix(end) in families for end in suffixes)
    }
    assert missing == set()


def test_metrics_count_requests_attempts_fallbacks_tokens_and_money(books: Books) -> None:
    books.client.post("/chat", json={"messages": HELLO})
    books.alpha.behave(Status(500))
    books.client.post("/chat", json={"messages": HELLO, "max_retries": 1})

    seen = metrics(books.client)

    assert total(seen, "outcry_requests_total", status="200") >= 2
    assert total(seen, "outcry_attempts_total", provider="alpha", outcome="ok") == 1
    assert total(seen, "outcry_attempts_total", provider="alpha", code="provider_error") == 1
    assert total(seen, "outcry_fallbacks_total", code="provider_error") == 1
    assert round(total(seen, "outcry_spend_usd_total", provider="alpha"), 6) == 0.006
    assert total(seen, "outcry_unpriced_requests_total") == 1
    assert total(seen, "gen_ai_client_token_usage_sum", gen_ai_token_type="input") == 1010
    assert total(seen, "outcry_in_flight", provider="alpha") == 0


def test_labels_come_from_closed_sets(books: Books) -> None:
    for number in range(20):
        books.client.post("/chat", json={"messages": HELLO, "model": f"invented-{number}"})
        books.client.get(f"/no/such/path/{number}")

    text = books.client.get("/metrics").text

    assert "invented-" not in text
    assert "/no/such/path" not in text


def test_health_tells_of_each_provider_from_live_traffic(books: Books) -> None:
    books.client.post("/chat", json={"messages": HELLO})

    body = books.client.get("/providers/health").json()

    alpha = body["providers"]["alpha"]
    assert body["overall_status"] in {"healthy", "degraded"}
    assert (alpha["status"], alpha["is_healthy"], alpha["circuit"]) == ("healthy", True, "closed")
    assert alpha["success_rate"] == 1
    assert alpha["requests_today"] == 1
    assert alpha["requests_this_minute"] == 1
    assert {"error_rate", "response_time_ms", "p95_ms", "uptime_percentage", "last_error", "last_checked"} <= set(alpha)
    assert {"cooldown_until", "rate_limit_per_minute", "rate_limit_per_day", "tokens_today", "in_flight"} <= set(alpha)
    assert alpha["targets"]
    assert set(body["ranking"]) == {"alpha", "beta"} or len(body["ranking"]) == 2


def test_free_probes_notice_a_provider_that_nobody_asks(books: Books) -> None:
    books.beta.behave(Refuse())

    def noticed() -> bool:
        beta = books.client.get("/providers/health").json()["providers"]["beta"]
        return not beta["is_healthy"]

    assert within(8, noticed)
    assert books.beta.calls == 0  # no probe costs anything
    assert books.client.get("/providers/health").json()["overall_status"] != "healthy"


def test_providers_are_listed_without_their_keys(books: Books) -> None:
    text = books.client.get("/providers").text

    assert "alpha" in text
    assert "sk-alpha-0123456789abcdef" not in text


def test_live_and_ready_say_so(books: Books) -> None:
    assert books.client.get("/health/live").status_code == 200
    assert books.client.get("/health/ready").status_code == 200
