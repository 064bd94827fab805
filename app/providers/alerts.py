"""Alerts: reads the pool against the rules in force and tells each change once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, assert_never

import anyio

from app.domain.alerts import Alert, AlertKind, AlertRule, AlertState
from app.domain.errors import Code
from app.domain.target import Circuit
from app.providers.health import Status, status_of, worst
from app.providers.pool import Pool
from app.providers.state import ProviderState
from app.resilience.latch import Latch

log = logging.getLogger(__name__)

_TICK: Final = 1.0
_PLACES: Final = 3
Told = Callable[[Alert], None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a rule sees at a provider: wrong, right or nothing (None), the figure behind it, and words for it."""

    is_wrong: bool | None
    value: float | None
    words: str


class _Watch:
    """One rule at one provider: its latch, since when it fires, and the count it compares the next one with."""

    def __init__(self, rule: AlertRule, state: ProviderState) -> None:
        self.latch = Latch(rule.for_seconds, rule.clear_seconds)
        self.fired_at: datetime | None = None
        self.state = state
        self.unpriced = 0


class AlertMonitor:
    """Watches the pool by the rules in force. It steers nothing, and tells `told` without waiting for anyone.

    An alert fires once and resolves once. A rule that stays the same over a reload goes on where it was; one that is
    gone, or whose provider is, resolves.
    """

    def __init__(
        self,
        pool: Pool,
        told: Sequence[Told],
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        self._pool = pool
        self._told = told
        self._now = now
        self._wall = wall
        self._failed = failed
        self._watches: dict[tuple[AlertRule, str], _Watch] = {}

    async def run(self) -> None:
        """The job: never returns. A start over remembers what was told."""
        while True:
            self.look()
            await anyio.sleep(_TICK)

    def look(self) -> None:
        """One look at every rule and provider."""
        now = self._now()
        watched = {
            (rule, state.config.name): state
            for rule in self._pool.current.alerts.rules
            for state in self._pool.providers()
            if not rule.providers or state.config.name in rule.providers
        }
        for key in [key for key in self._watches if key not in watched]:
            self._end(*key, self._watches.pop(key))
        for (rule, name), state in watched.items():
            watch = self._watches.get((rule, name))
            if watch is None:
                watch = self._watches[rule, name] = _Watch(rule, state)
            self._judge(rule, watch, state, now)

    def _judge(self, rule: AlertRule, watch: _Watch, state: ProviderState, now: float) -> None:
        if watch.state is not state:
            watch.state, watch.unpriced = state, 0
        reading = read(rule, state, self._pool, now, unpriced=watch.unpriced)
        watch.unpriced = state.tallies.unpriced
        if not watch.latch.changes(reading.is_wrong, now):
            return
        if watch.latch.is_on:
            watch.fired_at = self._wall()
            self._tell(rule, state.config.name, watch, AlertState.FIRED, reading)
        else:
            self._tell(rule, state.config.name, watch, AlertState.RESOLVED, reading)

    def _end(self, rule: AlertRule, name: str, watch: _Watch) -> None:
        if watch.latch.is_on:
            gone = Reading(is_wrong=False, value=None, words="is not watched any more")
            self._tell(rule, name, watch, AlertState.RESOLVED, gone)

    def _tell(self, rule: AlertRule, name: str, watch: _Watch, state: AlertState, reading: Reading) -> None:
        wall = self._wall()
        alert = Alert(rule, name, state, wall, watch.fired_at or wall, reading.value, f"{name} {reading.words}")
        for told in self._told:
            try:
                told(alert)
            except Exception:
                # An alert that was counted as told must reach those that can be reached.
                self._failed()
                log.exception("an alert was not told", extra={"alert": alert.key})


def read(rule: AlertRule, state: ProviderState, pool: Pool, now: float, *, unpriced: int) -> Reading:
    """What the rule sees there now; `unpriced` is what the provider's count was at the last look."""
    own = [target for target in pool.states(state.config.name) if state.owns(target.credential_id)]
    match rule.kind:
        case AlertKind.PROVIDER_DOWN:
            is_down = status_of(state, own, now) is Status.DOWN
            return Reading(is_down, None, "is down" if is_down else "answers again")
        case AlertKind.CIRCUIT_OPEN:
            return _circuits([target.breaker.circuit(now) for target in own])
        case AlertKind.QUOTA_EXHAUSTED:
            return _keys(state, Code.PROVIDER_QUOTA_EXHAUSTED, "has an exhausted quota", "has quota again")
        case AlertKind.KEY_REFUSED:
            return _keys(state, Code.PROVIDER_AUTH_FAILED, "refuses a key", "takes its keys again")
        case AlertKind.SPEND_UNKNOWN:
            new = state.tallies.unpriced - unpriced
            return Reading(new > 0, float(new), "answered at a price nobody knows" if new else "costs what is known")
        case AlertKind.SUCCESS_RATE:
            rate = state.window.success_rate(now) if state.window.count(now) >= rule.minimum else None
            return _figure(rule, rate, "success rate")
        case AlertKind.P95_MS:
            p95 = state.window.percentile(0.95, now) if state.window.count(now) >= rule.minimum else None
            return _figure(rule, None if p95 is None else p95 * 1000.0, "p95 in milliseconds")
        case AlertKind.DAILY_REQUESTS:
            limit = state.config.rate_limit.requests_per_day
            return _figure(rule, state.limits.used_today(now) / limit if limit else None, "share of the day's requests")
        case AlertKind.BUDGET_THRESHOLD:
            return Reading(is_wrong=None, value=None, words="has budgets that are watched by themselves")
    assert_never(rule.kind)


def _circuits(circuits: Sequence[Circuit]) -> Reading:
    # Half-open is neither: whether the trial succeeds will tell.
    match worst(circuits):
        case Circuit.OPEN:
            count = circuits.count(Circuit.OPEN)
            return Reading(is_wrong=True, value=float(count), words=f"has {count} open circuit{'s' * (count > 1)}")
        case Circuit.HALF_OPEN:
            return Reading(is_wrong=None, value=None, words="tries again")
        case Circuit.CLOSED:
            return Reading(is_wrong=False, value=0.0, words="has no open circuit")


def _keys(state: ProviderState, code: Code, wrong: str, right: str) -> Reading:
    count = sum(reason is code for reason in state.failed_keys.values())
    return Reading(count > 0, float(count), wrong if count else right)


def _figure(rule: AlertRule, value: float | None, name: str) -> Reading:
    if value is None:
        return Reading(is_wrong=None, value=None, words=f"has no {name}")
    words = f"has a {name} of {value:.4g} (threshold {rule.threshold:g})"
    return Reading(rule.verdict(value), round(value, _PLACES), words)
