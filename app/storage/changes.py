"""Changes on record: read newest first, and noted where what is there differs from what was there last."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.audit import Author, Change, Kind, Link
from app.ledger.changes import change_in, found_in, noted
from app.storage.columns import storable
from app.storage.cursors import cursor_at, place_of
from app.storage.database import Database, reads, writes
from app.storage.tables import AUDIT_ENTRIES, AUDIT_PAYLOADS, ConfigRevisionRow

_E: Final = AUDIT_ENTRIES.c
_P: Final = AUDIT_PAYLOADS.c
_WITH_PAYLOADS: Final = AUDIT_ENTRIES.outerjoin(AUDIT_PAYLOADS, and_(_P.chain == _E.chain, _P.seq == _E.seq))
_LINK: Final = tuple(_E[field.name] for field in fields(Link))
_NEWEST_FIRST: Final = (_E.at.desc(), _E.chain.desc(), _E.seq.desc())


class SqlChangeRepository:
    """Who changed what, over all chains."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @reads
    async def page(
        self, session: AsyncSession, *, limit: int, cursor: str | None, subject: str | None, kinds: Collection[Kind]
    ) -> tuple[list[Change], str | None]:
        """A page of entries of these kinds, newest first, and the cursor of the next; None at the end."""
        wanted = select(*_LINK, _P.body).select_from(_WITH_PAYLOADS).where(_E.kind.in_([kind.value for kind in kinds]))
        if subject is not None:
            wanted = wanted.where(_E.subject == storable(subject))
        if cursor is not None:
            wanted = wanted.where(tuple_(_E.at, _E.chain, _E.seq) < tuple_(*_place(cursor)))
        rows = (await session.execute(wanted.order_by(*_NEWEST_FIRST).limit(limit + 1))).all()
        page = rows[:limit]
        found = [change_in(Link(*row[:-1]), _payload(row.body)) for row in page]
        if len(rows) <= limit:
            return found, None
        return found, cursor_at(datetime.fromisoformat(page[-1].at), f"{page[-1].chain}|{page[-1].seq}")

    @writes
    async def note(self, session: AsyncSession, subject: str, found: Mapping[str, Any], *, by: Author) -> bool:
        """Put on record in what this differs from what was noted last, by any process; whether it did at all."""
        # Processes that start together pass one at a time here, so that only the first has something to note.
        await session.execute(select(col(ConfigRevisionRow.revision)).with_for_update())
        last = select(_P.body).select_from(_WITH_PAYLOADS)
        last = last.where(_E.subject == subject, _E.kind == Kind.CHANGE.value)
        body = await session.scalar(last.order_by(*_NEWEST_FIRST).limit(1))
        entry = noted(subject, by, before=found_in(_payload(body)), found=found)
        self._database.chain.append(session, entry)
        return entry is not None


def _payload(body: str | None) -> dict[str, Any]:
    """What an entry says; nothing where that was erased, or is none."""
    try:
        found = None if body is None else orjson.loads(body)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {}


def _place(cursor: str) -> tuple[str, str, int]:
    when, rest = place_of(cursor)
    chain, _, seq = rest.rpartition("|")
    # A number of nobody's leads nowhere.
    return f"{when:%Y-%m-%dT%H:%M:%S.%fZ}", chain, int(seq) if seq.isascii() and seq.isdigit() and len(seq) < 19 else 0
