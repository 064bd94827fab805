"""The words in a bundle: the texts that were hashed, or why there are none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from app.domain.payload import Part, Payload, PayloadForm
from app.ledger.sealing import Sealer, canonical_bytes
from app.ledger.words import Words

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ANSWER = {"zeta": 1, "reasoning": "買 \ud800"}
LATE = {"alpha": [1, 2**70]}


class Kept:
    """What was said, whoever asks."""

    def __init__(self, *payloads: Payload) -> None:
        self._payloads = payloads

    async def of(self, subject: str) -> Sequence[Payload]:
        return [payload for payload in self._payloads if payload.subject == subject]


def sealed(part: Part, value: Mapping[str, object], form: PayloadForm = PayloadForm.PLAIN) -> Payload:
    return Sealer(form).sealed("dec-1", part, value, NOON)


def entry(*payloads: Payload) -> str:
    return json.dumps({"payloads": {payload.part.value: payload.sha256 for payload in payloads}})


async def test_each_text_is_the_one_that_was_hashed() -> None:
    answer, late = sealed(Part.ANSWER, ANSWER), sealed(Part.LATE, LATE)

    found = await Words(Kept(answer, late), Sealer()).behind("dec-1", [entry(answer), entry(late), entry(late)])

    assert [one["part"] for one in found] == ["answer", "late"]
    assert [hashlib.sha256(one["text"].encode()).hexdigest() for one in found] == [one["sha256"] for one in found]
    assert [one["text"].encode() for one in found] == [canonical_bytes(ANSWER), canonical_bytes(LATE)]
    assert {one["missing"] for one in found} == {None}


async def test_what_has_no_text_says_why() -> None:
    answer, late = sealed(Part.ANSWER, ANSWER, PayloadForm.HASHED), sealed(Part.LATE, LATE)
    dossier, sealer = sealed(Part.DOSSIER, LATE), Sealer()
    erased = replace(late, form=PayloadForm.ERASED, content=None)
    changed = replace(dossier, content=b"{}")
    named = entry(answer, dossier, late)

    kept = await Words(Kept(answer, changed, erased), sealer).behind("dec-1", [named])
    nothing = await Words(Kept(), sealer).behind("dec-1", [named])

    assert [one["missing"] for one in kept] == ["hashed", "unreadable", "erased"]
    assert [one["missing"] for one in nothing] == ["not_stored"] * 3
    assert {one["text"] for one in kept + nothing} == {None}
    assert sealer.unreadable == 1


async def test_only_what_an_entry_names_is_told() -> None:
    answer = sealed(Part.ANSWER, ANSWER)
    entries = [None, "[1]", '{"payloads": null}', '{"parts": {"answer": "ab"}}']

    assert await Words(Kept(answer), Sealer()).behind("dec-1", entries) == []
