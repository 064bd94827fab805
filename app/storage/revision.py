"""The configuration's revision: counted up by whoever changes it, so that every process reads it again."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.storage.database import Database
from app.storage.tables import ConfigRevisionRow

CHANNEL: Final = "outcry_config"
"""Where PostgreSQL announces a new revision of the configuration."""


async def count_up(session: AsyncSession, database: Database) -> None:
    """Count the revision up, before anything else: its row lock lets writers of configuration pass one at a time."""
    revision = col(ConfigRevisionRow.revision)
    counted = update(ConfigRevisionRow).values(revision=revision + 1).returning(revision)
    current = (await session.execute(counted)).scalar_one()
    if not database.is_sqlite:
        await session.execute(select(func.pg_notify(CHANNEL, str(current))))


async def current_revision(session: AsyncSession) -> int:
    """How often the configuration was changed."""
    return int((await session.execute(select(col(ConfigRevisionRow.revision)))).scalar_one())
