"""A record to check, and hands that change it behind the gateway's back."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import Author, Checkpoint, Entry, Findings, change
from app.domain.decision import Action, Consensus, Decision, DecisionStatus, SettledReason
from app.ledger.checkpoints import Signer, drawn_up
from app.storage.checking import checked
from app.storage.checkpoints import SqlCheckpointRepository
from app.storage.database import Database, writes
from app.storage.decisions import SqlDecisionRepository

AT = "2026-11-20T14:15:00.000000Z"
START = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)
SIGNER = Signer.of(SecretStr(base64.urlsafe_b64encode(bytes(range(32))).decode()))


class Changes:
    """Whoever puts changes on record."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    async def make(self, session: AsyncSession, *subjects: str) -> None:
        self._database.chain.append(session, *map(entry, subjects))

    @writes
    async def fail(self, session: AsyncSession, subject: str) -> None:
        self._database.chain.append(session, entry(subject))
        raise RuntimeError("the work after it went wrong")


def entry(subject: str) -> Entry:
    return change(
        subject, Author("0a1b2c3d"), what="temperature", before={"temperature": 0.2}, after={"temperature": 0.4}
    )


def decision(number: int) -> Decision:
    consensus = Consensus("majority", 1.0, 1.0, 1, SettledReason.ALL_VOTED, 0.3)
    at = START + timedelta(seconds=number)
    return Decision(f"dec-{number}", "BTC/USDT", DecisionStatus.DECIDED, Action.BUY, True, consensus, (), at)


async def decide(database: Database, *numbers: int) -> None:
    for number in numbers:
        made = decision(number)
        await SqlDecisionRepository(database).append(made, {"id": made.id, "n": number}, {"prompt": "\u4e70 \x00"})


async def seal(database: Database, signer: Signer | None = SIGNER) -> Checkpoint | None:
    return await SqlCheckpointRepository(database).add(lambda heads, before: drawn_up(heads, before, AT, signer))


async def verify(url: str, kept: Sequence[Checkpoint] = ()) -> Findings:
    return await checked(url, frozenset({SIGNER.public_key}), kept)


async def tamper(database: Database, statement: str, **values: Any) -> int:
    """How many rows it hit."""

    async def work(session: AsyncSession) -> int:
        done: Any = await session.execute(text(statement), values)
        return int(done.rowcount)

    return await database.write(work)
