"""Decisions in the database: the answer as its caller got it, found again by id or in a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import GATEWAY, Entry, Kind
from app.domain.decision import Filing
from app.domain.horizons import Horizons
from app.domain.payload import Payload
from app.ledger.sealing import Sealer
from app.storage.columns import WrittenJSON, json_text
from app.storage.cursors import cursor_at, older_than
from app.storage.database import Database, reads, writes
from app.storage.errors import translated_errors
from app.storage.idempotency import settling
from app.storage.joining import JoinedWriter
from app.storage.payloads import keep, latest_answers, put_payloads
from app.storage.sheaf import Sheaf
from app.storage.states import PREFIX, state_of, states
from app.storage.tables import DECISIONS
from app.storage.votes import put_horizon, put_votes, rewrite_votes

_D: Final = DECISIONS.c


class SqlDecisionRepository:
    """Decisions. `append` and `update` return when the row is committed, and with it its entry on record.

    What is stored of an answer is its skeleton; its payload, in the same transaction, makes it whole again.
    """

    def __init__(self, database: Database, sealer: Sealer | None = None, horizons: Horizons | None = None) -> None:
        self._database = database
        self._sealer = sealer or Sealer()
        self._horizons = horizons or Horizons()
        self._writer = JoinedWriter(database.store)

    async def append(
        self, filing: Filing, answer: dict[str, Any], request: dict[str, Any], payloads: Sequence[Payload] = ()
    ) -> None:
        """Store a decision with the JSON that answered it and its votes, and settle its idempotency key with it.

        An id that is already there raises Conflict, and so does a key that somebody else holds by now. Decisions that
        come while others are committed are committed together.
        """
        with translated_errors():
            sheaf = self._sheaf(filing, answer, request, payloads)
        await self._writer.write(sheaf)

    def _sheaf(
        self, filing: Filing, answer: dict[str, Any], request: dict[str, Any], payloads: Sequence[Payload]
    ) -> Sheaf:
        sheaf = Sheaf()
        if filing.reservation is not None:
            sheaf.demands.append(settling(filing.reservation, filing.id))
        texts = {"answer": _written(answer), "request": _written(request)}
        row = {
            "id": filing.id,
            "created_at": filing.created_at,
            "symbol": filing.symbol,
            "status": filing.status.value,
            "action": filing.action.value,
            "actionable": filing.actionable,
            "agent_id": filing.agent_id,
            "key_id": filing.key_id,
            "request_id": filing.request_id,
        }
        sheaf.put(DECISIONS, [row | texts])
        put_payloads(sheaf, payloads)
        put_votes(sheaf, filing, answer)
        put_horizon(sheaf, filing, answer, request, self._horizons)
        told = {**_filed(filing), "answer": answer, "request": request, **_said(payloads)}
        state = state_of(filing, **texts)
        sheaf.entries.append(Entry(Kind.DECISION, f"{PREFIX}{filing.id}", filing.key_id, told, state))
        return sheaf

    @writes
    async def update(
        self, session: AsyncSession, decision_id: str, answer: dict[str, Any], payloads: Sequence[Payload] = ()
    ) -> None:
        """Replace a decision's answer by one with the votes that came in after it; an unknown id changes nothing."""
        found: Any = await session.execute(update(DECISIONS).where(_D.id == decision_id).values(answer=answer))
        if found.rowcount:
            await keep(session, payloads)
            await rewrite_votes(session, decision_id, answer)
            state = (await states(self._database, session, [decision_id]))[decision_id]
            told = {"answer": answer, **_said(payloads)}
            late = Entry(Kind.LATE_VOTES, f"{PREFIX}{decision_id}", GATEWAY, told, state)
            self._database.chain.append(session, late)

    @reads
    async def get(self, session: AsyncSession, decision_id: str) -> dict[str, Any] | None:
        if "\x00" in decision_id:
            return None
        answer: dict[str, Any] | None = await session.scalar(select(_D.answer).where(_D.id == decision_id))
        if answer is None:
            return None
        return self._sealer.answer(answer, (await latest_answers(session, [decision_id])).get(decision_id))

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
        payloads = await latest_answers(session, [row.id for row in rows[:limit]])
        answers = [self._sealer.answer(row.answer, payloads.get(row.id)) for row in rows[:limit]]
        return answers, None if last is None else cursor_at(last.created_at, last.id)


def _written(value: dict[str, Any]) -> WrittenJSON:
    try:
        return WrittenJSON(orjson.dumps(value).decode())
    except TypeError:
        # What callers put into their metadata: any integer, halves of characters.
        return WrittenJSON(json_text(value))


def _said(payloads: Sequence[Payload]) -> dict[str, dict[str, str]]:
    """What was said stands in a table of its own, where it can be erased; its hashes are on record, and how it is kept.

    Otherwise words could be taken away, and their row say that only their hash had ever been kept.
    """
    return {
        "payloads": {payload.part.value: payload.sha256 for payload in payloads},
        "forms": {payload.part.value: payload.form.value for payload in payloads},
    }


def _filed(filing: Filing) -> dict[str, Any]:
    return {
        "id": filing.id,
        "created_at": filing.created_at.isoformat(),
        "agent_id": filing.agent_id,
        "key_id": filing.key_id,
        "request_id": filing.request_id,
    }
