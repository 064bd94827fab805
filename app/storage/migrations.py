"""Migrations in-process: up to the newest revision or down again, once however many replicas start."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import anyio.to_thread
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncSession

from alembic import command
from app.storage.database import DatabaseRules, async_url, begin_immediate, check_file, create_engine
from app.storage.errors import translated_errors

# Any number will do, as long as nobody else on the same PostgreSQL locks it: "outcry" in ASCII.
_LOCK: Final = 0x6F7574637279
_LOCK_SECONDS: Final = 60

MIGRATION_OPTIONS: Final[dict[str, Any]] = {
    "render_as_batch": True,
    "compare_type": True,
    "compare_server_default": True,
    "transaction_per_migration": False,
}


def migrate(url: str, revision: str = "head") -> None:
    """Bring the database up to a revision. Blocks: call it from a thread when a loop is running.

    Replicas that start together wait for the first, up to a minute. Raises StorageUnavailable when the database is
    away and DatabaseUnusable when it can never work; nothing is half done, both engines roll a failed one back.
    """
    on_database(url, functools.partial(_run, command.upgrade, revision))


def downgrade(url: str, revision: str = "base") -> None:
    """Bring the database down to a revision; what newer revisions added is gone with its rows."""
    on_database(url, functools.partial(_run, command.downgrade, revision))


async def is_behind(session: AsyncSession) -> bool:
    """Whether the database is at an older revision than this version's; one of a newer version is not behind."""
    applied = await session.scalar(text("SELECT version_num FROM alembic_version"))
    scripts = await anyio.to_thread.run_sync(lambda: ScriptDirectory(str(_scripts())))
    return applied != scripts.get_current_head() and applied in {script.revision for script in scripts.walk_revisions()}


def on_database(url: str, work: Callable[[Connection], None]) -> None:
    """Run sync work in one transaction while holding the lock of migrations."""
    if async_url(url).startswith("sqlite"):
        check_file(url)
    with translated_errors():
        asyncio.run(_locked(url, work))


async def _locked(url: str, work: Callable[[Connection], None]) -> None:
    engine = create_engine(url, DatabaseRules(connect=5.0, busy=_LOCK_SECONDS), foreign_keys=False)
    try:
        async with begin_immediate(engine).begin() as connection:
            if connection.dialect.name == "postgresql":
                # Freed by the end of the transaction, so that a killed migration leaves no lock behind.
                await connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(work)
    finally:
        await engine.dispose()


def _run(step: Callable[[Config, str], None], revision: str, connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    step(config, revision)


def _scripts() -> Path:
    """The migrations: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    return next(path for path in (package / "_alembic", package.parent / "alembic") if (path / "env.py").is_file())
