"""The block in which a prompt carries JSON that is to be read as material, never as an instruction.

    <<<market_context 3f2a9c0d5e6b7a81>>>
    {"as_of":"2026-11-20T14:15:00Z",...}
    <<<end market_context 3f2a9c0d5e6b7a81>>>

Parts of a market may stand in blocks of their own with the same token, named as they are in the context.
The token is derived from the SHA-256 of everything that is delimited, so a news item cannot guess it, and rendering
the same context twice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from app.text.strict_json import NotJson, loads

MARKET = "market_context"
NEWS = "untrusted_news"
MEMORY = "memory"
PROPOSAL = "proposed_decision"
SECTIONS = ("indicators", "higher_timeframe", "patterns", "position", "account", "constraints")
"""Parts of a market that may have a block of their own."""

MAX_BLOCKS = 64

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_OPENING = re.compile(r"<<<(\w{1,40}) ([0-9a-f]{16})>>>\n")


def canonical_json(value: object) -> str:
    """One spelling per value: sorted keys, no spaces, and no angle brackets, so that nothing inside can end a block."""
    return without_angles(_CANONICAL.encode(value))


def without_angles(text: str) -> str:
    """The same JSON with its angle brackets escaped."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e")


def token_of(whole: str) -> str:
    """The delimiting token of a context, from its complete canonical text."""
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def block(name: str, content: str, token: str) -> str:
    """The delimited block."""
    return f"<<<{name} {token}>>>\n{content}\n<<<end {name} {token}>>>"


def market_in(text: str) -> Mapping[str, Any] | None:
    """The market that this text carries: its last market block, and the parts with the same token; or None."""
    blocks = _blocks(text)
    last = next((found for found in reversed(blocks) if found.name == MARKET), None)
    market = None if last is None else _value(last.content)
    if last is None or not isinstance(market, dict):
        return None
    for found in blocks:
        if found.token == last.token and found.name in SECTIONS and (part := _value(found.content)) is not None:
            market[found.name] = part
    return MappingProxyType(market)


def without_blocks(text: str) -> str:
    """The text around the blocks: what the caller said itself."""
    kept, at = [], 0
    for found in _blocks(text):
        kept.append(text[at : found.start])
        at = found.end
    return "".join([*kept, text[at:]])


@dataclass(frozen=True, slots=True)
class _Found:
    """A complete block, from `start` to before `end`."""

    start: int
    end: int
    name: str
    token: str
    content: str


def _blocks(text: str) -> list[_Found]:
    """Each complete block; the search for ends is bounded."""
    found: list[_Found] = []
    at = searched = 0
    while searched < MAX_BLOCKS and (opening := _OPENING.search(text, at)):
        searched += 1
        closing = f"\n<<<end {opening[1]} {opening[2]}>>>"
        end = text.find(closing, opening.end() - 1)
        at = opening.end() if end < 0 else end + len(closing)
        if end >= 0:
            found.append(_Found(opening.start(), at, opening[1], opening[2], text[opening.end() : end]))
    return found


def _value(content: str) -> object:
    try:
        return loads(content)
    except NotJson:
        return None
