"""Primary keys that number themselves."""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer

# SQLite numbers rows by itself only in a column that is exactly INTEGER.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")

NO_REUSE = {"sqlite_autoincrement": True}
"""A deleted row's id never comes back: records and callers that still name it must not mean somebody else."""
