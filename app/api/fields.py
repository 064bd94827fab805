"""Bodies of the native surface: frozen, strict, nothing unknown; every wrong field is named at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from app.api.errors import field_errors
from app.domain.errors import Violation


class Body(BaseModel):
    """A request body."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Answer(BaseModel):
    """An answer body, for the OpenAPI document and for rendering."""

    model_config = ConfigDict(frozen=True)


B = TypeVar("B", bound=Body)
_UNION_TAGS = frozenset(("str", "list[str]", "list[any]", "dict[str,any]"))
"""Pydantic names the tried side of a union in the path; the caller did not write that."""


def checked(model: type[B], body: dict[str, Any], more: Sequence[Violation] = ()) -> B:
    """The body as its model. Raises RequestRejected with every violation, those in `more` included."""
    try:
        value = model.model_validate(body)
    except ValidationError as error:
        raise field_errors([*violations_of(error.errors(include_url=False, include_input=False)), *more]) from None
    if more:
        raise field_errors(more)
    return value


def violations_of(errors: Sequence[ErrorDetails | dict[str, Any]]) -> list[Violation]:
    """Pydantic's errors in our words: a dotted path, and what was expected there."""
    return [Violation(path_of(error["loc"]), _lower(error["msg"])) for error in errors]


def path_of(location: Sequence[int | str]) -> str:
    """`("messages", 1, "role")` as `messages[1].role`; what a caller made up is cut."""
    path = ""
    for step in location:
        if step in _UNION_TAGS:
            continue
        path += f"[{step}]" if isinstance(step, int) else f"{'.' if path else ''}{step[:64]}"
    return path


def _lower(message: str) -> str:
    text = message.removeprefix("Value error, ")
    return text[:1].lower() + text[1:]
