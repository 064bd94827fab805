"""Removing characters that nobody sees: controls, zero-width and bidirectional marks."""

from __future__ import annotations

import re

# Unicode's Cc without tab and newlines, the zero-width and bidirectional parts of Cf, soft hyphen, BOM, tag characters,
# variation selectors, fillers, and lone surrogates, which no encoder takes.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]++"
)
_CONTROLS = bytes(code for code in range(128) if _INVISIBLE.match(chr(code)))


def without_invisible(text: str) -> str:
    """The text with only what a reader would see; line ends become plain newlines."""
    if text.isascii():
        if text.isprintable():
            # On one line, and nothing but what is seen: most of what is looked at.
            return text
        # Five times as fast, and most answers are.
        seen = text.encode("ascii").translate(None, _CONTROLS).decode("ascii")
    else:
        seen = _INVISIBLE.sub("", text)
    return seen.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n")
