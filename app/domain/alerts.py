"""Alerts: what an operator wants to be told of, and what is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from pydantic import SecretStr


class AlertKind(StrEnum):
    """What can be wrong with a provider, or with a budget."""

    PROVIDER_DOWN = "provider_down"
    CIRCUIT_OPEN = "circuit_open"
    QUOTA_EXHAUSTED = "quota_exhausted"
    KEY_REFUSED = "key_refused"
    SPEND_UNKNOWN = "spend_unknown"
    SUCCESS_RATE = "success_rate"
    P95_MS = "p95_ms"
    DAILY_REQUESTS = "daily_requests"
    BUDGET_THRESHOLD = "budget_threshold"


class AlertState(StrEnum):
    """The two changes that are told."""

    FIRED = "fired"
    RESOLVED = "resolved"


class WebhookFormat(StrEnum):
    """How a webhook wants it said."""

    JSON = "json"
    SLACK = "slack"


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a rule of this kind has where the operator does not say; `is_low_bad` tells which side is the wrong one.

    `threshold` is None for what either is or is not.
    """

    threshold: float | None = None
    clear: float | None = None
    for_seconds: float = 0.0
    clear_seconds: float = 60.0
    is_low_bad: bool = False


KINDS: Final[Mapping[AlertKind, Defaults]] = MappingProxyType(
    {
        AlertKind.PROVIDER_DOWN: Defaults(for_seconds=10.0),
        AlertKind.CIRCUIT_OPEN: Defaults(),
        AlertKind.QUOTA_EXHAUSTED: Defaults(clear_seconds=0.0),
        AlertKind.KEY_REFUSED: Defaults(clear_seconds=0.0),
        # An hour without another one: otherwise every answer of an unpriced model would be an alert of its own.
        AlertKind.SPEND_UNKNOWN: Defaults(clear_seconds=3600.0),
        AlertKind.SUCCESS_RATE: Defaults(0.9, 0.95, for_seconds=30.0, is_low_bad=True),
        AlertKind.P95_MS: Defaults(10_000.0, 8_000.0, for_seconds=30.0),
        AlertKind.DAILY_REQUESTS: Defaults(0.9, 0.9, clear_seconds=0.0),
        # Its threshold is the budget's own, and it is watched for wherever a budget has one.
        AlertKind.BUDGET_THRESHOLD: Defaults(clear_seconds=0.0),
    }
)


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One thing to be told of. It fires when it is wrong for `for_seconds`, resolves when right for `clear_seconds`.

    Wrong is beyond `threshold`, right is at `clear` or better; between them nothing changes. Fewer than `minimum`
    requests in the health window say nothing about rates and times. No `providers` means all of them.
    """

    kind: AlertKind
    threshold: float | None = None
    clear: float | None = None
    for_seconds: float = 0.0
    clear_seconds: float = 60.0
    minimum: int = 20
    providers: tuple[str, ...] = ()

    @classmethod
    def of(cls, kind: AlertKind) -> AlertRule:
        """The rule with this kind's defaults."""
        usual = KINDS[kind]
        return cls(kind, usual.threshold, usual.clear, usual.for_seconds, usual.clear_seconds)

    def verdict(self, value: float | None) -> bool | None:
        """Whether a figure is wrong (True) or right (False); None between the two, and for no figure."""
        if value is None or self.threshold is None or self.clear is None:
            return None
        if KINDS[self.kind].is_low_bad:
            value, threshold, clear = -value, -self.threshold, -self.clear
        else:
            threshold, clear = self.threshold, self.clear
        if value > threshold:
            return True
        return False if value <= clear else None


DEFAULT_RULES: Final = tuple(
    AlertRule.of(kind)
    for kind in (
        AlertKind.PROVIDER_DOWN,
        AlertKind.CIRCUIT_OPEN,
        AlertKind.QUOTA_EXHAUSTED,
        AlertKind.KEY_REFUSED,
        AlertKind.SUCCESS_RATE,
    )
)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where alerts go. The URL is a secret: with Slack whoever has it may write."""

    url: SecretStr
    format: WebhookFormat = WebhookFormat.JSON


@dataclass(frozen=True, slots=True)
class AlertPlan:
    """What is watched for and who is told; the log and the metrics are told in any case."""

    rules: tuple[AlertRule, ...] = DEFAULT_RULES
    webhooks: tuple[Webhook, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Alert:
    """One change of one rule at one provider. Nothing in it was written by a provider, and no key can be.

    For a budget `provider` is the scope it is of, and `occasion` its window and when that began.
    """

    rule: AlertRule
    provider: str
    state: AlertState
    at: datetime
    fired_at: datetime
    value: float | None
    message: str
    occasion: str = ""

    @property
    def key(self) -> str:
        """The same for the firing and its end, so that receivers can match them."""
        threshold = "" if self.rule.threshold is None else f":{self.rule.threshold:g}"
        occasion = f":{self.occasion}" if self.occasion else ""
        return f"{self.rule.kind}:{self.provider}{threshold}{occasion}"
