"""JSON as it should be: no NaN, no overflow, no key that says two things, no tower of brackets."""

from __future__ import annotations

import json
import math
import re

MAX_DEPTH = 64

# The closing quote may be missing: a string that never ends must not be searched again from each quote within.
_STRUCTURE = re.compile(r'[{}\[\]]|"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# Only a number of this shape can overflow; without one the decoder's own conversions, in C, will do.
_HUGE = re.compile(r"[0-9](?:[eE]\+?[0-9]{3}|(?<![0-9][0-9])[0-9]{299})")


class NotJson(ValueError):
    """The text is no JSON value."""


class NonFinite(NotJson):
    """It would be JSON, but a number in it is NaN, infinite or too large to be one."""


class ConflictingKeys(NotJson):
    """It would be JSON, but one object says two different things under one key."""


def loads(text: str) -> object:
    """The value of a whole JSON text; raises NotJson or one of its kinds, and nothing else."""
    if _too_deep(text):
        raise NotJson(f"nested deeper than {MAX_DEPTH}")
    is_huge = _HUGE.search(text) is not None
    try:
        value: object = (_CAREFUL if is_huge else _PLAIN).decode(text)
        return value
    except NotJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJson(str(error)) from None


def _too_deep(text: str) -> bool:
    # Nearly every answer is done after two counts; only the odd one is walked.
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for mark in _STRUCTURE.finditer(text):
        bracket = text[mark.start()]
        if bracket in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif bracket in "}]":
            depth -= 1
    return False


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        for key, item in pairs:
            if value[key] != item:
                raise ConflictingKeys(f"the key {key[:40]!r} has two different values")
    return value


def _constant(name: str) -> float:
    raise NonFinite(f"{name} is no JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise NonFinite("a number is too large")
    return value


def _int(digits: str) -> int:
    if len(digits) > 300:
        raise NonFinite("a number is too large")
    return int(digits)


# Made once: the decoder and its scanner cost as much as reading an answer. json.loads keeps its own in the same way.
_PLAIN = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_CAREFUL = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int)
