"""Opaque cursors of lists that are read newest first."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, tuple_

from app.domain.errors import Code, RequestRejected, Violation


def cursor_at(moment: datetime, row_id: str) -> str:
    """A cursor behind which the next page starts."""
    return base64.urlsafe_b64encode(f"{moment.isoformat()}|{row_id}".encode()).decode("ascii").rstrip("=")


def older_than(cursor: str, moment: ColumnElement[Any], row_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The rows behind a cursor; one that is not ours raises RequestRejected."""
    return tuple_(moment, row_id) < tuple_(*place_of(cursor))


def place_of(cursor: str) -> tuple[datetime, str]:
    """Moment and id of the last row before a cursor; one that is not ours raises RequestRejected."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        stamp, last_id = base64.b64decode(padded, altchars=b"-_", validate=True).decode("utf-8").split("|", 1)
        when = datetime.fromisoformat(stamp)
        if when.tzinfo is None or "\x00" in last_id:
            raise ValueError
    except (ValueError, binascii.Error):
        wrong = Violation("cursor", "expected the `next` of an earlier page")
        raise RequestRejected(Code.INVALID_FIELD, wrong.message, param="cursor", violations=[wrong]) from None
    return when, last_id
