"""How a provider did over a while: what is kept of its health, and read again as history."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class HealthSample:
    """One provider between two moments, the later of which is `at`; or, read with a step, everything from `at` on.

    `requests` said something about the provider, `failures` of them against it; `looks` is how often it was looked at
    and `looks_up` how often it was up then. `p50` and `p95` are seconds and look back on the health window; of several
    samples they are the mean and the worst. `process` names the process that saw it, "" for several.
    """

    provider: str
    at: datetime
    status: str
    circuit: str
    requests: int = 0
    failures: int = 0
    looks: int = 0
    looks_up: int = 0
    p50: float | None = None
    p95: float | None = None
    in_flight: int = 0
    last_error: str | None = None
    process: str = ""
    samples: int = 1
    id: str = field(default_factory=lambda: os.urandom(16).hex())

    @property
    def success_rate(self) -> float | None:
        """Share of the requests that speak for the provider; None without any."""
        return (self.requests - self.failures) / self.requests if self.requests else None

    @property
    def uptime(self) -> float | None:
        """Share of the looks that found it up; None without any."""
        return self.looks_up / self.looks if self.looks else None


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """Which samples are meant: from `since` to before `until`, one by one or, with `step` seconds, in buckets."""

    since: datetime
    until: datetime
    step: int | None = None
