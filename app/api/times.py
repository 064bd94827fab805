"""Times as the contract writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def rendered_time(moment: datetime) -> str:
    """ISO 8601 in UTC with `Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
