"""Payloads as providers send them, by dialect; read through here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

GOLDEN = Path(__file__).parent


def golden_bytes(name: str) -> bytes:
    """The raw bytes of one payload, e.g. `openai/stream_text_usage.sse`."""
    return (GOLDEN / name).read_bytes()


def golden_json(name: str) -> Any:
    """The same, parsed."""
    return orjson.loads(golden_bytes(name))
