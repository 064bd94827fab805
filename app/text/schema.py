"""JSON schemas of callers: compiled without asking anybody, checked in linear time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

import jsonschema_rs

_MOST_NAMED: Final = 3
_LONGEST: Final = 200


class BadSchema(ValueError):
    """The schema is none, or refers to something outside itself."""


class Schema(Protocol):
    """A compiled schema."""

    def iter_errors(self, instance: Any) -> Any: ...  # noqa: ANN401 - any JSON


def compiled(schema: Mapping[str, Any]) -> Schema:
    """The schema, ready to check with; raises BadSchema. References to elsewhere are never followed."""
    try:
        return jsonschema_rs.validator_for(
            dict(schema), retriever=_nowhere, pattern_options=jsonschema_rs.RegexOptions(), validate_formats=False
        )
    except (ValueError, jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
        raise BadSchema(str(error).partition("\n")[0][:_LONGEST]) from None


def problems(schema: Schema, value: object) -> list[str]:
    """What is wrong with a value, the first few: `path: what`; empty for one that follows the schema."""
    found: list[str] = []
    try:
        for error in schema.iter_errors(value):
            path = ".".join(str(step) for step in error.instance_path) or "$"
            found.append(f"{path}: {error.message[:_LONGEST]}")
            if len(found) == _MOST_NAMED:
                break
    except ValueError as error:
        found.append(str(error)[:_LONGEST])
    return found


def _nowhere(uri: str) -> None:
    raise ValueError(f"{uri[:_LONGEST]} lies outside the schema")
