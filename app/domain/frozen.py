"""The dataclasses that every request makes by the dozen: frozen to the type checker, cheap at run time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """A slotted dataclass that nobody changes once it is made, equal and hashed by its fields.

    mypy refuses every assignment to it, as to one of `@dataclass(frozen=True, slots=True)`. At run time nothing does: a
    dataclass that guards itself sets each field at five times the price, and a decision sets thousands of them.
    """
    return dataclass(slots=True, unsafe_hash="__hash__" not in cls.__dict__)(cls)
