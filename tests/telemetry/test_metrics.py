from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.decision import Action, Consensus, Decision, DecisionStatus, SettledReason, Vote, VoteStatus
from app.domain.errors import Code
from app.domain.target import Circuit, Target
from app.domain.tools import ToolCallStatus, ToolFailure
from app.domain.usage import Usage
from app.telemetry.metrics import Metrics
from tests.fakes_tools import called

ALPHA = Target("alpha", "alpha-1")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics()
    metrics.set_known([ALPHA, Target("beta", "beta-1")])
    return metrics


def record(target: Target = ALPHA, **changes: Any) -> AttemptRecord:
    stated: dict[str, Any] = {
        "request_id": "r1",
        "ordinal": 1,
        "kind": AttemptKind.FIRST,
        "outcome": AttemptOutcome.OK,
        "started_at": NOON,
        "duration": 0.5,
    }
    return AttemptRecord(target=target, **{**stated, **changes})


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def gen_ai(model: str = "alpha-1", error: str = "", **more: str) -> dict[str, str]:
    return {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "alpha",
        "gen_ai_request_model": model,
        "error_type": error,
        **more,
    }


def test_an_attempt_moves_what_it_should(metrics: Metrics) -> None:
    metrics.attempt_finished(
        record(usage=Usage(100, 20), cost_usd=Decimal("0.25"), time_to_first_token=0.1, streamed=True)
    )

    ok = {"provider": "alpha", "model": "alpha-1", "outcome": "ok", "code": ""}
    assert value(metrics, "outcry_attempts_total", **ok) == 1
    assert value(metrics, "gen_ai_client_operation_duration_seconds_sum", **gen_ai()) == 0.5
    assert value(metrics, "gen_ai_client_operation_time_to_first_chunk_seconds_sum", **gen_ai()) == 0.1
    assert value(metrics, "gen_ai_client_token_usage_sum", **gen_ai(gen_ai_token_type="input")) == 100
    assert value(metrics, "gen_ai_client_token_usage_sum", **gen_ai(gen_ai_token_type="output")) == 20
    assert value(metrics, "outcry_spend_usd_total", provider="alpha", model="alpha-1") == 0.25
    assert value(metrics, "outcry_unpriced_requests_total") == 0


def test_embedding_is_an_operation_of_its_own(metrics: Metrics) -> None:
    metrics.attempt_finished(record(route="embeddings", usage=Usage(8, 0)))

    embeddings = {**gen_ai(), "gen_ai_operation_name": "embeddings"}
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", **embeddings) == 1
    assert value(metrics, "gen_ai_client_token_usage_sum", **embeddings, gen_ai_token_type="input") == 8
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", **gen_ai()) is None


def test_a_failure_is_counted_under_its_code(metrics: Metrics) -> None:
    metrics.attempt_finished(record(outcome=AttemptOutcome.ERROR, code=Code.PROVIDER_TIMEOUT))

    failed = {"provider": "alpha", "model": "alpha-1", "outcome": "error", "code": "provider_timeout"}
    assert value(metrics, "outcry_attempts_total", **failed) == 1
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", **gen_ai(error="provider_timeout")) == 1


def test_a_fallback_is_counted_under_what_failed_before_it(metrics: Metrics) -> None:
    metrics.attempt_finished(record(outcome=AttemptOutcome.ERROR, code=Code.PROVIDER_UNREACHABLE))
    metrics.attempt_finished(record(request_id="r2", outcome=AttemptOutcome.ERROR, code=Code.PROVIDER_TIMEOUT))
    metrics.attempt_finished(record(Target("beta", "beta-1"), kind=AttemptKind.FALLBACK, ordinal=2))

    assert value(metrics, "outcry_fallbacks_total", code="provider_unreachable") == 1
    assert value(metrics, "outcry_fallbacks_total", code="provider_timeout") is None


