"""Metrics, OpenTelemetry's GenAI ones and ours: they hear of everything and steer nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from math import nan
from typing import Final, TypeVar, cast

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.process_collector import ProcessCollector

from app.domain.alerts import Alert
from app.domain.attempt import AttemptOutcome, AttemptRecord, HedgeOutcome
from app.domain.budget import Budget, BudgetState
from app.domain.decision import Decision
from app.domain.errors import Code
from app.domain.outcome import OutcomeKind
from app.domain.target import Circuit, Target
from app.domain.tools import ToolCallRecord, ToolFailure
from app.domain.usage import summed
from app.telemetry.causes import FallbackCauses
from app.telemetry.families import Families
from app.telemetry.fresh import Fresh
from app.telemetry.labels import LIMITS, MOST_ROUTES, OTHER, KnownTargets, limit_named_in
from app.telemetry.series import EMBEDDINGS, AttemptSeries, observing

log = logging.getLogger(__name__)

CIRCUIT_VALUES: Final[Mapping[Circuit, int]] = {Circuit.CLOSED: 0, Circuit.HALF_OPEN: 1, Circuit.OPEN: 2}
_Metric = TypeVar("_Metric", Counter, Histogram)


class Metrics:
    """Everything that is counted. With `multiprocess_dir` the text is that of all worker processes together.

    `collectors` are called before the text is made, to set what is a state rather than an event.
    """

    def __init__(self, *, multiprocess_dir: str | None = None) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.collectors: list[Callable[[Metrics], None]] = []
        self._directory = multiprocess_dir
        self._known = KnownTargets()
        self._causes = FallbackCauses()
        self._series: dict[tuple[str, tuple[str, str], AttemptOutcome, str], AttemptSeries] = {}
        self._children: dict[tuple[MetricWrapperBase, tuple[str, ...]], MetricWrapperBase] = {}
        self._routes: set[str] = set()
        self._totals: dict[Counter, float] = {}
        self._spent: dict[Counter, Decimal] = {}
        self._budgets_told: set[tuple[Gauge, tuple[str, str]]] = set()
        self._unpriced = Fresh()
        self._families = Families(self.registry)
        self._observe_overhead = observing(self._families.overhead)
        if multiprocess_dir is None:
            ProcessCollector(registry=self.registry)

    @property
    def is_shared(self) -> bool:
        """Whether the text is that of several worker processes."""
        return self._directory is not None

    def set_known(self, targets: Iterable[Target]) -> None:
        """The targets whose names may be labels; all others are `other` from now on."""
        self._known.replace(targets)
        if self._directory is None:
            self._families.circuit.clear()
            self._families.in_flight.clear()

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Count one attempt. Never raises."""
        try:
            self._count_attempt(record)
        except Exception:
            self._families.errors.inc()
            log.exception("attempt was not counted")

    def request_finished(self, route: str, status: int, code: str | None, overhead: float | None) -> None:
        """Count one answer; `route` is the route's template, `overhead` the gateway's own seconds, None if unknown."""
        self._bound(self._families.requests, self._route(route), str(status), code or "").inc()
        if overhead is not None:
            self._observe_overhead(max(overhead, 0.0))

    def decision_finished(self, decision: Decision) -> None:
        """Count one decision and its votes."""
        families = self._families
        self._bound(families.decisions, decision.action, decision.status, decision.consensus.method).inc()
        for vote in decision.votes:
            self._bound(families.votes, *self._known.labels(vote.provider, vote.model), vote.status).inc()

    def outcomes_recorded(self, kind: OutcomeKind, count: int) -> None:
        """Count outcomes that were put on record."""
        self._families.outcomes.labels(kind.value).inc(count)

    def limit_rejected(self, limit: str) -> None:
        """Count a refusal that no attempt tells of: a caller's own limit."""
        self._families.limit_rejections.labels(limit if limit in LIMITS else OTHER).inc()

    def budget_refused(self, budget: Budget) -> None:
        """Count an attempt that a budget had no room for."""
        self._families.budget_refusals.labels(budget.kind, budget.window).inc()

    def set_budgets(self, states: Iterable[BudgetState]) -> None:
        """What is left of budgets: of each kind the tightest. Nobody's name is a label."""
        used, dollars, tokens = self._families.budget_used, self._families.budget_usd, self._families.budget_tokens
        told = set[tuple[Gauge, tuple[str, str]]]()
        of_kind: dict[tuple[str, str], list[BudgetState]] = {}
        for state in states:
            of_kind.setdefault((state.budget.kind.value, state.budget.window.value), []).append(state)
        for labels, alike in of_kind.items():
            used.labels(*labels).set(max(state.budget.cap.share_used(state.used) for state in alike))
            told.add((used, labels))
            if costs := [state.left.cost_usd for state in alike if state.left.cost_usd is not None]:
                dollars.labels(*labels).set(float(min(costs)))
                told.add((dollars, labels))
            if counts := [state.left.tokens for state in alike if state.left.tokens is not None]:
                tokens.labels(*labels).set(min(counts))
                told.add((tokens, labels))
        for gauge, labels in self._budgets_told - told:
            # Of several workers' a series cannot be taken back: no number is what a budget that is gone has left.
            gauge.labels(*labels).set(nan)
            if self._directory is None:
                gauge.remove(*labels)
        self._budgets_told = told

    def panicked(self, is_admitted: bool) -> None:  # noqa: FBT001 - what the planner tells
        """Count a request for which only ejected targets were left, and whether one was tried all the same."""
        self._families.panics.labels("admitted" if is_admitted else "refused").inc()

    def hedge_ended(self, outcome: HedgeOutcome) -> None:
        """Count what became of a hedge."""
        self._bound(self._families.hedges, outcome).inc()

    def job_restarted(self, job: str) -> None:
        """Count a background job's restart."""
        self._families.restarts.labels(job).inc()

    def tool_called(self, record: ToolCallRecord) -> None:
        """Count one call of a tool; a name that a model made up is `other`."""
        tool = OTHER if record.code is ToolFailure.UNKNOWN else record.tool
        self._families.tool_calls.labels(tool, record.status).inc()

    def alert_changed(self, alert: Alert) -> None:
        """Count an alert that fired or resolved."""
        provider = self._known.provider(alert.provider)
        self._families.alerts.labels(alert.rule.kind, provider, alert.state).inc()

    def alert_delivered(self, outcome: str) -> None:
        """Count what became of an alert at one webhook."""
        self._families.alert_deliveries.labels(outcome).inc()

    def cache_used(self, outcome: str) -> None:
        """Count what became of a request at the response cache, or an answer that it stored."""
        self._families.cache_requests.labels(outcome).inc()

    def event_lost(self) -> None:
        """Count something that could not be told."""
        self._families.errors.inc()

    def set_circuit(self, target: Target, circuit: Circuit) -> None:
        """State of one target's circuit."""
        self._families.circuit.labels(*self._known.labels(target.provider, target.model)).set(CIRCUIT_VALUES[circuit])

    def set_in_flight(self, provider: str, attempts: int) -> None:
        """Attempts under way at one provider."""
        self._families.in_flight.labels(self._known.provider(provider)).set(attempts)

    def set_tasks(self, count: int) -> None:
        """Tasks of the event loop that have not ended."""
        self._families.tasks.set(count)

    def set_usage_queue(self, depth: int, spilled: int, lost: int, spill_size: int) -> None:
        """Records that wait in memory, how many went to disk and were lost since the start, and bytes on disk now."""
        self._families.queue_depth.set(depth)
        self._families.spill_bytes.set(spill_size)
        self._count_up_to(self._families.spilled, spilled)
        self._count_up_to(self._families.usage_lost, lost)

    def set_cache(self, size: int) -> None:
        """Bytes of the answers that are kept."""
        self._families.cache_bytes.set(size)

    def set_ejections(self, total: int) -> None:
        """Ejections since the start, of all targets together."""
        self._count_up_to(self._families.ejections, total)

    def set_configuration(self, revision: int, undecryptable_keys: int) -> None:
        """The revision in force, and how many stored keys cannot be read."""
        self._families.revision.set(revision)
        self._families.undecryptable.set(undecryptable_keys)

    def set_unreadable(self, total: int) -> None:
        """How often a stored payload could not be read since the start."""
        self._count_up_to(self._families.unreadable, total)

    def refresh(self) -> None:
        """Have the states set. A worker that is not scraped itself calls this every second or so."""
        for collect in self.collectors:
            try:
                collect(self)
            except Exception:
                self._families.errors.inc()
                log.exception("states were not collected")

    def render(self) -> tuple[bytes, str]:
        """Prometheus' text and its content type."""
        self.refresh()
        registry = self.registry
        if self._directory is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, self._directory)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST

    def forget_process(self, pid: int) -> None:
        """Drop the states that a worker which has ended left behind."""
        if self._directory is not None:
            mark_process_dead(pid, self._directory)  # type: ignore[no-untyped-call]

    def _count_attempt(self, record: AttemptRecord) -> None:
        families, outcome, usage = self._families, record.outcome, record.usage
        series = self._series_of(record)
        series.attempts(1)
        cause = self._causes.of(record)
        if cause is not None:
            self._bound(families.fallbacks, cause).inc()
        if outcome is AttemptOutcome.SKIPPED:
            if record.code is Code.RATE_LIMIT:
                families.limit_rejections.labels(limit_named_in(record.message)).inc()
            return
        series.duration(record.duration)
        if record.time_to_first_token is not None:
            series.first_chunk(record.time_to_first_token)
        if usage is not None:
            series.input_tokens(usage.input_tokens)
            series.output_tokens(usage.output_tokens)
        if record.cost_usd is not None:
            self._spend(series.spend, record.cost_usd)
        elif record.is_unpriced and self._unpriced.is_new(record.request_id):
            families.unpriced.inc()

    def _series_of(self, record: AttemptRecord) -> AttemptSeries:
        """What such attempts are counted in; there are no more of them than there are series."""
        operation = EMBEDDINGS if record.route == EMBEDDINGS else "chat"
        target, outcome, code = (
            self._known.labels(record.target.provider, record.target.model),
            record.outcome,
            record.code or "",
        )
        key = operation, target, outcome, code
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = AttemptSeries(self._families, operation, target, outcome, code)
        return series

    def _spend(self, counter: Counter, dollars: Decimal) -> None:
        """Set a counter to the exact sum, once rounded: floats added up one by one drift away from it."""
        if dollars < 0:
            raise ValueError("a cost below nothing")
        if not dollars:
            return
        shown = counter._value  # noqa: SLF001 - a counter has no other way to be set
        spent = self._spent.get(counter)
        if spent is None:
            # A process of the same id may have been here before.
            spent = Decimal(repr(shown.get()))
        after = self._spent[counter] = summed((spent, dollars)) or spent
        shown.set(float(after))

    def _bound(self, metric: _Metric, *labels: str) -> _Metric:
        """The metric's child, looked up once: doing it each time costs three times what counting does."""
        key = (metric, labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return cast("_Metric", child)

    def _route(self, route: str) -> str:
        if route in self._routes or len(self._routes) < MOST_ROUTES:
            self._routes.add(route)
            return route
        return OTHER

    def _count_up_to(self, counter: Counter, total: float) -> None:
        """Bring a counter to a total that somebody else keeps; a total that fell began again at zero."""
        before = self._totals.get(counter, 0.0)
        counter.inc(total - before if total >= before else total)
        self._totals[counter] = total
