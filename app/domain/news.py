"""What one process tells the others of a provider's trouble. Keys are named by their ids, never shown."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NewsKind(StrEnum):
    """A target that asked for a pause, a key out of use, an open circuit; and that somebody closed them by hand."""

    COOLING = "cooling"
    PARKED = "parked"
    EJECTED = "ejected"
    RESET = "reset"


@dataclass(frozen=True, slots=True)
class About:
    """What news is of: a target with one key, a provider's key (no model), or a reset (no key; no model for all)."""

    kind: NewsKind
    provider: str
    model: str = ""
    credential_id: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """That it holds for so many seconds more; `said_at` tells one word about the same thing from a later one."""

    about: About
    seconds: float
    said_at: float = 0.0
