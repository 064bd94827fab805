"""News before it may enter a prompt: cleaned, cut, and looked at for instructions."""

from __future__ import annotations

import re
from typing import Any, Final

from app.decisions.context import NewsItem
from app.text.invisible import without_invisible

MAX_ITEMS: Final = 20
MAX_TITLE: Final = 300
MAX_SUMMARY: Final = 600

_MARKUP: Final = re.compile(r"<[^<>]{0,200}>|\[/?INST\]|<\|[^|]{0,40}\|>|```|#{3,}")
_ROLE: Final = re.compile(r"(?im)^\s*(?:system|assistant|user|developer|human|tool)\s*:\s*")
_IMPERATIVE: Final = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|prompts?|rules|above|previous|context)\b"
    r"|\byou (?:must|should|will|are now)\b|\b(?:answer|respond|reply|output|return|say)\b.{0,30}\b(?:buy|sell|hold)\b"
    r"|\bsystem prompt\b|\bas an? (?:ai|assistant)\b|忽略.{0,10}(?:指令|以上)|你(?:必须|应该)"
)


def cleaned(item: NewsItem) -> dict[str, Any]:
    """The item as JSON values, without markup, role markers and what nobody sees, cut to a headline and a paragraph."""
    stated = {
        "title": _plain(item.title)[:MAX_TITLE],
        "summary": _plain(item.summary)[:MAX_SUMMARY] if item.summary else None,
        "source": _plain(item.source) if item.source else None,
        "published_at": item.published_at.isoformat() if item.published_at else None,
    }
    return {key: value for key, value in stated.items() if value}


def is_suspicious(item: NewsItem) -> bool:
    """Whether the item talks to its reader in the imperative, or brings markup of a conversation along."""
    said = without_invisible(f"{item.title}\n{item.summary or ''}")
    return any(pattern.search(said) for pattern in (_IMPERATIVE, _ROLE)) or "<|" in said or "[INST]" in said


def _plain(text: str) -> str:
    return " ".join(_ROLE.sub("", _MARKUP.sub(" ", without_invisible(text))).split())
