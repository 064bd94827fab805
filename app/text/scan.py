"""Finding JSON objects and arrays in prose by their brackets, with respect for strings."""

from __future__ import annotations

import re
from dataclasses import dataclass

_OPENING = re.compile(r"[{\[]")
_STRUCTURE = re.compile(r'[{}\[\]"]')
_STRING_END = re.compile(r'(?:[^"\\]|\\.)*+"', re.DOTALL)
# What begins like JSON and never ends was cut off; what begins like prose is prose.
_JSON_START = re.compile(r"""\{\s*(?:["'“\}]|[\w\u4e00-\u9fff]+\s*[:：])|\[\s*(?:[{\["'\]]|-?\d)""")
STEPS = 20_000
_CHARACTERS_PER_STEP = 256


class TooTangled(ValueError):
    """The text has more brackets than an honest answer has."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of text that begins with a bracket; `closed` tells whether its partner was found."""

    start: int
    text: str
    closed: bool


def top_level_spans(text: str, *, steps: int = STEPS) -> list[Span]:
    """Every balanced top-level object or array, in order; the last one may be unclosed.

    Work is bounded: raises TooTangled after `steps` brackets and quotes; 256 characters passed over are a step too.
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


def _partner(text: str, start: int, steps: int) -> tuple[int | None, int]:
    """Where the bracket at `start` is closed (None: nowhere), and how many steps that took."""
    expected: list[str] = []
    at, used = start, 0
    while mark := _STRUCTURE.search(text, at):
        used += 1 + (mark.end() - at) // _CHARACTERS_PER_STEP
        if used > steps:
            raise TooTangled
        at = mark.end()
        match mark.group():
            case '"':
                closing = _STRING_END.match(text, at)
                used += ((closing.end() if closing else len(text)) - at) // _CHARACTERS_PER_STEP
                if closing is None:
                    return None, used
                at = closing.end()
            case "{":
                expected.append("}")
            case "[":
                expected.append("]")
            case bracket:
                if expected.pop() != bracket:
                    return None, used
                if not expected:
                    return at, used
    return None, used + (len(text) - at) // _CHARACTERS_PER_STEP
