"""The papers of a decision: what its row holds, what its payloads hold, and its dossier put together again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from app.decisions.dossier import MadeBy, Transcript, dossier_of, heard
from app.decisions.question import recorded
from app.decisions.record import Papers
from app.decisions.session import Session
from app.decisions.wire import rendered
from app.domain.audit import Author
from app.domain.casting import grounds_of
from app.domain.decision import Decision
from app.domain.errors import StorageUnavailable
from app.domain.payload import Erasure, Part, Payload
from app.domain.ports import PayloadRepository
from app.ledger.sealing import Gone, Sealer
from app.ledger.skeleton import skeleton

_AT_ONCE: Final = 200
"""Payloads that are erased by age in one transaction."""


class Papering:
    """Makes papers by the policy of its sealer and reads them again."""

    def __init__(
        self,
        sealer: Sealer,
        payloads: PayloadRepository | None,
        made_by: MadeBy,
        wall: Callable[[], datetime],
    ) -> None:
        self._sealer = sealer
        self._payloads = payloads
        self._made_by = made_by
        self._wall = wall

    def of(self, session: Session, decision: Decision, answer: dict[str, Any]) -> Papers:
        """Of a decision that is made and not yet told to anybody; `answer` is its JSON."""
        question, messages = session.question, session.prompt.messages
        request = recorded(question, session.composition.members, session.prompt)
        # They stand under `prompt` already.
        request.pop("sent_messages")
        transcript = session.transcript or Transcript(lambda: question.arrived)
        dossier = dossier_of(
            decision,
            question,
            request=request,
            messages=messages,
            transcript=transcript,
            made_by=self._made_by.rendered(),
        )
        sealed = self._sealer.sealed(decision.id, Part.ANSWER, answer, decision.created_at)
        kept = [sealed, self._sealer.sealed(decision.id, Part.DOSSIER, dossier, decision.created_at)]
        return self._papers(answer, skeleton(request) | grounds_of(request), kept)

    def late(self, session: Session, complete: Decision) -> Papers:
        """Of the same decision with the votes that came in after it was told."""
        answer, transcript = rendered(complete), session.transcript or Transcript(lambda: 0.0)
        entry = answer | {"heard": heard(transcript, session.question, session.prompt.messages)}
        return self._papers(answer, {}, [self._sealer.sealed(complete.id, Part.LATE, entry, self._wall())])

    async def dossier(self, decision_id: str, answer: dict[str, Any]) -> dict[str, Any]:
        """All that is kept, with the state of each payload. Raises StorageUnavailable where one does not open."""
        parts: dict[str, Any] = {Part.DOSSIER.value: None, Part.LATE.value: None}
        payloads = [] if self._payloads is None else await self._payloads.of(decision_id)
        for payload in payloads:
            opened = self._sealer.opened(payload)
            if opened is Gone.UNREADABLE:
                under = "" if payload.key_id is None else f" under the encryption key {payload.key_id}"
                raise StorageUnavailable(
                    f"the {payload.part.value} of this decision is stored{under} and cannot be read", retry_after=None
                )
            if not isinstance(opened, Gone) and payload.part is not Part.ANSWER:
                parts[payload.part.value] = opened
        late = parts[Part.LATE.value]
        return {
            "decision": answer,
            "dossier": parts[Part.DOSSIER.value],
            "late": None if late is None else late["heard"],
            "payloads": [_described(payload) for payload in payloads],
        }

    async def erase(self, decision_id: str, *, by: Author, reason: str) -> Erasure | None:
        """Erase what was said; the hashes stay."""
        if self._payloads is None:
            return None
        return await self._payloads.erase(decision_id, by=by, reason=reason, at=self._wall())

    def _papers(self, answer: dict[str, Any], request: dict[str, Any], payloads: list[Payload]) -> Papers:
        bare = skeleton(answer)
        return Papers(bare, request, payloads, answer if payloads[0].content else bare | {"payload": "hashed"})


class Retention:
    """Erases content by age, in batches, so that nobody waits long for one. `days` None keeps it for good."""

    def __init__(self, payloads: PayloadRepository, days: float | None, wall: Callable[[], datetime]) -> None:
        self._payloads = payloads
        self._days = days
        self._wall = wall

    async def apply(self) -> int:
        """Erase what is too old now; how many contents it were. Raises StorageUnavailable."""
        erased = 0
        if self._days is not None:
            now = self._wall()
            while count := await self._payloads.forget(now - timedelta(days=self._days), _AT_ONCE, now):
                erased += count
        return erased


def _described(payload: Payload) -> dict[str, Any]:
    erased = None
    if payload.erased_at is not None:
        erased = {"at": _time(payload.erased_at), "by": payload.erased_by, "reason": payload.erased_reason}
    return {
        "part": payload.part.value,
        "form": payload.form.value,
        "sha256": payload.sha256,
        "key_id": payload.key_id,
        "created_at": _time(payload.created_at),
        "erased": erased,
    }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
