"""What a provider was asked on one UTC day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class DayUse:
    """Requests and tokens of one UTC day; as a difference either may be negative."""

    day: date
    requests: int
    tokens: int