def test_failures_nobody_falls_back_from_are_forgotten(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.telemetry.causes.MOST_REQUESTS", 10)
    for n in range(100):
        metrics.attempt_finished(record(request_id=f"r{n}", outcome=AttemptOutcome.ERROR, code=Code.PROVIDER_TIMEOUT))

    assert len(metrics._causes._codes) == 10


def test_a_skipped_attempt_names_its_limit_and_took_no_time(metrics: Metrics) -> None:
    refused: dict[str, Any] = {"outcome": AttemptOutcome.SKIPPED, "code": Code.RATE_LIMIT}
    metrics.attempt_finished(record(**refused, message="requests_per_minute of alpha (30) is used up"))
    metrics.attempt_finished(record(**refused, message="no"))
    metrics.limit_rejected("tokens_per_day")
    metrics.limit_rejected("agent-7")

    assert value(metrics, "outcry_limit_rejections_total", limit="requests_per_minute") == 1
    assert value(metrics, "outcry_limit_rejections_total", limit="tokens_per_day") == 1
    assert value(metrics, "outcry_limit_rejections_total", limit="other") == 2
    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", **gen_ai(error="policy_rate_limit")) is None


def test_a_request_with_ejected_targets_only_is_counted_by_what_became_of_it(metrics: Metrics) -> None:
    for is_admitted in (True, False, False):
        metrics.panicked(is_admitted)

    counted = [value(metrics, "outcry_panic_requests_total", outcome=outcome) for outcome in ("admitted", "refused")]
    assert counted == [1, 2]


def test_usage_without_a_price_is_unpriced_not_free(metrics: Metrics) -> None:
    metrics.attempt_finished(record(usage=Usage(1, 1)))

    assert value(metrics, "outcry_unpriced_requests_total") == 1
    assert value(metrics, "outcry_spend_usd_total", provider="alpha", model="alpha-1") is None


def test_a_request_is_unpriced_once_however_many_of_its_attempts_are(metrics: Metrics) -> None:
    for ordinal in (1, 2):
        metrics.attempt_finished(replace(record(usage=Usage(1, 1)), ordinal=ordinal))

    assert value(metrics, "outcry_unpriced_requests_total") == 1


def test_spend_is_the_exact_sum_and_does_not_drift(metrics: Metrics) -> None:
    for _ in range(10_000):
        metrics.attempt_finished(record(usage=Usage(1, 1), cost_usd=Decimal("0.0001")))

    assert value(metrics, "outcry_spend_usd_total", provider="alpha", model="alpha-1") == 1.0


def test_names_nobody_configured_cannot_grow_the_metrics(metrics: Metrics) -> None:
    for n in range(500):
        metrics.attempt_finished(record(Target("alpha", f"made-up-{n}"), usage=Usage(1, 1)))
        metrics.attempt_finished(record(Target(f"made-up-{n}", "x")))
        metrics.request_finished(f"/made/up/{n}", 404, Code.NOT_FOUND, None)
    text = metrics.render()[0].decode()

    assert value(metrics, "gen_ai_client_operation_duration_seconds_count", **gen_ai("other")) == 500
    assert "made-up" not in text
    assert value(metrics, "outcry_requests_total", route="other", status="404", code="caller_not_found") == 300


def test_an_attempt_that_cannot_be_counted_is_logged_and_never_raises(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        metrics.attempt_finished(record(usage=Usage(1, 1), cost_usd=Decimal(-1)))

    assert value(metrics, "outcry_telemetry_errors_total") == 1
    assert [r.message for r in caplog.records] == ["attempt was not counted"]


def test_a_request_is_counted_with_its_overhead(metrics: Metrics) -> None:
    metrics.request_finished("/v1/chat/completions", 200, None, 0.002)
    metrics.request_finished("/v1/chat/completions", 502, Code.PROVIDER_UNREACHABLE, None)

    assert value(metrics, "outcry_requests_total", route="/v1/chat/completions", status="200", code="") == 1
    assert (
        value(metrics, "outcry_requests_total", route="/v1/chat/completions", status="502", code="provider_unreachable")
        == 1
    )
    assert value(metrics, "outcry_request_overhead_seconds_count") == 1


def test_a_decision_is_counted_with_its_votes(metrics: Metrics) -> None:
    metrics.decision_finished(
        Decision(
            id="d1",
            symbol="BTC/USDT",
            status=DecisionStatus.DECIDED,
            action=Action.BUY,
            actionable=True,
            consensus=Consensus("majority", 1.0, 1.0, 1, SettledReason.ALL_VOTED, 0.1),
            votes=(Vote("alpha", "alpha-1", VoteStatus.OK), Vote("ghost", "x", VoteStatus.TIMEOUT)),
            created_at=NOON,
        )
    )

    assert value(metrics, "outcry_decisions_total", action="BUY", status="decided", method="majority") == 1
    assert value(metrics, "outcry_votes_total", provider="alpha", model="alpha-1", status="ok") == 1
    assert value(metrics, "outcry_votes_total", provider="other", model="other", status="timeout") == 1


def test_states_are_collected_when_somebody_looks(metrics: Metrics) -> None:
    def collect(into: Metrics) -> None:
        into.set_circuit(ALPHA, Circuit.OPEN)
        into.set_in_flight("alpha", 3)
        into.set_tasks(23)
        into.set_usage_queue(5, 7, 3, 4_096)
        into.set_ejections(2)
        into.set_configuration(11, 1)

    metrics.collectors.append(collect)
    metrics.render()
    metrics.render()

    assert value(metrics, "outcry_circuit_state", provider="alpha", model="alpha-1") == 2
    assert value(metrics, "outcry_in_flight", provider="alpha") == 3
    assert value(metrics, "outcry_tasks") == 23
    assert value(metrics, "outcry_usage_queue_depth") == 5
    assert value(metrics, "outcry_usage_spilled_total") == 7
    assert value(metrics, "outcry_usage_lost_total") == 3
    assert value(metrics, "outcry_usage_spill_bytes") == 4_096
    assert value(metrics, "outcry_ejections_total") == 2
    assert value(metrics, "outcry_config_revision") == 11
    assert value(metrics, "outcry_undecryptable_keys") == 1


def test_a_collector_that_fails_does_not_hide_the_rest(metrics: Metrics) -> None:
    def broken(into: Metrics) -> None:
        raise OSError("away")

    metrics.collectors += [broken, lambda into: into.set_in_flight("alpha", 1)]

    assert b'outcry_in_flight{provider="alpha"} 1.0' in metrics.render()[0]
    assert value(metrics, "outcry_telemetry_errors_total") == 1


def test_a_target_that_was_configured_away_leaves_the_states(metrics: Metrics) -> None:
    metrics.set_circuit(ALPHA, Circuit.OPEN)
    metrics.set_known([Target("beta", "beta-1")])

    assert value(metrics, "outcry_circuit_state", provider="alpha", model="alpha-1") is None


CONTRACT = {
    "gen_ai_client_operation_duration_seconds": {*gen_ai()},
    "gen_ai_client_token_usage": {*gen_ai(), "gen_ai_token_type"},
    "gen_ai_client_operation_time_to_first_chunk_seconds": {*gen_ai()},
    "outcry_requests_total": {"route", "status", "code"},
    "outcry_request_overhead_seconds": set(),
    "outcry_attempts_total": {"provider", "model", "outcome", "code"},
    "outcry_fallbacks_total": {"code"},
    "outcry_hedges_total": {"outcome"},
    "outcry_circuit_state": {"provider", "model"},
    "outcry_ejections_total": set(),
    "outcry_in_flight": {"provider"},
    "outcry_limit_rejections_total": {"limit"},
    "outcry_panic_requests_total": {"outcome"},
    "outcry_spend_usd_total": {"provider", "model"},
    "outcry_unpriced_requests_total": set(),
    "outcry_decisions_total": {"action", "status", "method"},
    "outcry_votes_total": {"provider", "model", "status"},
    "outcry_tasks": set(),
    "outcry_usage_queue_depth": set(),
    "outcry_usage_spilled_total": set(),
    "outcry_usage_lost_total": set(),
    "outcry_usage_spill_bytes": set(),
    "outcry_background_restarts_total": {"job"},
    "outcry_config_revision": set(),
    "outcry_undecryptable_keys": set(),
    "outcry_unreadable_payloads_total": set(),
}


def test_every_name_and_label_of_the_contract_is_there(metrics: Metrics) -> None:
    found = {
        f"{family._name}_total" if family._type == "counter" else family._name: set(family._labelnames)
        for family in vars(metrics._families).values()
        if hasattr(family, "_labelnames")
    }

    assert {name: found.get(name) for name in CONTRACT} == CONTRACT


def test_the_text_is_prometheus_own(metrics: Metrics) -> None:
    metrics.job_restarted("usage")
    metrics.attempt_finished(record())
    body, content_type = metrics.render()
    families = {family.name for family in text_string_to_metric_families(body.decode())}

    assert content_type.startswith("text/plain")
    assert {"outcry_background_restarts", "gen_ai_client_operation_duration_seconds"} <= families
    assert b"_created" not in body


WORKER = """
import sys
from app.domain.target import Target
from app.telemetry.metrics import Metrics
metrics = Metrics(multiprocess_dir=sys.argv[1])
metrics.set_known([Target("alpha", "alpha-1")])
metrics.request_finished("/chat", 200, None, 0.001)
metrics.set_in_flight("alpha", 2)
metrics.set_configuration(int(sys.argv[2]), 0)
print(metrics.render()[0].decode())
"""


def test_one_worker_speaks_for_all(tmp_path: Path) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    def worker(revision: str) -> str:
        command = [sys.executable, "-c", WORKER, str(tmp_path), revision]
        return subprocess.run(command, env=environ, capture_output=True, check=True, text=True).stdout

    worker("5")
    text = worker("4")

    assert 'outcry_requests_total{code="",route="/chat",status="200"} 2.0' in text
    assert 'outcry_in_flight{provider="alpha"} 4.0' in text
    assert "outcry_config_revision 4.0" in text
    assert "outcry_request_overhead_seconds_count 2.0" in text


BUDGETED_WORKER = """
import sys
from datetime import UTC, datetime
from decimal import Decimal
from app.domain.budget import NOTHING, Amount, Budget, BudgetState, Cap, Window
from app.telemetry.metrics import Metrics
metrics = Metrics(multiprocess_dir=sys.argv[1] if len(sys.argv) > 1 else None)
noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
def state(window, left):
    budget = Budget("b", "agent:7", window, Cap(Decimal(10), None))
    used = Amount(Decimal(10) - left)
    return BudgetState(budget, window.begin(noon), window.end(noon), used, NOTHING, Cap(left, None))
metrics.set_budgets([state(Window.DAY, Decimal(4)), state(Window.DAY, Decimal(3)), state(Window.MONTH, Decimal(1))])
print(metrics.render()[0].decode())
metrics.set_budgets([state(Window.DAY, Decimal(2))])
print("later")
print(metrics.render()[0].decode())
"""


@pytest.mark.parametrize("is_shared", [False, True])
def test_a_budget_that_is_gone_has_nothing_left_that_could_be_read(tmp_path: Path, *, is_shared: bool) -> None:
    environ = {**os.environ, **({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)} if is_shared else {})}
    command = [sys.executable, "-c", BUDGETED_WORKER, *([str(tmp_path)] if is_shared else [])]

    text = subprocess.run(command, env=environ, capture_output=True, check=True, text=True).stdout
    before, after = text.split("later")

    assert 'outcry_budget_left_usd{scope="agent",window="day"} 3.0' in before
    assert 'outcry_budget_used_ratio{scope="agent",window="month"} 0.9' in before
    assert 'outcry_budget_left_usd{scope="agent",window="day"} 2.0' in after
    assert 'outcry_budget_left_usd{scope="agent",window="month"} 1.0' not in after
    assert ('outcry_budget_left_usd{scope="agent",window="month"} NaN' in after) is is_shared


def test_calls_of_tools_are_counted_and_made_up_names_are_other(metrics: Metrics) -> None:
    failed = ToolCallStatus.FAILED
    metrics.tool_called(called())
    metrics.tool_called(called(status=failed, code=ToolFailure.ERROR))
    for number in range(3):
        metrics.tool_called(called(tool=f"made_up_{number}", status=failed, code=ToolFailure.UNKNOWN))

    name = "outcry_tool_calls_total"
    assert value(metrics, name, tool="get_price", outcome="ok") == 1
    assert value(metrics, name, tool="get_price", outcome="failed") == 1
    assert value(metrics, name, tool="other", outcome="failed") == 3
    assert b"made_up" not in metrics.render()[0]
