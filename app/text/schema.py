"""JSON schemas of callers: compiled without asking anybody, checked in bounded time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol

import jsonschema_rs
import orjson

from app.text.schema_cost import TOO_MUCH, Unbounded, Weight

_MOST_NAMED: Final = 3
_LONGEST: Final = 200
_LONGEST_KEPT: Final = 8 * 1024
_MOST_KEPT: Final = 16
_PATTERNS: Final = jsonschema_rs.RegexOptions(size_limit=64 * 1024)


# Naming a problem costs a thousand times what finding one does, and the checker names all of them before the first.
_MOST_TO_NAME: Final = 2_000
_UNNAMED: Final = "$: somewhere it is not as the schema says"


class BadSchema(ValueError):
    """The schema is none, refers to something outside itself, or is too costly to check with."""


class _Checker(Protocol):
    def is_valid(self, instance: Any) -> bool: ...  # noqa: ANN401 - any JSON
    def validate(self, instance: Any) -> None: ...  # noqa: ANN401 - any JSON
    def iter_errors(self, instance: Any) -> Any: ...  # noqa: ANN401 - any JSON


@dataclass(frozen=True, slots=True)
class Schema:
    """A compiled schema, and what checking with it costs."""

    checker: _Checker
    weight: Weight


def compiled(schema: Mapping[str, Any]) -> Schema:
    """The schema, ready to check with; raises BadSchema. References to elsewhere are never followed.

    Callers send the same schema with every request: the last few short ones are kept compiled.
    """
    try:
        written = orjson.dumps(schema)
    except TypeError:
        return _compiled(schema)
    return _remembered(written) if len(written) <= _LONGEST_KEPT else _compiled(schema)


@lru_cache(maxsize=_MOST_KEPT)
def _remembered(written: bytes) -> Schema:
    return _compiled(orjson.loads(written))


def _compiled(schema: Mapping[str, Any]) -> Schema:
    try:
        weight = Weight(schema)
        checker = jsonschema_rs.validator_for(
            dict(schema), retriever=_nowhere, pattern_options=_PATTERNS, validate_formats=False
        )
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise BadSchema(str(error).partition("\n")[0][:_LONGEST]) from None
    return Schema(checker, weight)


def problems(schema: Schema, value: object) -> list[str]:
    """What is wrong with a value, the first few: `path: what`; empty for one that follows the schema.

    Raises BadSchema for a value that would take too long to check.
    """
    try:
        cost = schema.weight.of(value)
    except Unbounded as error:
        raise BadSchema(str(error)) from None
    if cost > TOO_MUCH:
        raise BadSchema("with this answer that would take too long")
    try:
        if schema.checker.is_valid(value):
            return []
        if cost <= _MOST_TO_NAME:
            return _named(schema.checker.iter_errors(value))
        return [_UNNAMED] if schema.weight.has_alternatives else _first(schema.checker, value)
    except ValueError as error:
        return [str(error)[:_LONGEST]]


def _named(errors: Iterable[jsonschema_rs.ValidationError]) -> list[str]:
    found: list[str] = []
    for error in errors:
        path = ".".join(str(step) for step in error.instance_path) or "$"
        found.append(f"{path}: {error.message[:_LONGEST]}")
        if len(found) == _MOST_NAMED:
            break
    return found


def _first(checker: _Checker, value: object) -> list[str]:
    """The first problem alone, after which the checker stops."""
    try:
        checker.validate(value)
    except jsonschema_rs.ValidationError as error:
        return _named([error])
    return []


def _nowhere(uri: str) -> None:
    raise ValueError(f"{uri[:_LONGEST]} lies outside the schema")
