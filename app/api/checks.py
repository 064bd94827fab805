"""Checks of a body's fields: each yields what is wrong with a value, with the path to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from app.api.messages import kind
from app.domain.errors import Violation

Check = Callable[[Any, str], Iterator[Violation]]


def number(low: float, high: float) -> Check:
    """A number of this range."""

    def check(value: object, path: str) -> Iterator[Violation]:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            yield Violation(path, f"must be a number from {low:g} to {high:g}")

    return check


def whole(low: int, high: int) -> Check:
    """A whole number of this range."""

    def check(value: object, path: str) -> Iterator[Violation]:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            yield Violation(path, f"must be a whole number from {low} to {high}")

    return check


def of(types: type | tuple[type, ...], word: str) -> Check:
    """A value of these types, `word` in messages."""

    def check(value: object, path: str) -> Iterator[Violation]:
        if not isinstance(value, types):
            yield Violation(path, f"must be {word}, not {kind(value)}")

    return check


TEXT, OBJECT, FLAG = of(str, "text"), of(dict, "an object"), of(bool, "true or false")
