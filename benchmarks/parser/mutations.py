"""Changing a text by chance, with the words that the parser knows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Final

from app.decisions.forms import FORMS
from app.decisions.vocabulary import ACTION_KEYS, FIELD_KEYS, WRAPPER_KEYS

LONGEST: Final = 4_000

_SIGNS: Final[tuple[str, ...]] = (
    *"{}[]\":,'\\|/<>*`#-=~%$ \n\t",
    *("：", "，", "｛", "｝", "“", "”", "\u200b", "\ufeff", "\ud800", "\u2028", "̀", "ﷺ", "İ", "ß"),
    *(
        "```",
        "```json\n",
        "<think>",
        "</think>",
        "<decision>",
        "</decision>",
        "<answer>",
        "</answer>",
        "\\u0042",
        '\\"',
    ),
    *("null", "true", "NaN", "-Infinity", "1e999", "9" * 310, "98000~98500", "98,500", "85%", "8/10", "-0", "1_0"),
    *("//", "/*", "*/", "None", "$schema", "properties", "BTC", "ETH/USDT", " or ", "not ", "?", "\n- ", "| "),
)
_KEYS: Final = tuple({*ACTION_KEYS, *FIELD_KEYS, *WRAPPER_KEYS})
_WORDS: Final = tuple(FORMS)


def mutated(text: str, other: str, rng: random.Random) -> str:
    """The text after one to four changes, at most `LONGEST` characters; `other` lends a piece of itself."""
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(_CHANGES)(text, other, rng)[:LONGEST]
    return text


def _inserted(text: str, _: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(_SIGNS) + text[at:]


def _member(text: str, _: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    value = rng.choice((json.dumps(rng.choice(_WORDS)), rng.choice(_SIGNS), str(rng.uniform(-9, 99_999))))
    quote = rng.choice(('"', '"', "'", ""))
    return f"{text[:at]}{quote}{rng.choice(_KEYS)}{quote}: {value}{rng.choice((',', '', '}'))}{text[at:]}"


def _label(text: str, _: str, rng: random.Random) -> str:
    return f"{text}\n{rng.choice(_KEYS)}: {rng.choice(_WORDS)}{rng.choice(('', '', '?', ' not'))}"


def _cut(text: str, _: str, rng: random.Random) -> str:
    at, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
    return text[:at] + text[end:] if rng.random() < 0.7 else text[:at]


def _doubled(text: str, _: str, rng: random.Random) -> str:
    at, end = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
    return text[:end] + text[at:end] * rng.choice((1, 1, 2, 9, 99)) + text[end:]


def _spliced(text: str, other: str, rng: random.Random) -> str:
    return text[: rng.randint(0, len(text))] + other[rng.randint(0, len(other)) :]


def _flipped(text: str, _: str, rng: random.Random) -> str:
    if not text:
        return text
    at = rng.randrange(len(text))
    return text[:at] + chr(max(0, ord(text[at]) + rng.choice((-1, 1, 32, 0xFEE0)))) + text[at + 1 :]


def _wrapped(text: str, other: str, rng: random.Random) -> str:
    before, after = rng.choice(
        (
            ("```json\n", "\n```"),
            ("<decision>", "</decision>"),
            (f"<think>{other}</think>", ""),
            ('{"result": ', "}"),
            ("[", "]"),
            ("Well: ", f" {other}"),
        )
    )
    return before + text + after


def _quoted(text: str, _: str, rng: random.Random) -> str:
    encoded = json.dumps(text, ensure_ascii=rng.random() < 0.5)
    return encoded if rng.random() < 0.5 else f'{{"{rng.choice(_KEYS)}": {encoded}}}'


_CHANGES: Final[Sequence[Callable[[str, str, random.Random], str]]] = (
    _inserted,
    _inserted,
    _member,
    _label,
    _cut,
    _cut,
    _doubled,
    _spliced,
    _flipped,
    _wrapped,
    _quoted,
)
