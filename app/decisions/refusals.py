"""Telling a refusal from an answer that merely holds no decision, in the languages that models refuse in."""

from __future__ import annotations

import re
from typing import Final

_LOOKED_AT: Final = 4_000

_REFUSAL: Final = re.compile(
    # English
    r"(?i)\b(?:i['’]?m|i am) (?:sorry|unable|not (?:able|permitted|allowed))"
    r"|\bi (?:cannot|can['’]?t|won['’]?t|must decline)|\bas an ai\b"
    r"|\b(?:cannot|can['’]?t|unable to) (?:provide|give|offer|assist|help|comply)"
    # Spanish, Portuguese, Italian
    r"|\blo siento\b|\bno puedo\b|\bdesculpe|\bsinto muito\b|\bnão posso\b|\bmi dispiace\b|\bnon posso\b"
    # German, French, Dutch
    r"|\bich kann (?:ihnen |dir |euch )?(?:leider )?(?:kein|nicht)|\btut mir leid\b|\bich darf (?:kein|nicht)"
    r"|\bdésolée?\b|\bje ne peux pas\b|\bje ne suis pas en mesure\b|\bhet spijt me\b|\bik kan (?:geen|niet)\b"
    # Russian, Turkish, Polish
    r"|извините|не могу (?:дать|предоставить|помочь|ответить)|üzgünüm|\bprzykro mi\b|\bnie mogę\b"
    # Chinese, Japanese, Korean
    r"|抱歉|对不起|對不起|我不能|我无法|我無法|无法提供|無法提供|申し訳|できません|お答えできま|죄송|제공할 수 없"
)


def is_refusal(text: str) -> bool:
    """Whether a text that holds no decision refuses to give one; only its beginning is looked at."""
    return _REFUSAL.search(text[:_LOOKED_AT]) is not None
