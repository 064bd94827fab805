"""From pydantic's errors to one sentence with file, line, key and what was expected."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from app.configuration.document import Document, Place, dotted
from app.configuration.errors import ConfigurationError, nearest, unknown
from app.configuration.schema import FileShape

_KINDS = {dict: "a mapping", list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_too_short": "a text that is not empty",
    "string_pattern_mismatch": "a name of 1 to 64 letters, digits, '_', '.' or '-'",
    "too_short": "at least one entry",
}


def checked(document: Document) -> FileShape:
    """The file in its shape; raises ConfigurationError for the first thing in it that is wrong."""
    if not isinstance(document.value, dict):
        raise ConfigurationError(f"{document.name}:1: expected a mapping with 'providers', {_got(document.value)}")
    try:
        return FileShape.model_validate(document.value)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=True)
        located = [(_place(document, problem["loc"]), problem) for problem in problems]
        # A misspelt key is also a missing one: the misspelling is what to say.
        place, problem = min(
            located, key=lambda found: (found[1]["type"] == "missing", document.line_of(found[0]), len(found[0]))
        )
        # Not chained: pydantic's own error could carry what was written.
        raise wrong(document, place, _said(document, place, problem)) from None


def wrong(document: Document, place: Place, message: str) -> ConfigurationError:
    """`outcry.yaml:7: providers[0].rate_limit.burst_limit: expected a whole number, got a text`."""
    where = f"{document.name}:{document.line_of(place)}"
    return ConfigurationError(f"{where}: {dotted(place)}: {message}" if place else f"{where}: {message}")


def _place(document: Document, loc: tuple[int | str, ...]) -> Place:
    """A location without pydantic's own marks (`[key]`), cut where the file is flatter than the shape."""
    place: Place = ()
    for part in loc:
        if part == "[key]" or ((*place, part) not in document.lines and isinstance(_at(document.value, place), str)):
            break
        place = (*place, part)
    return place


def _said(document: Document, place: Place, problem: ErrorDetails) -> str:
    kind = problem["type"]
    given = _at(document.value, place)
    if kind == "extra_forbidden":
        return unknown("key", str(place[-1]), _keys_beside(place))
    if kind == "missing":
        return "is required"
    if kind == "literal_error":
        return _one_of(problem, given)
    if kind == "value_error":
        return str(problem["ctx"]["error"]) if "ctx" in problem else "is not allowed"
    expected = _EXPECTED.get(kind) or problem["msg"].removeprefix("Input should be ").removeprefix("String should ")
    return f"expected {expected}, {_got(given)}" if kind.endswith("_type") else f"expected {expected}"


def _one_of(problem: ErrorDetails, given: Any) -> str:  # noqa: ANN401  # whatever the file holds there
    choices = [choice.strip("'") for choice in problem["ctx"]["expected"].replace(" or ", ", ").split(", ")]
    meant = nearest(given, choices) if isinstance(given, str) else None
    hint = f", did you mean {meant!r}?" if meant else ""
    return f"expected one of {', '.join(choices)}{hint}"


def _keys_beside(place: Place) -> list[str]:
    """The keys that are known where the unknown one stands."""
    shape: type[BaseModel] = FileShape
    for part in place[:-1]:
        if isinstance(part, str) and part in shape.model_fields:
            shape = _shape_inside(shape.model_fields[part].annotation) or shape
    return list(shape.model_fields)


def _shape_inside(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  # a type form
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_shape_inside(argument) for argument in getattr(annotation, "__args__", ()))
    return next((shape for shape in found if shape is not None), None)


def _at(value: Any, place: Place) -> Any:  # noqa: ANN401  # any value a file can hold
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _got(value: Any) -> str:  # noqa: ANN401  # any value a file can hold
    return f"got {_KINDS.get(type(value), 'nothing')}"
