"""Finding JSON objects and arrays in prose by their brackets, with respect for strings."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = re.compile(r"[{\[]")
# A bracket, or a whole string; group 1 is "" for a string that never ends.
_STRUCTURE = re.compile(r'[{}\[\]]|"(?:[^"\\]++|\\.)*+("?)', re.DOTALL)
# What begins like JSON and never ends was cut off; what begins like prose is prose.
_JSON_START = re.compile(r"""\{\s*(?:["'“\}]|[\w\u4e00-\u9fff]+\s*[:：])|\[\s*(?:[{\["'\]]|-?\d)""")
_PARTNERS = {"{": "}", "[": "]"}
STEPS = 15_000
_CHARACTERS_PER_STEP = 128


class TooTangled(ValueError):
    """The text has more of something than an honest answer has; the message names what: brackets, tags."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text that begins with a bracket; `closed` tells whether its partner was found."""

    start: int
    text: str
    closed: bool


def top_level_spans(text: str, *, steps: int = STEPS) -> list[Span]:
    """Every balanced top-level object or array, in order; the last one may be unclosed.

    Work is bounded: raises TooTangled after `steps` brackets and strings; 128 characters passed over are a step too.
    """
    spans: list[Span] = []
    at = 0
    while opening := _OPENING.search(text, at):
        start = opening.start()
        end, used = _partner(text, start, steps)
        steps -= used
        if end is not None:
            spans.append(Span(start, text[start:end], closed=True))
            at = end
        elif _JSON_START.match(text, start):
            spans.append(Span(start, text[start:], closed=False))
            break
        else:
            at = start + 1
    return spans


def without_spans(text: str, spans: list[Span]) -> str:
    """The text with a line break where these pieces of it stood."""
    kept, at = [], 0
    for span in spans:
        kept.append(text[at : span.start])
        at = span.start + len(span.text)
    return "\n".join([*kept, text[at:]])


def _partner(text: str, start: int, steps: int) -> tuple[int | None, int]:
    """Where the bracket at `start` is closed (None: nowhere), and how many steps that took."""
    expected: list[str] = []
    at, used = start, 0
    for mark in _STRUCTURE.finditer(text, start):
        used += 1 + (mark.end() - at) // _CHARACTERS_PER_STEP
        if used > steps:
            raise TooTangled("brackets")
        at = mark.end()
        bracket = text[mark.start()]
        if bracket == '"':
            if not mark[1]:
                return None, used
        elif bracket in _PARTNERS:
            expected.append(_PARTNERS[bracket])
        elif expected.pop() != bracket:
            return None, used
        elif not expected:
            return at, used
    return None, used + (len(text) - at) // _CHARACTERS_PER_STEP
