"""What was said, kept apart from what is chained: content that may be encrypted, only hashed, or erased later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.frozen import frozen


class PayloadForm(StrEnum):
    """How content is kept. `hashed` and `erased` have none: only its SHA-256 is there."""

    PLAIN = "plain"
    ENCRYPTED = "encrypted"
    HASHED = "hashed"
    ERASED = "erased"


class Part(StrEnum):
    """What of its subject a payload holds: the answer, how it came about, and what came in after it went out."""

    ANSWER = "answer"
    DOSSIER = "dossier"
    LATE = "late"


@frozen
class Payload:
    """One content: `sha256` (64 hex digits) is that of its canonical JSON, and stays when `content` goes.

    `content` is that JSON as it is, or encrypted under the key named `key_id`; None where only the hash is kept.
    """

    subject: str
    part: Part
    form: PayloadForm
    sha256: str
    created_at: datetime
    content: bytes | None = None
    key_id: str | None = None
    erased_at: datetime | None = None
    erased_by: str | None = None
    erased_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased of a subject: each part with the hash that stays, when, by which key, and why."""

    subject: str
    parts: Mapping[Part, str]
    at: datetime
    by: str
    reason: str
