"""Fenced blocks of Markdown."""

from __future__ import annotations

import re

FENCE = "```"

_INFO = re.compile(r"[ \t]*+[A-Za-z0-9_+.\-]*+[ \t]*+\n?+")


def fenced_blocks(text: str) -> list[str]:
    """The contents of every closed fence, in order."""
    pieces = text.split(FENCE)
    # Every second piece stands behind an opening fence; the last piece of all has none behind it.
    return [_INFO.sub("", piece, count=1).strip() for piece in pieces[1:-1:2]]
