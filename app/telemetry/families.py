"""The metrics there are: names, labels, buckets."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

# OpenTelemetry's advice for these two, so that dashboards made for others fit.
DURATION_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
TOKEN_BUCKETS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)
FIRST_CHUNK_BUCKETS: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96)
# A proxied request costs 0.06 to 2 ms; what lies above a quarter second is a blocked loop.
OVERHEAD_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

GEN_AI_LABELS: Final = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type")


class Families:
    """Every metric by a short name, in one registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.duration = self._histogram(
            "gen_ai_client_operation_duration_seconds", "Seconds of one attempt.", GEN_AI_LABELS, DURATION_BUCKETS
        )
        self.tokens = self._histogram(
            "gen_ai_client_token_usage", "Tokens of one attempt.", (*GEN_AI_LABELS, "gen_ai_token_type"), TOKEN_BUCKETS
        )
        self.first_chunk = self._histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds",
            "Seconds to the first content of a streamed attempt.",
            GEN_AI_LABELS,
            FIRST_CHUNK_BUCKETS,
        )
        self.overhead = self._histogram(
            "outcry_request_overhead_seconds", "Seconds that the gateway itself took.", (), OVERHEAD_BUCKETS
        )
        self.requests = self._counter("outcry_requests_total", "Answers.", "route", "status", "code")
        self.attempts = self._counter(
            "outcry_attempts_total", "Attempts at providers.", "provider", "model", "outcome", "code"
        )
        self.fallbacks = self._counter("outcry_fallbacks_total", "Attempts at another target, by what failed.", "code")
        self.hedges = self._counter("outcry_hedges_total", "Hedges, by what became of them.", "outcome")
        self.ejections = self._counter("outcry_ejections_total", "Times a circuit opened.")
        self.panics = self._counter(
            "outcry_panic_requests_total", "Requests for which only ejected targets were left.", "outcome"
        )
        self.limit_rejections = self._counter(
            "outcry_limit_rejections_total", "Attempts and requests that a limit refused.", "limit"
        )
        self.spend = self._counter("outcry_spend_usd_total", "Dollars spent.", "provider", "model")
        self.unpriced = self._counter("outcry_unpriced_requests_total", "Requests that cost something unknown.")
        self.decisions = self._counter("outcry_decisions_total", "Decisions.", "action", "status", "method")
        self.votes = self._counter("outcry_votes_total", "Votes and abstentions.", "provider", "model", "status")
        self.outcomes = self._counter("outcry_outcomes_total", "Outcomes of decisions on record, all versions.", "kind")
        self.spilled = self._counter("outcry_usage_spilled_total", "Usage records that went to disk.")
        self.usage_lost = self._counter(
            "outcry_usage_lost_total", "Usage records that neither database, disk nor memory had room for."
        )
        self.restarts = self._counter("outcry_background_restarts_total", "Background jobs started again.", "job")
        self.alerts = self._counter(
            "outcry_alerts_total", "Alerts that fired or resolved.", "alert", "provider", "state"
        )
        self.alert_deliveries = self._counter(
            "outcry_alert_deliveries_total", "Alerts sent to webhooks, by how it ended.", "outcome"
        )
        self.tool_calls = self._counter("outcry_tool_calls_total", "Calls of registered tools.", "tool", "outcome")
        self.cache_requests = self._counter(
            "outcry_cache_requests_total", "Requests at the response cache, and answers it stored.", "outcome"
        )
        self.errors = self._counter("outcry_telemetry_errors_total", "Events that could not be counted.")

        self.budget_refusals = self._counter(
            "outcry_budget_refusals_total", "Attempts that a budget had no room for.", "scope", "window"
        )
        self.budget_used = Gauge(
            "outcry_budget_used_ratio",
            "The part that is spent of the fullest budget of a kind.",
            ("scope", "window"),
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.budget_usd = Gauge(
            "outcry_budget_left_usd",
            "Dollars left of the tightest budget of a kind.",
            ("scope", "window"),
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self.budget_tokens = Gauge(
            "outcry_budget_left_tokens",
            "Tokens left of the tightest budget of a kind.",
            ("scope", "window"),
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self.circuit = Gauge(
            "outcry_circuit_state",
            "0 closed, 1 half open, 2 open.",
            ("provider", "model"),
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        self.in_flight = Gauge(
            "outcry_in_flight",
            "Attempts under way.",
            ("provider",),
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.tasks = Gauge(
            "outcry_tasks",
            "Tasks of the event loop that have not ended.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.queue_depth = Gauge(
            "outcry_usage_queue_depth",
            "Usage records waiting in memory.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.spill_bytes = Gauge(
            "outcry_usage_spill_bytes",
            "Bytes of usage records that wait on disk.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.cache_bytes = Gauge(
            "outcry_cache_bytes",
            "Bytes of the answers that the response cache keeps.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        # The worker that is furthest behind is the one to look at.
        self.revision = Gauge(
            "outcry_config_revision",
            "Revision of the stored configuration that is wholly in force.",
            registry=self._registry,
            multiprocess_mode="livemin",
        )
        self.undecryptable = Gauge(
            "outcry_undecryptable_keys",
            "Stored keys that cannot be read.",
            registry=self._registry,
            multiprocess_mode="livemax",
        )

        self.unreadable = self._counter(
            "outcry_unreadable_payloads_total", "Stored payloads of decisions that could not be read when asked for."
        )

    def _counter(self, name: str, promise: str, *labels: str) -> Counter:
        return Counter(name, promise, labels, registry=self._registry)

    def _histogram(self, name: str, promise: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, promise, labels, buckets=buckets, registry=self._registry)
