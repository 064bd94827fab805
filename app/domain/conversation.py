"""Conversations as callers name them: what a name may be, and the key that routing knows it by."""

from __future__ import annotations

import hashlib
import re
from typing import Final

MOST_CHARACTERS: Final = 128
NAME: Final = re.compile(r"[!-~](?:[ -~]{0,126}[!-~])?")
"""Visible ASCII, spaces only inside: a header and a body can both say it."""


def conversation_key(caller: str, name: str) -> str:
    """32 hex digits for a conversation of this caller's; the same in every process, and nobody else's."""
    said = f"{caller}\0{name}".encode("utf-8", "surrogatepass")
    return hashlib.blake2b(said, digest_size=16).hexdigest()
