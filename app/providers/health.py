"""How well each provider does, for people and dashboards to read: pure views of the pool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from app.domain.chat import Allowance
from app.domain.provider import ProviderConfig, RateLimit
from app.domain.target import Circuit
from app.providers.pool import Pool
from app.providers.state import UPTIME_SECONDS, ProviderState, TargetState

_GOOD_RATE: Final = 0.9
_BY_BADNESS: Final = (Circuit.CLOSED, Circuit.HALF_OPEN, Circuit.OPEN)


class Status(StrEnum):
    """How well a provider, or all of them, does."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


def status_of(state: ProviderState, targets: Sequence[TargetState], now: float) -> Status:
    """One provider's status. Nothing heard of it yet is no reason to call it ill."""
    own = [target for target in targets if state.owns(target.credential_id)]
    circuits = [target.breaker.circuit(now) for target in own]
    rate = state.window.success_rate(now)
    no_way_in = bool(circuits) and all(circuit is Circuit.OPEN for circuit in circuits)
    if no_way_in or state.cooldown_until(now) is not None or state.answers is False:
        return Status.DOWN
    if worst(circuits) is not Circuit.CLOSED or any(target.cooling(now) for target in own):
        return Status.DEGRADED
    return Status.HEALTHY if rate is None or rate >= _GOOD_RATE else Status.DEGRADED


def overall_status(statuses: Sequence[Status]) -> Status:
    """Healthy when all are, down when none can answer."""
    if all(status is Status.DOWN for status in statuses):
        return Status.DOWN
    return Status.HEALTHY if all(status is Status.HEALTHY for status in statuses) else Status.DEGRADED


def is_panic(targets: Sequence[TargetState], now: float) -> bool:
    """Whether more than half of the targets in use are ejected: then the fault may be on this side of them."""
    ejected = sum(target.breaker.circuit(now) is Circuit.OPEN for target in targets)
    return 2 * ejected > len(targets)


def worst(circuits: Sequence[Circuit]) -> Circuit:
    """The worst circuit of several, closed of none."""
    return max(circuits, key=_BY_BADNESS.index, default=Circuit.CLOSED)


def health_report(pool: Pool, now: float, wall: datetime) -> dict[str, Any]:
    """The body of `GET /providers/health`."""
    states = pool.providers()
    statuses = {state.config.name: status_of(state, pool.states(state.config.name), now) for state in states}
    return {
        "overall_status": overall_status(list(statuses.values())).value,
        "panic": is_panic([target for state in states for target in pool.states(state.config.name)], now),
        "providers": {
            state.config.name: _provider_row(
                state, pool.states(state.config.name), statuses[state.config.name], _Moment(now, wall)
            )
            for state in states
        },
        "ranking": _ranking(states, statuses, now),
    }


def provider_rows(pool: Pool, now: float) -> list[dict[str, Any]]:
    """The rows of `GET /providers`, disabled ones too; no key, no header, no address."""
    return [_configuration_row(config, pool, now) for config in pool.current.providers]


class _Moment:
    """Turns monotonic moments into the wall times that people read."""

    def __init__(self, now: float, wall: datetime) -> None:
        self.now = now
        self._wall = wall

    def text(self, moment: float | None) -> str | None:
        """ISO 8601 in UTC; None for a moment that is past."""
        if moment is None or moment <= self.now:
            return None
        return iso(self._wall + timedelta(seconds=moment - self.now))


