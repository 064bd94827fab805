"""The record: what is put on it, one link of a chain as it is stored, and what a check of everything found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from app.domain.frozen import frozen

GONE: Final = "0" * 64
"""The state of a subject whose own row is deleted, and what stands before the first link of a chain."""

GATEWAY: Final = "gateway"
"""Who does what nobody asked for: the beginning of a chain, votes that came late."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who asked for a change: the public id of a gateway key, and the request that it came with, if any."""

    key_id: str
    request_id: str | None = None


THE_GATEWAY: Final = Author(GATEWAY)


class Kind(StrEnum):
    """What an entry is about."""

    START = "start"
    DECISION = "decision"
    LATE_VOTES = "late_votes"
    OUTCOME = "outcome"
    CHANGE = "change"
    ERASURE = "erasure"


@frozen
class Entry:
    """One thing to be put on record, in the transaction that does it.

    `subject` is `decision:<id>`, `agent:7`, ...; `by` the public id of a key, never the key. `payload` is kept beside
    the chain and may be erased there. `state` is the hash of the subject's own row from now on, `GONE` without one; a
    check of everything compares it with that row, unless a later entry of the subject has another. No secret belongs
    into any of them.
    """

    kind: Kind
    subject: str
    by: str
    payload: Mapping[str, Any] | None = None
    state: str | None = None


def change(
    subject: str, by: Author, *, what: str, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> Entry:
    """The entry of a change of configuration: None before for what is new, None after for what is gone."""
    told = {"what": what, "before": before, "after": after, "by": by.key_id, "request_id": by.request_id}
    return Entry(Kind.CHANGE, subject, by.key_id, told)


@dataclass(frozen=True, slots=True)
class Change:
    """A change on record, with its place in its chain: the fields that differ, as they were and as they are.

    `before` is None for what is new, `after` for what is gone; of an erasure `before` is the hashes of what went.
    """

    chain: str
    seq: int
    at: str
    kind: Kind
    subject: str
    by: str
    hash: str
    request_id: str | None = None
    what: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    reason: str | None = None


@frozen
class Link:
    """An entry in its chain; `own` is the hash of its content, `hash` that of the chain up to here.

    Everything is text as it is hashed, `at` ISO 8601 in UTC with microseconds.
    """

    chain: str
    seq: int
    at: str
    kind: str
    subject: str
    by: str
    payload_hash: str | None
    state: str | None
    prev: str
    own: str = ""
    hash: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A link as a check finds it: beside it, SHA-256 of its payload's text as it is stored, None without one."""

    link: Link
    payload_found: str | None


@dataclass(frozen=True, slots=True)
class Words:
    """What was said, as a check finds it beside the record: its hash, and the SHA-256 of what is stored.

    `found` is None where nothing is stored, and where it is encrypted: then nobody without the key can tell.
    """

    part: str
    form: str
    sha256: str
    is_stored: bool
    found: str | None


@frozen
class Head:
    """How far a chain goes."""

    chain: str
    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far chains went. `body` is what is signed, `hash` its SHA-256; unsigned ones have no key and no signature."""

    number: int
    at: str
    body: str
    hash: str
    key_id: str | None = None
    public_key: str | None = None
    signature: str | None = None


@dataclass(frozen=True, slots=True)
class Bad:
    """What is wrong first: in which chain and where, or in which checkpoint, and why. `id` is the subject's."""

    chain: str | None
    seq: int | None
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check of everything found: so many rows were looked at, and `first_bad` is the first that is wrong.

    `unsealed` rows are past the last checkpoint of their chain: of them alone a cut tail would not show.
    """

    rows: int
    first_bad: Bad | None = None
    chains: int = 0
    checkpoints: int = 0
    signed: int = 0
    unsealed: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.first_bad is None
