"""The one clock that every process can read: the database's. Those of replicas run apart."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, extract, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.storage.database import Database


async def shared_clock(database: Database, session: AsyncSession) -> float:
    """Seconds since 1970, as the database has it; it goes on within a transaction."""
    now: ColumnElement[Any] = (
        (func.julianday("now") - 2440587.5) * 86400.0
        if database.is_sqlite
        else extract("epoch", func.clock_timestamp())
    )
    return float(await session.scalar(select(now)) or 0.0)
