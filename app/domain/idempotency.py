"""A request that may come again: its key, who holds it, and what is known about its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a caller named a request by. Keys of two callers are two keys; `body_hash` is that of the question."""

    caller: str
    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """A key held by one run of one process: `owner` is made up for each and never comes again."""

    key: RequestKey
    owner: str


@dataclass(frozen=True, slots=True)
class Term:
    """From now until when a reservation holds without being renewed, and until when its key is remembered."""

    now: datetime
    leased_until: datetime
    expires_at: datetime


class Standing(StrEnum):
    """What a key stands for when somebody comes with it.

    `unknown`: whoever held it is gone without an outcome, and nobody has been told yet.
    """

    TAKEN = "taken"
    STORED = "stored"
    IN_PROGRESS = "in_progress"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Claim:
    """How a key stands: `answer` where one is stored, `owner` where somebody else is at it."""

    standing: Standing
    answer: dict[str, Any] | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Holding:
    """Who holds a key, whether the decision is there, and until when the holder is believed to be alive."""

    owner: str
    is_decided: bool
    leased_until: datetime
