"""What is asked of the record of usage: which attempts, in which time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

GROUPS: Final = ("model", "provider", "agent", "key", "route", "symbol", "strategy", "outcome", "code")
"""What a summary may be grouped by, and attempts chosen by."""


@dataclass(frozen=True, slots=True)
class UsageFilter:
    """Attempts that match everything that is not None, begun from `since` (included) until `until` (not included)."""

    since: datetime | None = None
    until: datetime | None = None
    model: str | None = None
    provider: str | None = None
    agent: int | None = None
    key: str | None = None
    route: str | None = None
    symbol: str | None = None
    strategy: str | None = None
    outcome: str | None = None
    code: str | None = None
    request_id: str | None = None
    decision_id: str | None = None

    @property
    def names_rows(self) -> bool:
        """Whether it asks for single rows, which no roll-up knows."""
        return self.request_id is not None or self.decision_id is not None
