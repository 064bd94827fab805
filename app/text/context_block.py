"""The block in which a prompt carries JSON that is to be read as material, never as an instruction.

    <<<market_context 3f2a9c0d5e6b7a81>>>
    {"as_of":"2026-11-20T14:15:00Z",...}
    <<<end market_context 3f2a9c0d5e6b7a81>>>

The token is derived from the SHA-256 of everything that is delimited, so a news item cannot guess it, and rendering
the same context twice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from app.text.strict_json import NotJson, loads

MARKET = "market_context"
NEWS = "untrusted_news"

MAX_BLOCKS = 64

_OPENING = re.compile(r"<<<(\w{1,40}) ([0-9a-f]{16})>>>\n")


def canonical_json(value: object) -> str:
    """One spelling per value: sorted keys, no spaces, and no angle brackets, so that nothing inside can end a block."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def token_of(whole: str) -> str:
    """The delimiting token of a context, from its complete canonical text."""
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def block(name: str, content: str, token: str) -> str:
    """The delimited block."""
    return f"<<<{name} {token}>>>\n{content}\n<<<end {name} {token}>>>"


def market_in(text: str) -> Mapping[str, Any] | None:
    """The market context that this text carries in its last such block, or None."""
    contents = [content for _, _, name, content in _blocks(text) if name == MARKET]
    if not contents:
        return None
    try:
        market = loads(contents[-1])
    except NotJson:
        return None
    return market if isinstance(market, dict) else None


def without_blocks(text: str) -> str:
    """The text around the blocks: what the caller said itself."""
    kept, at = [], 0
    for start, end, _, _ in _blocks(text):
        kept.append(text[at:start])
        at = end
    return "".join([*kept, text[at:]])


def _blocks(text: str) -> list[tuple[int, int, str, str]]:
    """Start, end, name and content of each complete block; the search for ends is bounded."""
    found: list[tuple[int, int, str, str]] = []
    at = searched = 0
    while searched < MAX_BLOCKS and (opening := _OPENING.search(text, at)):
        searched += 1
        closing = f"\n<<<end {opening[1]} {opening[2]}>>>"
        end = text.find(closing, opening.end() - 1)
        at = opening.end() if end < 0 else end + len(closing)
        if end >= 0:
            found.append((opening.start(), at, opening[1], text[opening.end() : end]))
    return found
