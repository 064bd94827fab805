"""Canonical JSON: one form for each value, so that equal values have equal hashes."""

from __future__ import annotations

import hashlib

import orjson


class Unencodable(ValueError):
    """A value that JSON cannot carry as it is: a number beyond 64 bits, half of a character."""


def canonical(value: object) -> bytes:
    """The value as JSON with sorted keys and nothing between the tokens. Raises Unencodable.

    Whatever order a mapping's keys came in, the bytes are the same; 1 and 1.0 stay two values.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise Unencodable(str(error)) from None


def digest(value: object) -> str:
    """SHA-256 of the canonical form, 64 hex digits. Raises Unencodable."""
    return hashlib.sha256(canonical(value)).hexdigest()
