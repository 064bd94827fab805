"""Rows by the sheaf: inserted when the transaction ends, all of them or none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.errors import Conflict
from app.storage.database import Database
from app.storage.sheaf import flush, put
from app.storage.tables import AUDIT_PAYLOADS, PAYLOADS

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def _payload(subject: str, content: bytes | None) -> dict[str, Any]:
    return {"subject": subject, "part": "answer", "form": "plain", "sha256": "0" * 64, "created_at": NOON,
            "content": content, "key_id": None}  # fmt: skip


async def _payloads(session: AsyncSession) -> list[Any]:
    wanted = select(PAYLOADS.c.subject, PAYLOADS.c.created_at, PAYLOADS.c.content).order_by(PAYLOADS.c.subject)
    return [tuple(row) for row in await session.execute(wanted)]


async def test_what_is_put_is_there_when_the_transaction_is_committed(database: Database) -> None:
    async def work(session: AsyncSession) -> None:
        put(session, PAYLOADS, [_payload("one", b"\x00said")])
        put(session, AUDIT_PAYLOADS, [{"chain": "c", "seq": 1, "body": None}])
        put(session, PAYLOADS, [_payload("two", None)])

    await database.write(work)

    assert [("one", NOON, b"\x00said"), ("two", NOON, None)] == await database.read(_payloads)


async def test_who_flushes_reads_what_he_put(database: Database) -> None:
    async def work(session: AsyncSession) -> int:
        put(session, PAYLOADS, [_payload("one", None)])
        await flush(session)
        return len(await _payloads(session))

    assert 1 == await database.write(work)


async def test_what_may_be_there_already_stays_as_it_was(database: Database) -> None:
    for content in (b"first", b"second"):
        await database.write(_putting(_payload("one", content), once=True))

    assert [("one", NOON, b"first")] == await database.read(_payloads)


async def test_what_must_not_be_there_already_takes_the_rest_with_it(database: Database) -> None:
    await database.write(_putting(_payload("one", b"first")))

    with pytest.raises(Conflict):
        await database.write(_putting(_payload("zero", None), _payload("one", b"second")))

    assert [("one", NOON, b"first")] == await database.read(_payloads)


def _putting(*rows: dict[str, Any], once: bool = False) -> Any:
    async def work(session: AsyncSession) -> None:
        put(session, PAYLOADS, rows, once=once)

    return work
