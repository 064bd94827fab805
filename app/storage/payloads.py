"""Payloads in the database: written with the row they belong to, erased without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import GATEWAY, Author, Entry, Kind
from app.domain.payload import Erasure, Part, Payload, PayloadForm
from app.storage.columns import storable
from app.storage.database import Database, reads, writes
from app.storage.sheaf import Sheaf, sheaf_of
from app.storage.states import PREFIX
from app.storage.tables import PAYLOADS

_P: Final = PAYLOADS.c
_FIELDS: Final = tuple(field.name for field in fields(Payload))
RETENTION: Final = "retention"
"""Who erases, and why, when content has become too old."""


class SqlPayloadRepository:
    """Payloads by what they belong to."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    async def of(self, session: AsyncSession, subject: str) -> list[Payload]:
        """All of a subject."""
        return await payloads_of(session, [subject], list(Part))

    @writes
    async def erase(
        self, session: AsyncSession, subject: str, *, by: Author, reason: str, at: datetime
    ) -> Erasure | None:
        """Erase every content of a subject, leaving the hashes; what is erased already stays as it was.

        None for a subject without any payload.
        """
        known = await payloads_of(session, [subject], list(Part))
        if not known:
            return None
        await self._overwriting(session)
        fresh = [payload for payload in known if payload.form is not PayloadForm.ERASED]
        values = _erased(by=by.key_id, reason=storable(reason), at=at)
        await session.execute(
            update(PAYLOADS).where(_P.subject == subject, _P.form != PayloadForm.ERASED.value).values(values)
        )
        parts = {payload.part: payload.sha256 for payload in fresh}
        if parts:
            self._database.chain.append(session, _entry(subject, parts, by, reason))
        return Erasure(subject, parts, at, by.key_id, reason)

    @writes
    async def forget(self, session: AsyncSession, before: datetime, limit: int, at: datetime) -> int:
        """Erase the contents of at most `limit` payloads from before this moment, the oldest; how many it were."""
        old = select(_P.subject, _P.part, _P.sha256).where(_P.content.is_not(None), _P.created_at < before)
        rows = (await session.execute(old.order_by(_P.created_at).limit(limit))).all()
        if rows:
            await self._overwriting(session)
            due = tuple_(_P.subject, _P.part).in_([(row.subject, row.part) for row in rows])
            values = _erased(by=RETENTION, reason=RETENTION, at=at)
            await session.execute(update(PAYLOADS).where(due).values(values))
            parts = defaultdict[str, dict[str, str]](dict)
            for row in rows:
                parts[row.subject][row.part] = row.sha256
            author = Author(GATEWAY)
            self._database.chain.append(
                session, *(_entry(subject, found, author, RETENTION) for subject, found in parts.items())
            )
        return len(rows)

    async def _overwriting(self, session: AsyncSession) -> None:
        """SQLite leaves what is deleted in its free pages unless it is told to write over it."""
        if self._database.is_sqlite:
            await session.execute(text("PRAGMA secure_delete=ON"))


async def payloads_of(session: AsyncSession, subjects: Collection[str], parts: Collection[Part]) -> list[Payload]:
    """These parts of these subjects, in the caller's transaction."""
    wanted = select(PAYLOADS).where(_P.subject.in_(subjects), _P.part.in_([part.value for part in parts]))
    return [_payload(row) for row in (await session.execute(wanted)).all()]


async def latest_answers(session: AsyncSession, subjects: Collection[str]) -> dict[str, Payload]:
    """Of each decision the payload of its answer: the later one, where votes came after it."""
    found = await payloads_of(session, subjects, (Part.ANSWER, Part.LATE))
    return {payload.subject: payload for payload in sorted(found, key=lambda payload: payload.part is Part.LATE)}


async def keep(session: AsyncSession, payloads: Sequence[Payload]) -> None:
    """Store payloads at the end of the caller's transaction; one that is there already changes nothing.

    What belongs to an erased subject comes too late to be kept: its hash is.
    """
    if not payloads:
        return
    subjects = {payload.subject for payload in payloads}
    if any(payload.part is Part.LATE for payload in payloads):
        erased = {one.subject: one for one in await payloads_of(session, subjects, (Part.ANSWER,)) if one.erased_at}
        payloads = [_as_late(payload, erased.get(payload.subject)) for payload in payloads]
    put_payloads(sheaf_of(session), payloads)


def put_payloads(into: Sheaf, payloads: Sequence[Payload]) -> None:
    """The payloads of a new subject, which nobody has erased yet; one that is there already changes nothing."""
    into.put(PAYLOADS, [{name: getattr(payload, name) for name in _FIELDS} for payload in payloads], once=True)


def _entry(subject: str, parts: Mapping[Part, str] | Mapping[str, str], by: Author, reason: str) -> Entry:
    """What is put on record of an erasure: which words went, by the hashes that stay. Subjects here are decisions."""
    told = {
        "erased": "words",
        "parts": {str(part): digest for part, digest in parts.items()},
        "reason": reason,
        "by": by.key_id,
        "request_id": by.request_id,
    }
    return Entry(Kind.ERASURE, f"{PREFIX}{subject}", by.key_id, told)


def _as_late(payload: Payload, erased: Payload | None) -> Payload:
    if erased is None:
        return payload
    gone = _erased(by=erased.erased_by or "", reason=erased.erased_reason or "", at=payload.created_at)
    return replace(payload, **(gone | {"form": PayloadForm.ERASED}))


def _erased(*, by: str, reason: str, at: datetime) -> dict[str, Any]:
    return {
        "form": PayloadForm.ERASED.value,
        "content": None,
        "key_id": None,
        "erased_at": at,
        "erased_by": by,
        "erased_reason": reason,
    }


def _payload(row: Row[Any]) -> Payload:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Payload(**fields | {"part": Part(row.part), "form": PayloadForm(row.form)})
