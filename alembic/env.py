"""How Alembic reaches the database: over the connection it is given, else over DATABASE_URL."""

from __future__ import annotations

import logging.config
import os

from sqlalchemy import Connection
from sqlmodel import SQLModel

import app.storage.tables  # noqa: F401 - fills the metadata
from alembic import context
from app.storage.migrations import MIGRATION_OPTIONS, on_database

config = context.config
given = config.attributes.get("connection")

if context.is_offline_mode():
    raise SystemExit("migrations are applied to a database, not printed: run them online")
if given is not None:
    context.configure(connection=given, target_metadata=SQLModel.metadata, **MIGRATION_OPTIONS)
    context.run_migrations()
else:
    if config.config_file_name is not None:
        logging.config.fileConfig(config.config_file_name, disable_existing_loggers=False)
    url = os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///./outcry.db")

    def run(connection: Connection) -> None:
        context.configure(connection=connection, target_metadata=SQLModel.metadata, **MIGRATION_OPTIONS)
        context.run_migrations()

    on_database(url, run)
