"""Alerts fire once and resolve once, for what the rules in force say, in virtual time."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from app.domain.alerts import DEFAULT_RULES, KINDS, Alert, AlertKind, AlertPlan, AlertRule, AlertState
from app.domain.attempt import AttemptOutcome
from app.domain.errors import Code
from app.domain.provider import ProviderConfig, ProviderSet, RateLimit
from app.domain.target import Circuit, Target
from app.domain.usage import Usage
from app.providers.alerts import AlertMonitor
from app.supervisor import SupervisionRules, Supervisor
from tests.providers.test_monitor import ALPHA, BETA, KEY, Watched, record

RATE = AlertRule(AlertKind.SUCCESS_RATE, 0.9, 0.95, for_seconds=30, clear_seconds=60, minimum=10)


class Alerting:
    """A watched pool with rules, looked at every second of virtual time."""

    def __init__(self, *rules: AlertRule, providers: tuple[ProviderConfig, ...] = (ALPHA, BETA)) -> None:
        self.watched = Watched(*providers)
        self.alerts: list[Alert] = []
        self.lost = 0
        self.monitor = AlertMonitor(
            self.watched.pool,
            [self.alerts.append],
            now=self.watched.clock.now,
            wall=self.watched.clock.wall,
            failed=self._lose,
        )
        self.rule(*rules, providers=providers)

    def rule(self, *rules: AlertRule, providers: tuple[ProviderConfig, ...] = (ALPHA, BETA)) -> None:
        """Put other rules in force."""
        self.watched.pool.replace(ProviderSet(providers, alerts=AlertPlan(rules)))

    def pass_time(self, seconds: int) -> list[tuple[str, str, str]]:
        """What is told within so many seconds."""
        told = len(self.alerts)
        for _ in range(seconds):
            self.watched.clock.advance(1)
            self.monitor.look()
        return [(alert.rule.kind.value, alert.provider, alert.state.value) for alert in self.alerts[told:]]

    def attempts(self, good: int, bad: int = 0) -> None:
        for _ in range(good):
            self.watched.attempt("alpha")
        for _ in range(bad):
            self.watched.attempt("alpha", Code.PROVIDER_ERROR)

    def _lose(self) -> None:
        self.lost += 1


def test_every_kind_has_its_defaults_and_its_figures_their_two_sides() -> None:
    assert set(KINDS) == set(AlertKind)
    for kind, usual in KINDS.items():
        assert (usual.threshold is None) == (usual.clear is None), kind
    assert all(rule == AlertRule.of(rule.kind) for rule in DEFAULT_RULES)


def test_a_low_success_rate_fires_after_its_seconds_and_resolves_once_it_was_good_for_long() -> None:
    alerting = Alerting(RATE)
    alerting.attempts(good=8, bad=2)

    assert alerting.pass_time(30) == []
    assert alerting.pass_time(60) == [("success_rate", "alpha", "fired")]
    fired = alerting.alerts[0]
    assert (fired.value, fired.at, fired.fired_at) == (0.8, fired.at, fired.at)
    assert fired.message == "alpha has a success rate of 0.8 (threshold 0.9)"

    alerting.attempts(good=10)  # 0.9: better than the threshold, not yet clear of it
    assert alerting.pass_time(90) == []
    alerting.attempts(good=40)
    assert alerting.pass_time(60) == []
    assert alerting.pass_time(60) == [("success_rate", "alpha", "resolved")]
    assert alerting.alerts[1].fired_at == fired.at


def test_a_rate_that_flaps_around_its_threshold_is_told_once() -> None:
    alerting = Alerting(RATE)
    alerting.attempts(good=8, bad=2)
    told = alerting.pass_time(40)

    for _ in range(20):
        alerting.attempts(good=3)
        told += alerting.pass_time(5)
        alerting.attempts(good=0, bad=1)
        told += alerting.pass_time(5)

    assert told == [("success_rate", "alpha", "fired")]


def test_a_few_requests_say_nothing_and_silence_resolves_nothing() -> None:
    alerting = Alerting(RATE)
    alerting.attempts(good=0, bad=9)
    assert alerting.pass_time(120) == []

    alerting.attempts(good=0, bad=9)
    assert alerting.pass_time(120) == [("success_rate", "alpha", "fired")]
    assert alerting.pass_time(900) == []  # the window is empty by now


def test_a_provider_that_is_down_fires_and_resolves() -> None:
    alerting = Alerting(AlertRule.of(AlertKind.PROVIDER_DOWN))
    alerting.watched.state("beta").answers = False

    assert alerting.pass_time(10) == []
    assert alerting.pass_time(1) == [("provider_down", "beta", "fired")]
    alerting.watched.state("beta").answers = True
    assert alerting.pass_time(61) == [("provider_down", "beta", "resolved")]


def test_an_open_circuit_fires_at_once_and_a_half_open_one_resolves_nothing() -> None:
    alerting = Alerting(AlertRule.of(AlertKind.CIRCUIT_OPEN))
    alerting.watched.eject("alpha")
    breaker = alerting.watched.pool.state(Target("alpha", "alpha-1"), KEY.id).breaker
    assert alerting.pass_time(1) == [("circuit_open", "alpha", "fired")]

    alerting.watched.clock.advance(60)
    assert breaker.try_acquire(alerting.watched.clock.now())
    assert breaker.circuit(alerting.watched.clock.now()) is Circuit.HALF_OPEN
    assert alerting.pass_time(90) == []

    breaker.succeeded(alerting.watched.clock.now())
    assert breaker.try_acquire(alerting.watched.clock.now())
    breaker.succeeded(alerting.watched.clock.now())
    assert alerting.pass_time(62) == [("circuit_open", "alpha", "resolved")]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.PROVIDER_QUOTA_EXHAUSTED, AlertKind.QUOTA_EXHAUSTED),
        (Code.PROVIDER_AUTH_FAILED, AlertKind.KEY_REFUSED),
    ],
)
def test_a_key_that_fails_fires_until_it_answers_again(code: Code, kind: AlertKind) -> None:
    alerting = Alerting(AlertRule.of(AlertKind.QUOTA_EXHAUSTED), AlertRule.of(AlertKind.KEY_REFUSED))
    alerting.watched.attempt("alpha", code)

    assert alerting.pass_time(3600) == [(kind, "alpha", "fired")]
    alerting.watched.attempt("alpha")
    assert alerting.pass_time(5) == [(kind, "alpha", "resolved")]


def test_an_agents_own_key_that_fails_is_nobody_elses_alert() -> None:
    alerting = Alerting(AlertRule.of(AlertKind.QUOTA_EXHAUSTED))

    alerting.watched.attempt("alpha", Code.PROVIDER_QUOTA_EXHAUSTED, credential_id="an-agents")

    assert alerting.pass_time(5) == []


def test_spend_that_nobody_knows_is_told_once_and_resolves_an_hour_after_the_last() -> None:
    alerting = Alerting(AlertRule.of(AlertKind.SPEND_UNKNOWN))
    unpriced = record("alpha", None, AttemptOutcome.OK, usage=Usage(10, 5))
    alerting.watched.monitor.attempt_finished(replace(unpriced, cost_usd=Decimal("0.01")))
    assert alerting.pass_time(5) == []

    told = list[tuple[str, str, str]]()
    for _ in range(3):
        alerting.watched.monitor.attempt_finished(unpriced)
        told += alerting.pass_time(1800)

    assert told == [("spend_unknown", "alpha", "fired")]
    assert alerting.pass_time(1900) == [("spend_unknown", "alpha", "resolved")]


def test_slow_answers_and_a_day_that_is_nearly_used_up_are_told_with_their_figures() -> None:
    limited = replace(ALPHA, rate_limit=RateLimit(requests_per_day=10))
    slow = AlertRule(AlertKind.P95_MS, 200, 150, minimum=5)
    alerting = Alerting(slow, AlertRule.of(AlertKind.DAILY_REQUESTS), providers=(limited,))
    alerting.attempts(good=5)
    state, clock = alerting.watched.state("alpha"), alerting.watched.clock
    for _ in range(10):
        state.limits.reserve(clock.now(), clock.wall())

    assert alerting.pass_time(2) == [("p95_ms", "alpha", "fired"), ("daily_requests", "alpha", "fired")]
    assert [alert.value for alert in alerting.alerts] == [250.0, 1.0]
    assert alerting.pass_time(12 * 3600) == [("daily_requests", "alpha", "resolved")]


def test_a_reload_keeps_what_stays_and_resolves_what_is_gone() -> None:
    down = AlertRule.of(AlertKind.PROVIDER_DOWN)
    alerting = Alerting(down, AlertRule.of(AlertKind.CIRCUIT_OPEN))
    for name in ("alpha", "beta"):
        alerting.watched.state(name).answers = False
    assert alerting.pass_time(20) == [("provider_down", "alpha", "fired"), ("provider_down", "beta", "fired")]

    alerting.rule(down, providers=(ALPHA,))

    assert alerting.pass_time(20) == [("provider_down", "beta", "resolved")]
    assert alerting.alerts[-1].message == "beta is not watched any more"
    alerting.rule()
    assert alerting.pass_time(20) == [("provider_down", "alpha", "resolved")]


def test_a_rule_for_some_providers_leaves_the_others_alone() -> None:
    alerting = Alerting(replace(AlertRule.of(AlertKind.PROVIDER_DOWN), providers=("beta",)))
    for name in ("alpha", "beta"):
        alerting.watched.state(name).answers = False

    assert alerting.pass_time(20) == [("provider_down", "beta", "fired")]


async def test_the_job_that_dies_tells_nothing_twice_and_one_who_cannot_be_told_keeps_it_from_nobody() -> None:
    alerting = Alerting(AlertRule.of(AlertKind.CIRCUIT_OPEN))
    alerting.watched.eject("alpha")
    looks, enough = 0, anyio.Event()

    def now() -> float:
        nonlocal looks
        looks += 1
        if looks == 2:
            raise RuntimeError("a bug of ours")
        if looks == 3:
            enough.set()
        return alerting.watched.clock.now()

    def broken(_alert: Alert) -> None:
        raise RuntimeError("no space left")

    monitor = AlertMonitor(
        alerting.watched.pool,
        [broken, alerting.alerts.append],
        now=now,
        wall=alerting.watched.clock.wall,
        failed=alerting._lose,
    )
    async with Supervisor(rules=SupervisionRules(first_pause=0.0)) as supervisor:
        supervisor.add("alerts", monitor.run)
        with anyio.fail_after(5):
            await enough.wait()

    assert supervisor.restarts["alerts"] == 1
    assert [alert.state for alert in alerting.alerts] == [AlertState.FIRED]
    assert alerting.lost == 1
