"""Fenced blocks of Markdown."""

from __future__ import annotations

import re

_FENCE = re.compile(r"```[ \t]*+([A-Za-z0-9_+.\-]*+)[ \t]*+\n?+(.*?)```", re.DOTALL)


def fenced_blocks(text: str) -> list[str]:
    """The contents of every closed fence, in order."""
    return [match.group(2).strip() for match in _FENCE.finditer(text)]
