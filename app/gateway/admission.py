"""Limits of callers: what a gateway key, or an agent, may ask of the gateway before any provider is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from app.domain.errors import Code, NotAdmitted
from app.domain.provider import CallerLimit
from app.domain.routing import Priority
from app.gateway.queueing import permit_within
from app.gateway.walk import LONGEST_WAIT
from app.resilience.limits import Denial, Limits, Permit

DEFAULT: Final = "default"
"""The entry for every key that has none of its own."""

_MOST_CALLERS: Final = 10_000


class Admitted:
    """One request that was let in, with the tokens expected of it; only what is done with it first counts."""

    __slots__ = ("_now", "_permits")

    def __init__(self, permits: list[Permit], now: Callable[[], float]) -> None:
        self._permits = permits
        self._now = now

    def refund(self) -> None:
        """No provider was asked: it counts for nothing."""
        for permit in self._permits:
            permit.refund(self._now())

    def settle(self, tokens: int | None) -> None:
        """It took so many tokens; None when nobody knows, and what was expected stands."""
        for permit in self._permits:
            permit.settle(tokens, self._now())


class Admission:
    """Lets requests in by the limits in force, which `current` gives; kept by this process for itself.

    A request of an agent counts against the agent and against the key it came with. `rejected` hears the name of each
    limit that said no.
    """

    def __init__(
        self,
        current: Callable[[], Mapping[str, CallerLimit]],
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
        rejected: Callable[[str], None],
    ) -> None:
        self._current = current
        self._now = now
        self._wall = wall
        self._rejected = rejected
        self._in_force: Mapping[str, CallerLimit] = {}
        self._limits: dict[str, Limits] = {}

    @property
    def is_open(self) -> bool:
        """Whether no caller is limited."""
        return not self._current()

    async def admit(
        self, key_id: str, agent_id: int | None, *, tokens: int, priority: Priority, deadline: float
    ) -> Admitted:
        """Let one request in, after at most 250 ms in line; `deadline` is a monotonic moment.

        Raises NotAdmitted (policy_rate_limit) that names the limit and whose it is; then nothing was counted.
        """
        until = min(self._now() + LONGEST_WAIT, deadline)
        callers = [f"key:{key_id}"] if agent_id is None else [f"key:{key_id}", f"agent:{agent_id}"]
        permits: list[Permit] = []
        limited = [(whose, limits) for whose in callers if (limits := self._of(whose)) is not None]
        try:
            for whose, limits in limited:
                permit = await self._permit(whose, limits, tokens, priority, until)
                permits.append(permit)
        except BaseException:
            for permit in permits:
                permit.refund(self._now())
            raise
        return Admitted(permits, self._now)

    async def _permit(self, whose: str, limits: Limits, tokens: int, priority: Priority, until: float) -> Permit:
        now = self._now()
        answer = limits.reserve(now, self._wall(), tokens=tokens, priority=priority)
        if isinstance(answer, Permit):
            return answer
        permit = await permit_within(
            max(until - now, 0.0),
            limits,
            tokens=tokens,
            priority=priority,
            now=self._now,
            wall=self._wall,
        )
        if permit is None:
            self._rejected(answer.limit)
            raise _refusal(whose, answer)
        return permit

    def _of(self, whose: str) -> Limits | None:
        """The limits of one caller, made at first sight; None for one without any."""
        if self._current() is not self._in_force:
            self._change(self._current())
        limit = self._limit_of(whose)
        if limit is None:
            return None
        limits = self._limits.get(whose)
        if limits is None:
            if len(self._limits) >= _MOST_CALLERS:
                self._forget_one()
            limits = self._limits[whose] = Limits(limit.rate, limit.max_concurrent)
        return limits

    def _limit_of(self, whose: str) -> CallerLimit | None:
        own = self._in_force.get(whose)
        return self._in_force.get(DEFAULT) if own is None and whose.startswith("key:") else own

    def _change(self, limits: Mapping[str, CallerLimit]) -> None:
        self._in_force = limits
        now = self._now()
        for whose, counted in self._limits.items():
            limit = self._limit_of(whose) or CallerLimit()
            counted.change(limit.rate, limit.max_concurrent, now)

    def _forget_one(self) -> None:
        idle = next((whose for whose, limits in self._limits.items() if not limits.in_flight), None)
        self._limits.pop(next(iter(self._limits)) if idle is None else idle)


def _refusal(whose: str, denial: Denial) -> NotAdmitted:
    if denial.retry_after < math.inf:
        message = f"limit {denial.limit} of {whose} is reached"
    else:
        message = f"the request is larger than limit {denial.limit} of {whose} allows at its priority"
    return NotAdmitted(Code.RATE_LIMIT, message, retry_after=denial.patience)
