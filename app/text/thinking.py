"""Removing what a model thought aloud before it answered."""

from __future__ import annotations

import re

from app.text.scan import TooTangled, top_level_spans

_TAG = re.compile(
    r"[<◁]\s{0,8}(?P<close>/?)\s{0,8}(?:seed:)?(?:think|thinking|thought|thoughts|reasoning|reflection|scratchpad)\s{0,8}[>▷]"
    r"|\[(?P<bracket>/?)THINK\]",
    re.IGNORECASE,
)
_STEPS = 10_000  # what is left of the text is scanned again


def without_thinking(text: str) -> str:
    """The text without thinking blocks.

    A block may be closed, have only its closing tag (all before it was thinking), or only its opening tag (all up to
    the last top-level object was thinking).
    """
    if not any(sign in text for sign in ("<", "◁", "[")):
        return text.strip()
    kept: list[str] = []
    depth, at = 0, 0
    for tag in _TAG.finditer(text):
        closes = bool(tag["close"] or tag["bracket"])
        if not closes:
            if depth == 0:
                kept.append(text[at : tag.start()])
            depth += 1
        elif depth > 1:
            depth -= 1
        elif depth == 1:
            depth, at = 0, tag.end()
        else:
            kept, at = [], tag.end()
    kept.append(_last_object(text[at:]) if depth else text[at:])
    return "".join(kept).strip()


def _last_object(text: str) -> str:
    try:
        spans = top_level_spans(text, steps=_STEPS)
    except TooTangled:
        return ""
    return text[spans[-1].start :] if spans else ""
