"""Decisions in the database: the answer as its caller got it, found again by id or in a list."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.decision import Filing
from app.domain.errors import Code, Conflict
from app.domain.horizons import Horizons
from app.storage.cursors import cursor_at, older_than
from app.storage.database import Database, reads, writes
from app.storage.idempotency import settle
from app.storage.tables import DECISIONS, DecisionRow
from app.storage.votes import rewrite_votes, write_horizon, write_votes

_D: Final = DECISIONS.c


class SqlDecisionRepository:
    """Decisions. `append` and `update` return when the row is committed."""

    def __init__(self, database: Database, horizons: Horizons | None = None) -> None:
        self._database = database
        self._horizons = horizons or Horizons()

    @writes
    async def append(
        self, session: AsyncSession, filing: Filing, answer: dict[str, Any], request: dict[str, Any]
    ) -> None:
        """Store a decision with the JSON that answered it and its votes, and settle its idempotency key with it.

        An id that is already there raises Conflict, and so does a key that somebody else holds by now.
        """
        if filing.reservation is not None and not await settle(session, filing.reservation, filing.id):
            raise Conflict("another request took this key over", code=Code.IDEMPOTENCY_UNKNOWN_OUTCOME)
        session.add(
            DecisionRow(
                id=filing.id,
                created_at=filing.created_at,
                symbol=filing.symbol,
                status=filing.status.value,
                action=filing.action.value,
                actionable=filing.actionable,
                agent_id=filing.agent_id,
                key_id=filing.key_id,
                request_id=filing.request_id,
                answer=answer,
                request=request,
            )
        )
        await write_votes(session, filing, answer)
        await write_horizon(session, filing, answer, request, self._horizons)

    @writes
    async def update(self, session: AsyncSession, decision_id: str, answer: dict[str, Any]) -> None:
        """Replace a decision's answer by one with the votes that came in after it; an unknown id changes nothing."""
        await session.execute(update(DECISIONS).where(_D.id == decision_id).values(answer=answer))
        await rewrite_votes(session, decision_id, answer)

    @reads
    async def get(self, session: AsyncSession, decision_id: str) -> dict[str, Any] | None:
        if "\x00" in decision_id:
            return None
        answer: dict[str, Any] | None = await session.scalar(select(_D.answer).where(_D.id == decision_id))
        return answer

    @reads
    async def page(
        self, session: AsyncSession, *, limit: int, cursor: str | None, symbol: str | None, agent_id: int | None
    ) -> tuple[list[dict[str, Any]], str | None]:
        """A page of answers, newest first, and the cursor of the next one; None at the end."""
        wanted = select(_D.id, _D.created_at, _D.answer).order_by(_D.created_at.desc(), _D.id.desc()).limit(limit + 1)
        if symbol is not None:
            wanted = wanted.where(_D.symbol == symbol.replace("\x00", ""))
        if agent_id is not None:
            wanted = wanted.where(_D.agent_id == min(max(agent_id, -1), 2**63 - 1))
        if cursor is not None:
            wanted = wanted.where(older_than(cursor, _D.created_at, _D.id))
        rows = (await session.execute(wanted)).all()
        last = rows[limit - 1] if len(rows) > limit else None
        return [row.answer for row in rows[:limit]], None if last is None else cursor_at(last.created_at, last.id)
