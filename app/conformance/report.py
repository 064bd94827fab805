"""What the conformance suite found out about one provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.domain.usage import Usage, money, summed


class Status(StrEnum):
    """How one check ended. `skipped`: it could not be tried, which says nothing against the provider."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: `latency` in seconds over all its calls, `cost_usd` None when a price is unknown.

    `detail` says what was seen, `figures` are numbers worth keeping (milliseconds, tokens).
    """

    name: str
    status: Status
    latency: float
    detail: str
    cost_usd: Decimal | None
    usage: Usage = Usage()
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of one run, in the order they ran. `duration` is seconds."""

    provider: str
    type: str
    model: str
    started_at: datetime
    duration: float
    checks: Sequence[CheckResult]

    def count(self, status: Status) -> int:
        """How many checks ended so."""
        return sum(check.status is status for check in self.checks)

    @property
    def passed(self) -> bool:
        """Whether no check failed and at least one passed."""
        return self.count(Status.FAILED) == 0 and self.count(Status.PASSED) > 0

    @property
    def success_rate(self) -> float | None:
        """Passed ones among those that could be tried; None when none could."""
        tried = self.count(Status.PASSED) + self.count(Status.FAILED)
        return self.count(Status.PASSED) / tried if tried else None

    @property
    def cost_usd(self) -> Decimal | None:
        """Dollars of the whole run; None when a price is unknown."""
        return summed((Decimal(0), *(check.cost_usd for check in self.checks)))


def rendered_check(check: CheckResult) -> dict[str, Any]:
    """One check as JSON; money is a decimal string."""
    return {
        "name": check.name,
        "status": check.status.value,
        "latency_ms": round(check.latency * 1000, 3),
        "detail": check.detail,
        "cost_usd": _money(check.cost_usd),
        "input_tokens": check.usage.input_tokens,
        "output_tokens": check.usage.output_tokens,
        "figures": {name: round(value, 3) for name, value in check.figures.items()},
    }


def rendered(report: Report) -> dict[str, Any]:
    """The whole report as JSON."""
    return {
        "provider": report.provider,
        "type": report.type,
        "model": report.model,
        "status": (Status.PASSED if report.passed else Status.FAILED).value,
        "success_rate": report.success_rate,
        "summary": {status.value: report.count(status) for status in Status},
        "started_at": report.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "duration_ms": round(report.duration * 1000, 3),
        "cost_usd": _money(report.cost_usd),
        "checks": [rendered_check(check) for check in report.checks],
    }


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else money(amount)
