"""Events of our own streams."""

from __future__ import annotations

from typing import Any

import orjson


def event(name: str, content: dict[str, Any]) -> bytes:
    """One typed event."""
    return b"event: " + name.encode("ascii") + b"\ndata: " + orjson.dumps(content) + b"\n\n"