def iso(wall: datetime) -> str:
    """ISO 8601 in UTC with `Z` and milliseconds."""
    return wall.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _provider_row(
    state: ProviderState, targets: Sequence[TargetState], status: Status, moment: _Moment
) -> dict[str, Any]:
    now, rate, uptime = moment.now, state.window.success_rate(moment.now), state.uptime.success_rate(moment.now)
    if uptime is None:
        uptime = float(status is not Status.DOWN)
    return {
        "status": status.value,
        "is_healthy": status is Status.HEALTHY,
        "circuit": worst([target.breaker.circuit(now) for target in targets]).value,
        "success_rate": rate,
        "error_rate": None if rate is None else 1.0 - rate,
        "response_time_ms": _milliseconds(state.window.percentile(0.5, now)),
        "p95_ms": _milliseconds(state.window.percentile(0.95, now)),
        "uptime_percentage": round(100.0 * uptime, 2),
        "uptime_window_s": UPTIME_SECONDS,
        "last_error": state.last_error,
        "last_checked": iso(state.last_checked) if state.last_checked else None,
        "cooldown_until": moment.text(_cooldown_until(state, targets, now)),
        "requests_today": state.limits.used_today(now),
        "requests_this_minute": state.limits.used_this_minute(now),
        "rate_limit_per_minute": state.config.rate_limit.requests_per_minute,
        "rate_limit_per_day": state.config.rate_limit.requests_per_day,
        "tokens_today": state.tokens_today(now),
        "token_limit_per_minute": state.config.rate_limit.tokens_per_minute,
        "token_limit_per_day": state.config.rate_limit.tokens_per_day,
        "in_flight": state.in_flight,
        "max_concurrent": state.config.max_concurrent,
        "targets": _target_rows(targets, moment),
    }


def _cooldown_until(state: ProviderState, targets: Sequence[TargetState], now: float) -> float | None:
    """When the provider as a whole is usable again: its keys are parked, or all that was used of it is pausing."""
    if (parked := state.cooldown_until(now)) is not None:
        return parked
    return min((target.cooldown_until for target in targets), default=None)


def _target_rows(targets: Sequence[TargetState], moment: _Moment) -> list[dict[str, Any]]:
    """A row per model. Keys are folded into it: that an agent has its own is nobody else's business."""
    by_model: dict[str, list[TargetState]] = {}
    for target in targets:
        by_model.setdefault(target.target.model, []).append(target)
    return [_target_row(model, states, moment) for model, states in sorted(by_model.items())]


def _target_row(model: str, states: Sequence[TargetState], moment: _Moment) -> dict[str, Any]:
    now = moment.now
    busiest = max(states, key=lambda state: state.window.count(now))
    return {
        "model": model,
        "circuit": worst([state.breaker.circuit(now) for state in states]).value,
        "success_rate": busiest.window.success_rate(now),
        "response_time_ms": _milliseconds(busiest.window.percentile(0.5, now)),
        "p95_ms": _milliseconds(busiest.window.percentile(0.95, now)),
        "ejections": max(state.breaker.ejections for state in states),
        "retry_after": round(max(state.breaker.retry_after(now) for state in states), 3),
        "cooldown_until": moment.text(max(state.cooldown_until for state in states)),
        "allowance": _allowance(busiest.allowance),
    }


def _allowance(left: Allowance | None) -> dict[str, Any] | None:
    """What the provider said last about its own limit."""
    if left is None:
        return None
    return {"requests": left.requests, "tokens": left.tokens, "resets_after_s": left.resets_after}


def _ranking(states: Sequence[ProviderState], statuses: dict[str, Status], now: float) -> list[str]:
    """Names, best first: by status, then success rate, then latency, then the operator's priority."""
    order = list(Status)

    def key(state: ProviderState) -> tuple[int, float, float, int]:
        rate, p95 = state.window.success_rate(now), state.window.percentile(0.95, now)
        badness = order.index(statuses[state.config.name])
        return badness, -(1.0 if rate is None else rate), math.inf if p95 is None else p95, state.config.priority

    return [state.config.name for state in sorted(states, key=key)]


def _configuration_row(config: ProviderConfig, pool: Pool, now: float) -> dict[str, Any]:
    state = pool.provider(config.name) if config.enabled else None
    configured = [model.id for model in config.models]
    return {
        "name": config.name,
        "type": config.type.value,
        "models": list(state.models) if state else configured,
        "default_model": state.default_model if state else config.default_model or next(iter(configured), None),
        "priority": config.priority,
        "enabled": config.enabled,
        "rate_limit": _limits(config.rate_limit),
        "max_concurrent": config.max_concurrent,
        "state": status_of(state, pool.states(config.name), now).value if state else "disabled",
    }


def _limits(rate: RateLimit) -> dict[str, Any]:
    return {
        "requests_per_minute": rate.requests_per_minute,
        "tokens_per_minute": rate.tokens_per_minute,
        "requests_per_day": rate.requests_per_day,
        "tokens_per_day": rate.tokens_per_day,
        "burst_limit": rate.burst_limit,
        "strategy": rate.strategy.value,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000.0, 3)
