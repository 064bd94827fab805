"""How entries are linked: which bytes are hashed, and what is wrong with a link. docs/audit.md shows them by example.

    content  canonical JSON of {at, by, chain, kind, payload, seq, state, subject}: sorted keys, no spaces, UTF-8;
             `payload` is SHA-256 of the payload's text, `state` that of the subject's own row, each null where absent
    own      SHA-256 of the content
    hash     SHA-256 of the 128 characters prev + own, in ASCII; `prev` is the hash before, 64 zeros before the first

Hashes are 64 hex digits in lower case. Whoever knows only the `own` of links between two others can still follow the
chain, so that a part of it can be shown without what others did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import orjson

from app.domain.audit import GONE, Entry, Head, Link
from app.text.canonical import Unencodable, canonical


def linked(entry: Entry, chain: str, before: Head | None, at: str) -> tuple[Link, str | None]:
    """The entry as the next link after `before`, None for the first; and its payload's text."""
    text = None if entry.payload is None else payload_text(entry.payload)
    payload_hash = None if text is None else sha256(text.encode())
    seq, prev = (1, GONE) if before is None else (before.seq + 1, before.hash)
    subject, by, kind = entry.subject, entry.by, entry.kind.value
    own = sha256(content_of(Link(chain, seq, at, kind, subject, by, payload_hash, entry.state, prev)))
    link = Link(chain, seq, at, kind, subject, by, payload_hash, entry.state, prev, own, after(prev, own))
    return link, text


def content_of(link: Link) -> bytes:
    """What a link's `own` is the hash of. Raises TypeError for one that holds what no link can hold."""
    # The names are in order as they stand: to sort them a million times would be most of the work.
    return orjson.dumps(
        {
            "at": link.at,
            "by": link.by,
            "chain": link.chain,
            "kind": link.kind,
            "payload": link.payload_hash,
            "seq": link.seq,
            "state": link.state,
            "subject": link.subject,
        }
    )


def after(prev: str, own: str) -> str:
    """The hash of a link."""
    return sha256(f"{prev}{own}".encode("utf-8", "surrogateescape"))


def payload_text(payload: Mapping[str, Any]) -> str:
    """A payload as canonical JSON.

    What callers send along may hold numbers beyond 64 bits and halves of characters: such a payload is in ASCII, with
    everything else escaped.
    """
    try:
        return canonical(payload).decode()
    except Unencodable:
        return json.dumps(payload, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256(content: bytes) -> str:
    """64 hex digits."""
    return hashlib.sha256(content).hexdigest()
