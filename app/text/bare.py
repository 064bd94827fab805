"""JSON alone, when JSON was asked for and prose came around it."""

from __future__ import annotations

from app.text.fences import fenced_blocks
from app.text.scan import TooTangled, top_level_spans
from app.text.strict_json import NotJson, loads
from app.text.thinking import without_thinking


def bare_json(text: str) -> str | None:
    """The one JSON object or array of this text, as it was written; None when there is none, or more than one."""
    whole = text.strip().removeprefix("\ufeff")
    if _is_container(whole):
        return whole
    answer = without_thinking(whole)
    if _is_container(answer):
        return answer
    for pieces in (fenced_blocks(answer), _spans(answer)):
        found = [piece for piece in pieces if _is_container(piece)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _spans(text: str) -> list[str]:
    try:
        return [span.text for span in top_level_spans(text) if span.closed]
    except TooTangled:
        return []


def _is_container(text: str) -> bool:
    if not text.startswith(("{", "[")):
        return False
    try:
        loads(text)
    except NotJson:
        return False
    return True
