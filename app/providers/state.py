"""What we know of one provider and of one target right now."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from app.domain.chat import Allowance, Credential
from app.domain.errors import Code
from app.domain.ports import Adapter
from app.domain.provider import ProviderConfig
from app.domain.target import Target
from app.resilience.breaker import Breaker, BreakerRules
from app.resilience.habits import Habits
from app.resilience.limits import Limits
from app.resilience.pace import Pace
from app.resilience.retry import RetryBudget, RetryRules
from app.resilience.window import RollingWindow

_SAMPLES: Final = 256
# Read sample by sample for every candidate of a request that goes by latency.
_PACE_SAMPLES: Final = 64
UPTIME_SECONDS: Final = 3600.0
_UPTIME_SAMPLES: Final = 720
_MOST_PARKED: Final = 1000


@dataclass(slots=True)
class Tallies:
    """Totals since a provider's state was made, for those who want to know what came since they last looked."""

    requests: int = 0
    failures: int = 0
    looks: int = 0
    looks_up: int = 0
    unpriced: int = 0


class ProviderState:
    """One enabled provider: its configuration, its adapter and what was seen of it.

    `models` is what it serves, configured or listed; `listed` is its own list, None before it was ever read.
    `answers` is the last evidence, of a call or a check: None before any. `last_seen` is the monotonic moment of the
    last attempt that says something about it, `last_checked` the wall time of the last evidence of either kind.
    `failed_keys` are those of its own that were refused or spent and have not answered since.
    """

    def __init__(
        self, config: ProviderConfig, adapter: Adapter, *, window: float, limits: Limits | None = None
    ) -> None:
        self.config = config
        self.adapter = adapter
        self.credentials = config.credentials or (Credential(),)
        self.limits = limits or Limits(config.rate_limit, config.max_concurrent)
        self.window = RollingWindow(window, _SAMPLES)
        self.uptime = RollingWindow(UPTIME_SECONDS, _UPTIME_SAMPLES)
        self.tallies = Tallies()
        self.models: tuple[str, ...] = ()
        self.listed: tuple[str, ...] | None = None
        self.answers: bool | None = None
        self.last_error: str | None = None
        self.last_checked: datetime | None = None
        self.last_seen = -math.inf
        self.failed_keys: dict[str, Code] = {}
        self._credential_ids = frozenset(credential.id for credential in self.credentials)
        self._parked: dict[str, float] = {}

    @property
    def has_configured_models(self) -> bool:
        """Whether the operator said which models there are; otherwise catalog and list do."""
        return bool(self.config.models or self.config.default_model)

    @property
    def default_model(self) -> str | None:
        """The model that stands for this provider; None while none is known."""
        return self.config.default_model or next(iter(self.models), None)

    def owns(self, credential_id: str) -> bool:
        """Whether the key is the provider's own, not an agent's."""
        return credential_id in self._credential_ids

    def park(self, credential_id: str, until: float) -> None:
        """Keep a key out of use until then: refused, or its quota is exhausted."""
        if len(self._parked) >= _MOST_PARKED:
            self._parked.pop(next(iter(self._parked)))
        self._parked[credential_id] = max(until, self._parked.get(credential_id, until))

    @property
    def parked(self) -> Mapping[str, float]:
        """Until when which key, by id, is out of use; some may be over."""
        return self._parked

    def release(self) -> None:
        """Let every key be used again, the agents' own too."""
        self._parked.clear()

    def is_parked(self, credential_id: str, now: float) -> bool:
        """Whether the key is out of use at this moment."""
        return bool(self._parked) and self._parked.get(credential_id, now) > now

    def usable_credentials(self, now: float) -> tuple[Credential, ...]:
        """The keys that are not parked, in their order; all of them when every one is."""
        if not self._parked:
            return self.credentials
        usable = tuple(one for one in self.credentials if not self.is_parked(one.id, now))
        return usable or self.credentials

    def usable_credential(self, now: float) -> Credential:
        """The first key that is not parked; the first of all when every one is."""
        return self.usable_credentials(now)[0]

    def cooldown_until(self, now: float) -> float | None:
        """When the first of its keys comes back; None while one is usable."""
        until = [self._parked.get(credential.id, now) for credential in self.credentials]
        return min(until) if min(until) > now else None

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return self.limits.in_flight

    def tokens_today(self, now: float) -> int:
        """Tokens of the present UTC day, those reserved for calls under way among them."""
        return self.limits.day.tokens(now)


class TargetState:
    """One target with one key: breaker, retry budget, recent outcomes, cooldown. Moments are monotonic seconds.

    `allowance` is what the provider said last about its own limit. `window` has the outcomes, `pace` the durations of
    the successes among them by the length of their prompts, `habits` what answers are like; `first_tokens` has how long
    streams took to their first content.
    """

    __slots__ = (
        "allowance", "breaker", "budget", "cooldown_until", "credential_id", "first_tokens", "habits", "last_used",
        "pace", "target", "window",
    )  # fmt: skip

    def __init__(
        self,
        target: Target,
        credential_id: str,
        *,
        breaker: BreakerRules,
        retry: RetryRules,
        window: float,
        rng: random.Random,
    ) -> None:
        self.target = target
        self.credential_id = credential_id
        self.breaker = Breaker(breaker, rng)
        self.budget = RetryBudget(retry)
        self.window = RollingWindow(window, _SAMPLES)
        self.first_tokens = RollingWindow(window, _PACE_SAMPLES)
        self.pace = Pace(window, _PACE_SAMPLES)
        self.habits = Habits()
        self.allowance: Allowance | None = None
        self.cooldown_until = 0.0
        self.last_used = 0.0

    def cool(self, until: float) -> None:
        """Leave the target alone until then, as its provider asked; an earlier end never shortens a pause."""
        self.cooldown_until = max(self.cooldown_until, until)

    def cooling(self, now: float) -> float:
        """Seconds left of the pause, 0 when there is none."""
        return max(self.cooldown_until - now, 0.0)
