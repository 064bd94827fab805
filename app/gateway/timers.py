"""How long one attempt may take: a target's own timers, cut to what is left of the request."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.chat import Timeouts
from app.domain.provider import TimeoutOverrides


@dataclass(frozen=True, slots=True)
class TimerRules:
    """The process's timers in seconds, each > 0; reasoning models think before their first token."""

    connect: float = 2.0
    first_token: float = 15.0
    idle: float = 20.0
    total: float = 30.0
    reasoning_first_token: float = 60.0
    reasoning_total: float = 60.0

    def of_target(self, overrides: TimeoutOverrides, *, is_reasoning: bool) -> Timeouts:
        """A target's own timers: the provider's where it states them, else the process's for its kind of model."""
        return Timeouts(
            connect=overrides.connect or self.connect,
            first_token=overrides.first_token or (self.reasoning_first_token if is_reasoning else self.first_token),
            idle=overrides.idle or self.idle,
            total=overrides.total or (self.reasoning_total if is_reasoning else self.total),
        )


def cut(own: Timeouts, remaining: float, *, share: float) -> Timeouts:
    """Timers for an attempt with `remaining` seconds of deadline, of which it may use `share` (0..1]."""
    total = max(min(own.total, remaining * share), 0.001)
    if total >= own.total and own.first_token <= total:
        return own
    return Timeouts(min(own.connect, total), min(own.first_token, total), own.idle, total)
