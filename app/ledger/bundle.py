"""One decision with all that is needed to check it elsewhere, as JSON. examples/verify_bundle.py checks one.

Of its own entries a bundle has content and payload. Of those between them and the next signed checkpoint it has only
`own`, their hash, so that it shows nothing of what others did. What was said in the decision is there when it is asked
for: each text is the one whose SHA-256 the entries name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from app.domain.audit import Checkpoint, Link
from app.ledger.checkpoints import heads_of
from app.ledger.words import Words

FORMAT: Final = "outcry-bundle-1"
_SKEW: Final = timedelta(minutes=10)
_AT_ONCE: Final = 50


class Shelf(Protocol):
    """Where the record is read. Raises StorageUnavailable."""

    async def of_subject(self, subject: str) -> Sequence[Link]: ...
    async def segment(self, chain: str, first: int, last: int) -> Sequence[Link]: ...
    async def covering(self, chain: str, since: str, past: int, limit: int) -> Sequence[Checkpoint]: ...
    async def bodies(self, places: Sequence[tuple[str, int]]) -> Mapping[tuple[str, int], str | None]: ...


@dataclass(frozen=True, slots=True)
class _Span:
    """A part of a chain: from an entry of the decision to what a checkpoint holds."""

    first: Link
    last: int
    checkpoint: Checkpoint | None


async def bundle(shelf: Shelf, decision_id: str, words: Words | None = None) -> dict[str, Any] | None:
    """The bundle of a decision, None where nothing of it is on record.

    `is_sealed` is false while a part of it is past the last signed checkpoint. `words` are in it only where they are
    given: they are read after the entries, so that none is named of which nothing is known.
    """
    links = await shelf.of_subject(f"decision:{decision_id}")
    if not links:
        return None
    spans: list[_Span] = []
    for link in links:
        if not any(span.first.chain == link.chain and link.seq <= span.last for span in spans):
            spans.append(await _span(shelf, link))
    mine = {(link.chain, link.seq) for link in links}
    bodies = await shelf.bodies(sorted(mine))
    checkpoints = {span.checkpoint.number: span.checkpoint for span in spans if span.checkpoint is not None}
    told = {
        "format": FORMAT,
        "decision_id": decision_id,
        "is_sealed": all(span.checkpoint is not None for span in spans),
        "segments": [await _segment(shelf, span, mine, bodies) for span in spans],
        "checkpoints": [shown(checkpoint) for _, checkpoint in sorted(checkpoints.items())],
    }
    if words is not None:
        told["words"] = await words.behind(decision_id, [bodies.get(place) for place in sorted(mine)])
    return told


def shown(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as it is told and exported."""
    return {
        "number": checkpoint.number,
        "at": checkpoint.at,
        "body": checkpoint.body,
        "hash": checkpoint.hash,
        "key_id": checkpoint.key_id,
        "public_key": checkpoint.public_key,
        "signature": checkpoint.signature,
    }


async def _span(shelf: Shelf, link: Link) -> _Span:
    # Processes' clocks run apart, and the checkpoint may be another's.
    since = f"{datetime.fromisoformat(link.at) - _SKEW:%Y-%m-%dT%H:%M:%S.%fZ}"
    past = 0
    while found := await shelf.covering(link.chain, since, past, _AT_ONCE):
        for checkpoint in found:
            for head in heads_of(checkpoint):
                if head.chain == link.chain and head.seq >= link.seq:
                    return _Span(link, head.seq, checkpoint)
        past = found[-1].number
    return _Span(link, link.seq, None)


async def _segment(
    shelf: Shelf, span: _Span, mine: set[tuple[str, int]], bodies: Mapping[tuple[str, int], str | None]
) -> dict[str, Any]:
    links = await shelf.segment(span.first.chain, span.first.seq, span.last)
    return {
        "chain": span.first.chain,
        "prev": span.first.prev,
        "checkpoint": None if span.checkpoint is None else span.checkpoint.number,
        "links": [
            {"seq": link.seq, "own": link.own}
            | (_told(link, bodies.get((link.chain, link.seq))) if (link.chain, link.seq) in mine else {})
            for link in links
        ],
    }


def _told(link: Link, body: str | None) -> dict[str, Any]:
    content = {
        "at": link.at,
        "by": link.by,
        "chain": link.chain,
        "kind": link.kind,
        "payload": link.payload_hash,
        "seq": link.seq,
        "state": link.state,
        "subject": link.subject,
    }
    return {"entry": content, "payload": body}
