"""News before it may enter a prompt: cleaned, cut, and looked at for instructions."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from app.decisions.context import NewsItem
from app.domain.frozen import frozen
from app.text.invisible import without_invisible

MAX_ITEMS: Final = 20
MAX_TITLE: Final = 300
MAX_SUMMARY: Final = 600
MAX_TOTAL: Final = 8_000
"""Characters of all items together."""

MAX_LOOKED_AT: Final = 1_000
_PASSES: Final = 3
_BRACKETS: Final = str.maketrans("", "", "<>[]`")
_MARKUP: Final = re.compile(
    r"</?\s{0,3}[A-Za-z!][^<>]{0,200}>|<\|[^|]{0,40}\|>|\[/?INST\]|\[/?SYS(?:TEM)?\]|<</?SYS>>|`{3,}|#{3,}|={5,}|-{5,}"
    r"|!?\[([^\[\]]{0,200})\]\((?:[^()]|\([^()]{0,100}\)){0,400}\)"
)
_ROLE: Final = re.compile(
    r"(?im)^[\s>#*_-]{0,8}(?:system|assistant|user|developer|human|tool)\s{0,3}[*_]{0,2}\s{0,3}:[*_]{0,2}\s*"
)
_CONVERSATION: Final = re.compile(r"<\||\[/?INST\]|<</?SYS>>|(?i:</?(?:system|assistant|user|instructions?)\b)|<<<")
_IMPERATIVE: Final = re.compile(
    r"(?i)\b(?:ignore|disregard|forget|override|bypass)\b.{0,40}"
    r"\b(?:instructions?|prompts?|rules|above|previous|prior|context|constraints?|guidelines?)\b"
    r"|\b(?:new|updated|real|actual) (?:instructions?|task|prompt)\b"
    r"|\byou (?:must|should|will|shall|have to|are now)\b|\bpretend (?:to be|that|you)\b"
    r"|\b(?:answer|respond|reply|output|return|say|vote|print)\b.{0,30}\b(?:buy|sell|hold)\b"
    r"|\b(?:set|put|make)\b.{0,20}\b(?:action|confidence|leverage|stop[_ ]loss)\b.{0,10}\b(?:to|=)"
    r"|\bsystem prompt\b|\bas an? (?:ai|assistant|language model)\b|\"action\"\s{0,3}:"
    r"|\bignorier\w{0,4}\b.{0,40}\b(?:anweisung|regel|vorherig)|\bignor(?:a|e|ez|en)\b.{0,40}\b(?:instruc|reglas|règles|regras)"
    r"|忽略.{0,10}(?:指令|以上|之前)|无视.{0,10}(?:指令|以上)|你(?:必须|应该|现在是)"
    r"|игнорируй.{0,40}(?:инструкц|указан)|指示を無視|이전 지시"
)


@frozen
class CleanNews:
    """What of the news may enter a prompt; `suspected` are the places of items that speak to their reader."""

    items: tuple[dict[str, Any], ...]
    suspected: tuple[int, ...]
    left_out: int


_NO_NEWS: Final = CleanNews((), (), 0)


def clean_news(news: Sequence[NewsItem]) -> CleanNews:
    """The newest items, as many as are let in, in the order given. Also those left out are looked at."""
    if not news:
        return _NO_NEWS
    newest = sorted(range(len(news)), key=lambda place: (_published(news[place]), -place), reverse=True)
    kept: dict[int, dict[str, Any]] = {}
    total = 0
    for place in newest[:MAX_ITEMS]:
        item = cleaned(news[place])
        total += sum(map(len, item.values()))
        if total > MAX_TOTAL:
            break
        kept[place] = item
    suspected = tuple(place for place, item in enumerate(news) if is_suspicious(item))
    return CleanNews(tuple(kept[place] for place in sorted(kept)), suspected, len(news) - len(kept))


def cleaned(item: NewsItem) -> dict[str, str]:
    """The item as JSON values, without markup, role markers and what nobody sees, cut to a headline and a paragraph."""
    stated = {
        "title": plain(item.title)[:MAX_TITLE],
        "summary": plain(item.summary)[:MAX_SUMMARY] if item.summary else None,
        "source": plain(item.source) if item.source else None,
        "published_at": item.published_at.astimezone(UTC).isoformat() if item.published_at else None,
    }
    return {key: value for key, value in stated.items() if value}


def is_suspicious(item: NewsItem) -> bool:
    """Whether the item talks to its reader in the imperative, or brings markup of a conversation along."""
    whole = [text for text in (item.title, item.summary, item.source) if text]
    # A megabyte of news is not read to its end; what of it enters the prompt always is.
    begun = "\n".join(text[:MAX_LOOKED_AT] for text in whole)
    return speaks_to_its_reader(begun) or (
        any(len(text) > MAX_LOOKED_AT for text in whole) and speaks_to_its_reader("\n".join(cleaned(item).values()))
    )


def speaks_to_its_reader(text: str) -> bool:
    """Whether a text that should report asks for something instead. A hint for people: it catches the plain cases."""
    seen = _seen(text)
    # Without its markup as well: `ig<b></b>nore` is one word to whoever reads it.
    sayings = dict.fromkeys((seen, _MARKUP.sub("", seen)))
    return any(pattern.search(said) for pattern in (_CONVERSATION, _ROLE, _IMPERATIVE) for said in sayings)


def plain(text: str) -> str:
    """One line of words: no markup, no role marker, nothing that nobody sees."""
    text = _seen(text)
    for _ in range(_PASSES):
        # What is taken away may leave markup behind: `<<b>i>`.
        stripped = _ROLE.sub("", _MARKUP.sub(lambda found: f" {found[1] or ''} ", text))
        if stripped == text:
            break
        text = stripped
    else:
        # Nested deeper than any news is: then it has no brackets at all.
        text = text.translate(_BRACKETS)
    return " ".join(text.split())


def _seen(text: str) -> str:
    """The text as it is read: entities resolved, wide and styled letters as plain ones, nothing invisible."""
    text = without_invisible(html.unescape(text)) if "&" in text else without_invisible(text)
    return text if text.isascii() else without_invisible(unicodedata.normalize("NFKC", text))


def _published(item: NewsItem) -> datetime:
    return item.published_at or datetime.min.replace(tzinfo=UTC)
