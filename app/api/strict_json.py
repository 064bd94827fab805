"""JSON as a careful reader takes it: UTF-8, finite numbers, no duplicate keys, bounded depth and count.

orjson refuses NaN, Infinity, numbers that overflow, lone surrogates, byte order marks and anything but UTF-8. What it
lets through is looked for here: depth and duplicate keys. A duplicate leaves the text with more members than the
parsed value has, so both are counted; only when they differ is the text read again, slowly, to say where.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

from app.domain.errors import Code, OutcryError, RequestRejected

MAX_DEPTH = 64
MAX_VALUES = 200_000
"""Far more than any chat holds; parsing holds the interpreter's lock, for 20 ms at this size."""
SMALL = 64 * 1024

MAX_DESPITE = 256 * 1024
"""Bytes of a body that is looked through for its NaN; that takes the loop 3 ms."""

_NESTED = frozenset((dict, list))
_CONSTANT = re.compile("NaN|Infinity")
_CONSTANT_BYTES = re.compile(rb"NaN|Infinity")
_BEHIND_BLANKS = (b" :", b"\n:", b"\t:", b"\r:")
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def parse(raw: bytes) -> object:
    """The value of a JSON text. Raises RequestRejected that says where and what is wrong."""
    if len(raw) > SMALL:
        colons, values = _count_in_pieces(raw)
        if values > MAX_VALUES:
            raise _invalid(f"more than {MAX_VALUES} values in one body")
    else:
        colons = -1
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise _invalid(_reason(raw, error)) from None
    members = _members(value)
    # Every member has its colon; colons inside strings only make the second look necessary, not wrong.
    if colons < 0 and members != raw.count(b":") and not _is_plain(raw, members):
        colons = _STRING.sub(b"", raw).count(b":")
    if colons >= 0 and members != colons:
        raise _duplicate(raw)
    return value


def with_constants(raw: bytes) -> object:
    """The value of a text that is JSON but for NaN and Infinity, so that somebody can say where they stand; else None.

    Nothing that is read this way may be used: a caller who sent it gets an error.
    """
    if not _CONSTANT_BYTES.search(raw) or len(raw) > MAX_DESPITE:
        return None
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def has_constants(value: object) -> bool:
    """Whether there is a NaN or an infinity anywhere in a value that was read."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return True
    return False


def _members(value: object) -> int:
    """How many members all objects of a value have. Raises RequestRejected when it is nested too deeply."""
    members = 0
    level: list[Any] = [value] if type(value) in _NESTED else []
    for _ in range(MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if type(item) is dict:
                members += len(item)
                inner += [v for v in item.values() if type(v) in _NESTED]
            else:
                inner += [v for v in item if type(v) in _NESTED]
        if not inner:
            return members
        level = inner
    raise _invalid(f"nested deeper than {MAX_DEPTH} levels")


def _is_plain(raw: bytes, members: int) -> bool:
    """Whether a text that is full of times still plainly has no more members than these.

    Each member's colon stands right behind a quote where none stands behind a blank: there can be no more of them.
    """
    return raw.count(b'":') == members and not any(blank in raw for blank in _BEHIND_BLANKS)


def _count_in_pieces(raw: bytes) -> tuple[int, int]:
    """Colons, and about how many values, outside of strings.

    One search per string, so that no single step holds the interpreter for long, whatever the text is.
    """
    colons = values = position = 0
    while True:
        opening = raw.find(b'"', position)
        gap = raw[position : opening if opening >= 0 else len(raw)]
        colons += gap.count(b":")
        values += gap.count(b",") + gap.count(b"[") + gap.count(b"{")
        if opening < 0 or values > MAX_VALUES:
            return colons, values
        position = _end_of_string(raw, opening + 1)


def _end_of_string(raw: bytes, position: int) -> int:
    while True:
        quote = raw.find(b'"', position)
        if quote < 0:
            return len(raw)
        backslashes = quote
        while backslashes > position and raw[backslashes - 1] == 0x5C:
            backslashes -= 1
        if (quote - backslashes) % 2 == 0:
            return quote + 1
        position = quote + 1


def _reason(raw: bytes, error: orjson.JSONDecodeError) -> str:
    if not raw.strip():
        return "the body is empty"
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in raw[:4]:
        return "the body is not UTF-8"
    constant = _CONSTANT.match(raw.decode("utf-8", "replace"), error.pos)
    return f"{constant[0]} is no JSON number: {error}" if constant else str(error)


def _duplicate(raw: bytes) -> OutcryError:
    found: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen and not found:
                found.append(key)
            seen.add(key)
        return {}

    json.loads(raw, object_pairs_hook=look)
    if not found:
        return _invalid("a duplicate key")
    spelled = orjson.dumps(found[0][:100])
    return _invalid(f"duplicate key {spelled.decode()}{_lines_of(raw, orjson.dumps(found[0]))}")


def _lines_of(raw: bytes, spelled: bytes) -> str:
    places = [m.start() for m in re.finditer(re.escape(spelled) + rb"\s*:", raw)][:3]
    if len(places) < 2:
        return ""
    lines = [raw.count(b"\n", 0, place) + 1 for place in places]
    return " near " + ", ".join(f"line {line} (char {at})" for line, at in zip(lines, places, strict=True))


def _invalid(reason: str) -> OutcryError:
    return RequestRejected(Code.INVALID_JSON, f"invalid JSON: {reason}")
