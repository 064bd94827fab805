"""What the row of a decision holds, as one hash: put on record with it, and compared when everything is checked.

The hash is SHA-256 of a canonical JSON array: id, created_at (`2026-11-20 14:15:00.000000`, UTC), symbol, status,
action, actionable (0 or 1), agent_id, key_id, request_id, and SHA-256 of the stored text of answer and request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Integer, LargeBinary, Row, String, Text, cast, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.decision import Filing
from app.storage.database import Database
from app.storage.tables import DECISIONS

_D: Final = DECISIONS.c
PREFIX: Final = "decision:"
"""What subjects begin with whose row has a state."""


def state_of(filing: Filing, answer: str, request: str) -> str:
    """The state of a decision that is about to be stored, its answer and request as text."""
    texts = (hashlib.sha256(one.encode()).hexdigest() for one in (answer, request))
    return _hashed(
        [
            filing.id,
            f"{filing.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}",
            filing.symbol,
            filing.status.value,
            filing.action.value,
            int(filing.actionable),
            filing.agent_id,
            filing.key_id,
            filing.request_id,
            *texts,
        ]
    )


async def states(database: Database, session: AsyncSession, ids: Sequence[str]) -> dict[str, str]:
    """The state of each of these decisions that is stored, as it is stored, whatever it is by now."""
    rows = await session.execute(select(*_columns(database)).where(_D.id.in_(ids)))
    return {row[0]: _read(row) for row in rows}


def digest_of(database: Database, column: ColumnElement[Any]) -> ColumnElement[str | None]:
    """SHA-256 of a column's text, made by the database: what it holds may be large."""
    if database.is_sqlite:
        return func.sha256_hex(cast(column, LargeBinary), type_=String)
    return func.encode(func.sha256(func.convert_to(cast(column, Text), "UTF8")), "hex", type_=String)


def digest_of_bytes(database: Database, column: ColumnElement[Any]) -> ColumnElement[str | None]:
    """The same of a column that holds bytes."""
    if database.is_sqlite:
        return func.sha256_hex(cast(column, LargeBinary), type_=String)
    return func.encode(func.sha256(column), "hex", type_=String)


def _columns(database: Database) -> list[ColumnElement[Any]]:
    # As they are: a column's own type would refuse to read what nobody should have written.
    moment = (
        type_coerce(_D.created_at, String)
        if database.is_sqlite
        else func.to_char(func.timezone("UTC", _D.created_at), "YYYY-MM-DD HH24:MI:SS.US")
    )
    return [
        _D.id,
        moment,
        _D.symbol,
        _D.status,
        _D.action,
        type_coerce(_D.actionable, Integer) if database.is_sqlite else cast(_D.actionable, Integer),
        _D.agent_id,
        _D.key_id,
        _D.request_id,
        digest_of(database, _D.answer),
        digest_of(database, _D.request),
    ]


def _read(row: Row[Any]) -> str:
    try:
        return _hashed(list(row))
    except TypeError:
        # Bytes, or text that is none.
        return "unreadable"


def _hashed(values: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(values)).hexdigest()
