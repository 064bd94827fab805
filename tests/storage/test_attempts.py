"""An attempt as a row: every column, each in its place."""

from __future__ import annotations

from app.storage.attempts import COLUMNS
from app.storage.tables import ATTEMPTS


def test_every_column_is_written() -> None:
    assert sorted(COLUMNS) == sorted(column.name for column in ATTEMPTS.c)
