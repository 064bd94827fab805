"""Health monitor: live traffic first, a free probe where there is none, model lists where nobody stated them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import anyio

from app.domain.attempt import AttemptOutcome, AttemptRecord
from app.domain.errors import Code, FailureKind, ProviderError
from app.domain.provider import ProviderConfig
from app.domain.target import Circuit
from app.providers.health import Status, health_report, provider_rows, status_of
from app.providers.pool import Pool
from app.providers.rotation import rotation
from app.providers.state import ProviderState

# What only the provider, its network or its account can be blamed for.
_ITS_FAULT: Final = frozenset(
    {
        Code.PROVIDER_UNREACHABLE,
        Code.PROVIDER_ERROR,
        Code.PROVIDER_BAD_ANSWER,
        Code.PROVIDER_STREAM_TRUNCATED,
        Code.PROVIDER_OVERLOADED,
        Code.PROVIDER_TIMEOUT,
    }
)
# An agent's key may be wrong or spent without the provider being any worse for the others.
_ITS_KEYS_FAULT: Final = frozenset({Code.PROVIDER_AUTH_FAILED, Code.PROVIDER_QUOTA_EXHAUSTED})

# A check that is refused so was answered: the provider lives, it just has no such list, or not for this key.
_SIGNS_OF_LIFE: Final = frozenset(
    {FailureKind.MODEL_NOT_FOUND, FailureKind.PERMISSION, FailureKind.BAD_REQUEST, FailureKind.RATE_LIMITED}
)

_DEFAULT_INTERVAL: Final = next(f.default for f in fields(ProviderConfig) if f.name == "health_check_interval")
_TICK: Final = 0.5
_UPTIME_EVERY: Final = 5.0


@dataclass(frozen=True, slots=True)
class HealthRules:
    """When providers are checked; seconds.

    A check is due after `interval` without live traffic, or, while a circuit is open or a needed model list is
    missing, after `open_interval`; up to a share of `jitter` earlier. `window` is what rates and percentiles look
    back on; `probe_timeout` bounds one check.
    """

    interval: float = 60.0
    open_interval: float = 30.0
    window: float = 300.0
    jitter: float = 0.1
    probe_timeout: float = 5.0


@dataclass(slots=True)
class Check:
    """When one provider was last checked and how it stands; what `due` chooses from. Moments are monotonic."""

    state: ProviderState
    interval: float
    first_at: float
    jitter: float = 0.0
    checked_at: float = -math.inf
    ejected_at: float | None = None
    is_running: bool = False

    @property
    def needs_list(self) -> bool:
        """Whether nobody has said yet what this provider serves."""
        return not self.state.has_configured_models and self.state.listed is None

    def due_at(self, rules: HealthRules) -> float:
        """When the next check is due."""
        if self.ejected_at is not None:
            # Counted from the ejection, not from traffic: a last resort that keeps failing must not put checks off,
            # and a check right after it would only tell that the model list still answers.
            heard, wait = max(self.checked_at, self.ejected_at), rules.open_interval
        elif self.needs_list:
            heard, wait = self.checked_at, rules.open_interval
        else:
            heard, wait = max(self.checked_at, self.state.last_seen), self.interval
        if heard == -math.inf:
            return self.first_at
        return heard + min(wait, self.interval) * (1.0 - rules.jitter * self.jitter)


def due(checks: Sequence[Check], rules: HealthRules, now: float) -> list[Check]:
    """The providers to check now: never two checks of one at a time."""
    return [check for check in checks if not check.is_running and now >= check.due_at(rules)]


def counts_as(record: AttemptRecord, *, own_key: bool) -> bool | None:
    """Whether an attempt speaks for (True) or against (False) its provider; None when it says nothing about it."""
    if record.outcome is AttemptOutcome.OK:
        return True
    if record.outcome is AttemptOutcome.ERROR and (
        record.code in _ITS_FAULT or (own_key and record.code in _ITS_KEYS_FAULT)
    ):
        return False
    return None


class HealthMonitor:
    """Watches the pool. It observes and probes; it opens no circuit, and only half-opens one that a probe reached."""

    def __init__(
        self,
        pool: Pool,
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        rng: random.Random,
        rules: HealthRules,
    ) -> None:
        self._pool = pool
        self._now = now
        self._wall = wall
        self._rng = rng
        self._rules = rules
        self._checks: dict[str, Check] = {}
        self._uptime_at = -math.inf

    async def run(self) -> None:
        """The job: never returns."""
        async with anyio.create_task_group() as probes:
            while True:
                for check in self.due():
                    probes.start_soon(self.check, check)
                self.sample_uptime()
                await anyio.sleep(_TICK)

    def due(self) -> list[Check]:
        """The checks to make now."""
        now = self._now()
        checks = self._followed(now)
        for check in checks:
            targets = self._pool.states(check.state.config.name)
            # Half-open is still out: a trial call on its way must not start the wait for the next check anew.
            if all(target.breaker.circuit(now) is Circuit.CLOSED for target in targets):
                check.ejected_at = None
            elif check.ejected_at is None:
                check.ejected_at = now
        return due(checks, self._rules, now)

    async def check(self, check: Check) -> None:
        """One free check, at most `probe_timeout` long; where nobody stated the models it reads the list."""
        state = check.state
        check.is_running = True
        try:
            with anyio.fail_after(self._rules.probe_timeout):
                await self._probe(state)
        except TimeoutError:
            self._heard(state, answers=False, error=f"no answer to a check within {self._rules.probe_timeout:g} s")
        except ProviderError as error:
            self._heard(state, answers=error.kind in _SIGNS_OF_LIFE, error=error.message)
        else:
            self._heard(state, answers=True)
        finally:
            check.is_running = False
            check.checked_at = self._now()
            check.jitter = self._rng.random()

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Live traffic is the best check there is."""
        state = self._pool.provider(record.target.provider)
        if state is None:
            return
        now, wall = self._now(), self._wall()
        if record.usage is not None:
            state.tallies.unpriced += record.cost_usd is None
        own_key = state.owns(record.credential_id)
        if record.time_to_first_token is not None:
            # Whatever became of the stream afterwards.
            target = self._pool.state(record.target, record.credential_id)
            target.first_tokens.add(now, ok=True, latency=record.time_to_first_token)
        if (of_key := counts_as(record, own_key=True)) is None:
            return
        target = self._pool.state(record.target, record.credential_id)
        target.window.add(now, of_key, record.duration)
        if of_key and record.usage is not None:
            target.pace.add(now, record.duration, record.usage.input_tokens)
            target.habits.see(record.usage)
        ok = of_key if own_key else counts_as(record, own_key=False)
        if ok is None:
            return
        state.window.add(now, ok, record.duration)
        state.tallies.requests += 1
        state.tallies.failures += not ok
        if own_key and ok:
            state.failed_keys.pop(record.credential_id, None)
        elif record.code in _ITS_KEYS_FAULT:
            state.failed_keys[record.credential_id] = record.code
        state.last_seen = now
        state.last_checked = wall
        state.answers = True if ok else state.answers
        state.last_error = state.last_error if ok else record.message or record.code

    def sample_uptime(self) -> None:
        """Note who is up, every few seconds: uptime is a share of time, not of requests."""
        now = self._now()
        if now - self._uptime_at < _UPTIME_EVERY:
            return
        self._uptime_at = now
        for state in self._pool.providers():
            status = status_of(state, self._pool.states(state.config.name), now)
            state.uptime.add(now, status is not Status.DOWN, 0.0)
            state.tallies.looks += 1
            state.tallies.looks_up += status is not Status.DOWN

    def report(self) -> dict[str, Any]:
        """The body of `GET /providers/health`."""
        return health_report(self._pool, self._now(), self._wall())

    def rotation(self) -> dict[str, Any]:
        """The body of `GET /api/llm-providers`."""
        return rotation(self._pool, self._now())

    def rows(self) -> list[dict[str, Any]]:
        """The rows of `GET /providers`."""
        return provider_rows(self._pool, self._now())

    def _followed(self, now: float) -> list[Check]:
        """A check for every enabled provider; those of replaced ones are forgotten."""
        states = self._pool.providers()
        for position, state in enumerate(states):
            known = self._checks.get(state.config.name)
            if known is None or known.state is not state:
                self._checks[state.config.name] = self._new_check(state, position / len(states), now)
        self._checks = {state.config.name: self._checks[state.config.name] for state in states}
        return list(self._checks.values())

    def _new_check(self, state: ProviderState, share: float, now: float) -> Check:
        # What the file says of one provider is closer to it than what the process says of all.
        stated = state.config.health_check_interval
        interval = self._rules.interval if stated == _DEFAULT_INTERVAL else stated
        check = Check(state, interval, first_at=now, jitter=self._rng.random())
        if not check.needs_list:
            check.first_at = now + interval * share
        return check

    async def _probe(self, state: ProviderState) -> None:
        credential = state.usable_credential(self._now())
        if not state.has_configured_models:
            listed = tuple(await state.adapter.models(credential))
            self._pool.set_listed(state, listed)
            if listed:
                return
        await state.adapter.probe(credential)

    def _heard(self, state: ProviderState, *, answers: bool, error: str | None = None) -> None:
        now = self._now()
        state.answers = answers
        state.last_checked = self._wall()
        state.last_error = state.last_error if error is None else error
        if answers:
            for target in self._pool.states(state.config.name):
                target.breaker.probed(now)
