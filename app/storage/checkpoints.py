"""Checkpoints in the database: one list for all processes, in which none takes another's number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import Checkpoint, Head
from app.storage.audit import checkpoint_of, unsealed
from app.storage.database import Database, writes
from app.storage.tables import AUDIT_CHAINS, AUDIT_CHECKPOINTS

_C: Final = AUDIT_CHECKPOINTS.c


class SqlCheckpointRepository:
    """Draws up checkpoints."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def add(
        self, session: AsyncSession, draw_up: Callable[[Sequence[Head], Checkpoint | None], Checkpoint]
    ) -> Checkpoint | None:
        """The next checkpoint, over every chain that has grown; None when none has. Conflict: somebody was faster."""
        grown = [head for head, _ in await unsealed(session)]
        if not grown:
            return None
        newest = select(AUDIT_CHECKPOINTS).order_by(_C.number.desc()).limit(1)
        before = (await session.execute(newest)).one_or_none()
        checkpoint = draw_up(grown, None if before is None else checkpoint_of(before))
        await session.execute(insert(AUDIT_CHECKPOINTS).values(asdict(checkpoint)))
        for head in grown:
            chain = AUDIT_CHAINS.c.chain == head.chain
            await session.execute(update(AUDIT_CHAINS).where(chain).values(sealed=head.seq))
        return checkpoint
