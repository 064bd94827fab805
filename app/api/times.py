"""Times as the contract writes them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BeforeValidator

_NUMBER: Final = re.compile(r"\s*[+-]?[0-9]*\.?[0-9]+\s*")


def _written_out(value: Any) -> Any:  # noqa: ANN401 - whatever the caller put there
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        raise ValueError("must be a date and time in ISO 8601, with its offset")
    return value


WRITTEN_OUT: Final = BeforeValidator(_written_out)
"""For a moment in a query: no bare number, since `2026` would be taken for half an hour after the beginning of 1970."""


def rendered_time(moment: datetime) -> str:
    """ISO 8601 in UTC with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
