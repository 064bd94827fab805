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

_BLOCK = re.compile(r"<<<(\w+) ([0-9a-f]{16})>>>\n(.*?)\n<<<end \1 \2>>>", re.DOTALL)


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
    for name, _, content in reversed(_BLOCK.findall(text)):
        if name != MARKET:
            continue
        try:
            market = loads(content)
        except NotJson:
            return None
        return market if isinstance(market, dict) else None
    return None


def without_blocks(text: str) -> str:
    """The text around the blocks: what the caller said itself."""
    return _BLOCK.sub("", text)
