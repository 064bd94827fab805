"""The record of everything: how long it takes to check a million entries, and whether one changed bit is found."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.audit import Author, Entry, Findings, change
from app.ledger.checkpoints import Signer, drawn_up
from app.storage.checking import checked
from app.storage.checkpoints import SqlCheckpointRepository
from app.storage.database import open_database
from app.storage.migrations import migrate
from benchmarks.scoreboard.board import Row, Rule, Stage

_AT_ONCE = 5_000


def record(stage: Stage) -> Iterator[Row]:
    """A million entries with payloads and signed checkpoints in an SQLite file, then one bit of one payload changed."""
    count = stage.pick(1_000_000, 50_000)
    stage.folder.mkdir(parents=True, exist_ok=True)
    url = f"sqlite:///{stage.folder / 'record.db'}"
    signer = Signer.of(SecretStr(base64.urlsafe_b64encode(os.urandom(32)).decode()))
    trusted = frozenset({signer.public_key})
    migrate(url)
    asyncio.run(_fill(url, count, signer))
    began = time.perf_counter()
    good = asyncio.run(checked(url, trusted))
    seconds = time.perf_counter() - began
    wanted = count // 2
    asyncio.run(_change(url, wanted))
    bad = asyncio.run(checked(url, trusted))
    fault = f"{count:,} entries with payloads, {good.checkpoints} signed checkpoints"
    bound = stage.pick(60.0, 10.0)
    seen = f"{good.rows:,} rows" if good.ok else f"found {good.first_bad}"
    yield Row("record", "the whole record is checked", fault, seconds, bound, "s", seen)
    yield Row("record", "rows checked that nobody touched", fault, good.rows, count + 1, "", "", Rule.EXACTLY)
    fault = f"a bit of the payload of entry {wanted:,}"
    yield Row("record", "the place that is named", fault, _place(bad), wanted, "", "", Rule.EXACTLY)


async def _fill(url: str, count: int, signer: Signer) -> None:
    async with open_database(url) as database:
        checkpoints = SqlCheckpointRepository(database)

        async def some(session: AsyncSession) -> None:
            database.chain.append(session, *(_entry(number) for number in range(_AT_ONCE)))

        for _ in range(count // _AT_ONCE):
            await database.write(some)
            at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
            await checkpoints.add(partial(drawn_up, at=at, signer=signer))


def _entry(number: int) -> Entry:
    author, before = Author("local"), {"temperature": 0.2}
    return change(f"agent:{number % 50}", author, what="temperature", before=before, after={"n": number})


async def _change(url: str, seq: int) -> None:
    async def change_one_bit(session: AsyncSession) -> None:
        await session.execute(
            text("UPDATE audit_payloads SET body = replace(body, '0.2', '0.3') WHERE seq = :seq"), {"seq": seq}
        )

    async with open_database(url) as database:
        await database.write(change_one_bit)


def _place(found: Findings) -> int:
    return found.first_bad.seq or 0 if found.first_bad is not None else 0
