"""A setting that was changed while the service runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """What was set, and when."""

    value: Mapping[str, Any]
    changed_at: datetime
