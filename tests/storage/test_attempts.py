"""An attempt as a row: every column, each in its place."""

from __future__ import annotations

from app.storage.attempts import COLUMNS
from app.storage.tables import ATTEMPTS


def test_every_column_is_written_but_the_mark_of_the_roll_up() -> None:
    assert sorted((*COLUMNS, "is_rolled")) == sorted(column.name for column in ATTEMPTS.c)
