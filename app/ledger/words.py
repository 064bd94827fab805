"""The words behind the hashes on record: what was said in a decision, opened where it is kept, for its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import orjson

from app.domain.payload import Payload
from app.ledger.sealing import Gone, Sealer

NOT_STORED: Final = "not_stored"
"""Why a part has no text although an entry names it: there is no such payload. The other reasons are Gone's."""


class Payloads(Protocol):
    """What was said, by what it belongs to. Raises StorageUnavailable."""

    async def of(self, subject: str) -> Sequence[Payload]: ...


class Words:
    """The texts of a decision as they were hashed. What no key here opens is told as unreadable, and counted."""

    def __init__(self, payloads: Payloads, sealer: Sealer) -> None:
        self._payloads = payloads
        self._sealer = sealer

    async def behind(self, decision_id: str, entries: Sequence[str | None]) -> list[dict[str, Any]]:
        """Each part that these entries' payloads name, once: its hash, and its text or why there is none."""
        stored = {(payload.part.value, payload.sha256): payload for payload in await self._payloads.of(decision_id)}
        named = dict.fromkeys(place for entry in entries for place in _parts(entry).items())
        return [self._told(part, digest, stored.get((part, digest))) for part, digest in named]

    def _told(self, part: str, digest: str, payload: Payload | None) -> dict[str, Any]:
        text = None if payload is None else self._sealer.text(payload)
        missing = NOT_STORED if text is None else text.value if isinstance(text, Gone) else None
        return {
            "part": part,
            "sha256": digest,
            "form": None if payload is None else payload.form.value,
            "key_id": None if payload is None else payload.key_id,
            "text": text if missing is None else None,
            "missing": missing,
        }


def _parts(entry: str | None) -> Mapping[str, str]:
    """The parts that the text of an entry's payload names, with their hashes."""
    said = None if entry is None else orjson.loads(entry)
    parts = said.get("payloads") if isinstance(said, dict) else None
    return parts if isinstance(parts, dict) else {}
