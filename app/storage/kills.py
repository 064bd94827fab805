"""What is stopped, and who stopped it; every change counts the configuration's revision up."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.audit import Author, Entry
from app.domain.kill import Kill, KillAction, KillEvent
from app.ledger.changes import changed
from app.storage.database import Database, reads, writes
from app.storage.revision import count_up
from app.storage.tables import KillEventRow, KillRow


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlKillRepository:
    """One row per stop in force, and one per thing ever done about any; the latter are never changed."""

    def __init__(self, database: Database, wall: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._wall = wall

    @reads
    async def everything(self, session: AsyncSession) -> list[Kill]:
        """Every stop in force."""
        rows = await session.scalars(select(KillRow))
        return [Kill(row.scope, row.reason, row.since, row.by) for row in rows]

    @writes
    async def kill(self, session: AsyncSession, scope: str, reason: str, by: Author) -> None:
        """Stop a scope, or give its stop another reason; since when and by whom at first stays."""
        await count_up(session, self._database)
        now = self._wall()
        stopped = await session.get(KillRow, scope)
        before = None if stopped is None else _told(scope, stopped.reason)
        if stopped is None:
            session.add(KillRow(scope=scope, reason=reason, since=now, by=by.key_id))
        else:
            stopped.reason = reason
        session.add(_event(KillAction.KILL, scope, reason, now, by))
        self._database.chain.append(session, _entry(KillAction.KILL, by, before, _told(scope, reason)))

    @writes
    async def resume(self, session: AsyncSession, scope: str, by: Author) -> None:
        """Let a scope go on; nothing happens to one that is not stopped."""
        await count_up(session, self._database)
        gone = await session.scalar(delete(KillRow).where(col(KillRow.scope) == scope).returning(col(KillRow.reason)))
        if gone is not None:
            session.add(_event(KillAction.RESUME, scope, gone, self._wall(), by))
            self._database.chain.append(session, _entry(KillAction.RESUME, by, _told(scope, gone), None))

    @reads
    async def history(self, session: AsyncSession, limit: int) -> list[KillEvent]:
        """What was done, newest first."""
        wanted = select(KillEventRow).order_by(col(KillEventRow.at).desc(), col(KillEventRow.id)).limit(limit)
        return [
            KillEvent(KillAction(row.action), row.scope, row.reason, row.at, row.by)
            for row in await session.scalars(wanted)
        ]


def _entry(action: KillAction, by: Author, before: dict[str, str] | None, after: dict[str, str] | None) -> Entry | None:
    scope = (after or before or {})["scope"]
    return changed(f"kill:{scope}", by, what=action.value, before=before, after=after)


def _told(scope: str, reason: str) -> dict[str, str]:
    return {"scope": scope, "reason": reason}


def _event(action: KillAction, scope: str, reason: str, at: datetime, by: Author) -> KillEventRow:
    return KillEventRow(id=secrets.token_hex(16), action=action.value, scope=scope, reason=reason, at=at, by=by.key_id)
