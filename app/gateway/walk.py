"""Which attempt comes next, and after which pause: the decisions of one request's way through its plan."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection
from dataclasses import dataclass

from app.domain.attempt import AttemptKind
from app.domain.errors import (
    REACTIONS,
    Cooldown,
    DeadlineExceeded,
    FailureKind,
    OutcryError,
    ProviderError,
)
from app.domain.routing import Candidate, Plan
from app.domain.target import Target
from app.gateway.final_error import final_error
from app.resilience.retry import RetryRules, full_jitter

LONGEST_WAIT = 0.25
"""Seconds that a request waits for room at a limit, once, when no other target has any."""

CLOCK_SLACK = 0.01
"""Seconds by which a timer may fire early: an attempt that used up the deadline leaves less than this."""

GRACE = 0.05
"""Seconds an adapter's own timers may fire late before the attempt is cut from outside."""


@dataclass(slots=True)
class _Tried:
    """A step that has been tried, and how it failed last."""

    step: Candidate
    failure: ProviderError


class Walk:
    """The state of one request: what was tried, what is left. Sync; it decides, the gateway does.

    `may_retry` is asked before the same target is tried again, or another one beside it; it spends from that target's
    retry budget. `next_key` gives the same target with a key of its provider that is free and not among those tried
    here, None without one. What an operator stopped meanwhile, by `is_stopped`, is not tried any more.

    After a failure, in this order: a fault of the caller's own ends it, whatever failed before; a refused or rate
    limited key gives way to the next one at the same target, except that the last attempt is for an untried target; an
    untried target; a key that was left for one; the same targets again, those that asked for a wait beyond `patience`
    last. A wait that a provider asked for is bounded by the deadline alone: how long an answer is of use, the caller
    has said.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        deadline: float,
        max_retries: int,
        rules: RetryRules,
        now: Callable[[], float],
        rng: random.Random,
        may_retry: Callable[[Candidate], bool],
        next_key: Callable[[Candidate, Collection[str]], Candidate | None] = lambda _step, _tried: None,
        is_stopped: Callable[[Target], bool] = lambda _target: False,
    ) -> None:
        self.plan = plan
        self.step = plan.steps[0]
        self.kind = AttemptKind.FIRST
        self.pause = 0.0
        self.attempts = 0
        self.limited: ProviderError | None = None
        """The denial of the step's limit, where the next attempt has to wait for room; whoever waits clears it."""
        self._untried = list(plan.steps[1:])
        self._tried: dict[int, _Tried] = {}
        self._failures: list[ProviderError] = []
        self._deadline = deadline
        self._max_retries = max_retries
        self._rules = rules
        self._now = now
        self._rng = rng
        self._may_retry = may_retry
        self._has_waited = False
        self._has_hedge = False
        self._next_key = next_key
        self._is_stopped = is_stopped

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(self._deadline - self._now(), 0.0)

    @property
    def share(self) -> float:
        """The part of the remaining deadline that an attempt which starts now may use.

        All of it where nothing could follow: no untried target, no attempt, or no time to start one.
        """
        if not self._untried or self.attempts + self._has_hedge >= self._max_retries:
            return 1.0
        leaves = self.remaining * (1.0 - self._rules.share) - GRACE
        return self._rules.share if leaves >= self._rules.least_remaining else 1.0

    @property
    def may_hedge(self) -> bool:
        """Whether the first attempt may have another one beside it."""
        return bool(self._untried) and self._max_retries > 0 and not self._failures

    def hedge(self) -> Candidate | None:
        """The next untried target, for an attempt beside the present one; it counts as one. None when none may be.

        The present target's budget pays: hedges are extra calls that its requests make, as retries are.
        """
        self._leave_out_stopped()
        if not self.may_hedge or self.remaining < self._rules.least_remaining or not self._may_retry(self.step):
            return None
        self._has_hedge = True
        return self._untried.pop(0)

    def lost(self, step: Candidate, error: ProviderError) -> None:
        """One of two attempts failed; the other is still under way."""
        self._note(step, error)

    def stands_at(self, step: Candidate, kind: AttemptKind) -> None:
        """Of two attempts this one decides: it answered, or it was the last to fail and `goes_on` is asked next."""
        self.step, self.kind = step, kind
        self._has_hedge = False

    @property
    def wait(self) -> float:
        """The most seconds to wait for room at the step's limit; an attempt must still have time after it."""
        return min(LONGEST_WAIT, self.remaining if not self.attempts else self.remaining - self._rules.least_remaining)

    def goes_on(self, error: BaseException) -> bool:
        """Whether another attempt follows this error; if so, `step`, `kind` and `pause` describe it."""
        if not isinstance(error, ProviderError):
            return False
        self._note(self.step, error)
        if REACTIONS[error.kind].sent and (
            self.attempts > self._max_retries or self.remaining < self._rules.least_remaining
        ):
            return False
        if ends_it(error):
            return False
        self._leave_out_stopped()
        return (
            self._changes_key(error)
            or self._falls_over(error)
            or self._returns_with_another_key(error)
            or self._waits(error)
            or self._retries(error)
        )

    def deciding(self, error: OutcryError) -> OutcryError:
        """The error that the caller gets when nothing follows `error`."""
        if not isinstance(error, ProviderError):
            return error
        if error.kind is FailureKind.TIMEOUT and self.remaining < CLOCK_SLACK:
            return DeadlineExceeded()
        return final_error(self._failures, error)

    def _note(self, step: Candidate, error: ProviderError) -> None:
        # Its frames hold whole answers, up to 20 MiB each, and hold each other until the garbage collector comes.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        self._failures.append(error)
        self._tried[id(step)] = _Tried(step, error)
        self.attempts += REACTIONS[error.kind].sent

    def _leave_out_stopped(self) -> None:
        self._untried = [step for step in self._untried if not self._is_stopped(step.target)]

    def _changes_key(self, error: ProviderError) -> bool:
        """A key that is dead or used up says nothing about its target: the next one is tried there, at once.

        The last attempt is for an untried target: a provider whose keys were all revoked must not use them all up.
        """
        if not _is_about_the_key(error):
            return False
        if self._untried and self.attempts >= self._max_retries:
            return False
        return self._takes_another_key(self.step)

    def _returns_with_another_key(self, error: ProviderError) -> bool:
        """Where no target is untried, one whose key was refused or has used up its allowance, if it has another."""
        if not REACTIONS[error.kind].try_next:
            return False
        about_keys = [one.step for one in self._tried.values() if _is_about_the_key(one.failure)]
        return any(self._takes_another_key(step) for step in about_keys)

    def _takes_another_key(self, failed: Candidate) -> bool:
        """A refused key is parked, so that it fails once; a limit may be the account's, and say so for every key."""
        if self._is_stopped(failed.target):
            return False
        tried = [one.step.credential.id for one in self._tried.values() if one.step.target == failed.target]
        step = self._next_key(failed, tried)
        if step is None:
            return False
        if self._tried[id(failed)].failure.kind is FailureKind.RATE_LIMITED and not self._may_retry(step):
            return False
        self.step = step
        self.kind = AttemptKind.RETRY
        self.pause = 0.0
        return True

    def _falls_over(self, error: ProviderError) -> bool:
        reaction = REACTIONS[error.kind]
        if not reaction.try_next:
            return False
        if reaction.larger_window_only:
            self._untried = [step for step in self._untried if _has_larger_window(step, self.step)]
        if not self._untried:
            return False
        self.step = self._untried.pop(0)
        self.kind = AttemptKind.FALLBACK
        self.pause = 0.0
        return True

    def _retries(self, error: ProviderError) -> bool:
        """The same targets again, the one longest left alone first; only when no untried one is left."""
        again = [(pause, one) for one in self._again(error) if (pause := self._pause_before(one.failure)) is not None]
        # Who asked for a long wait is waited for only when nobody may be asked sooner.
        again.sort(key=lambda one: one[0] if one[0] > self._rules.patience else 0.0)
        for pause, tried in again:
            if self._may_retry(tried.step):
                self.step = tried.step
                self.kind = AttemptKind.RETRY
                self.pause = pause
                return True
        return False

    def _again(self, error: ProviderError) -> list[_Tried]:
        """What was tried, the longest left alone first; after an overflow what has a larger window."""
        running = [one for one in self._tried.values() if not self._is_stopped(one.step.target)]
        tried = sorted(running, key=lambda one: self._failures.index(one.failure))
        if not REACTIONS[error.kind].larger_window_only:
            return tried
        return [one for one in tried if _has_larger_window(one.step, self.step)]

    def _waits(self, error: ProviderError) -> bool:
        """Once all that is left are limits: wait in line at the one that promises room first."""
        reaction = REACTIONS[error.kind]
        limited = [
            one
            for one in self._tried.values()
            if one.failure.kind is FailureKind.LIMITED and not self._is_stopped(one.step.target)
        ]
        if not limited or self._has_waited or not reaction.try_next or reaction.larger_window_only:
            return False
        self._has_waited = True
        soonest = min(limited, key=lambda one: math.inf if (wait := one.failure.retry_after) is None else wait)
        self.step, self.limited, self.pause = soonest.step, soonest.failure, 0.0
        is_first = not self.attempts and self.step is self.plan.steps[0]
        self.kind = AttemptKind.FIRST if is_first else AttemptKind.FALLBACK
        return True

    def _pause_before(self, failure: ProviderError) -> float | None:
        """Seconds to wait before trying a failed target again; None when it must not be."""
        retries = REACTIONS[failure.kind].retry_same if failure.should_retry is None else failure.should_retry
        if not retries or not REACTIONS[failure.kind].sent:
            return None
        pause = full_jitter(self.attempts - 1, self._rules, self._rng)
        if failure.retry_after is not None:
            pause = max(pause, failure.retry_after)
        return pause if pause + self._rules.least_remaining <= self.remaining else None


def ends_it(failure: ProviderError) -> bool:
    """Whether nothing may follow: a fault of the caller's own, unless its provider says that asking again helps."""
    return not REACTIONS[failure.kind].try_next and not failure.should_retry


def _is_about_the_key(failure: ProviderError) -> bool:
    """Whether another key of the same provider may fare better."""
    return failure.kind is FailureKind.RATE_LIMITED or REACTIONS[failure.kind].cooldown is Cooldown.CREDENTIAL


def _has_larger_window(step: Candidate, failed: Candidate) -> bool:
    if step.context_window is None:
        return False
    return failed.context_window is None or step.context_window > failed.context_window
