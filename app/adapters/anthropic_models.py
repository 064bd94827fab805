"""What each generation of Anthropic's models takes: sampling, thinking, forced tools, prefill."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_NAME: Final = re.compile(
    r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d)(?:[-.](?P<minor>\d)(?!\d))?(?:-(?P<late>[a-z]+))?"
)
_OLD_OUTPUT: Final = 4096
_DEFAULT_OUTPUT: Final = 8192
_SAMPLING_UNTIL: Final = (4, 6)
_BUDGETS_UNTIL: Final = (4, 5)
_SCHEMA_FROM: Final = (4, 5)


class Thinking(StrEnum):
    """How thinking is switched."""

    NONE = "none"
    BUDGET = "budget"
    ADAPTIVE = "adaptive"
    ADAPTIVE_BY_DEFAULT = "adaptive_by_default"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What one model takes; `max_output` None is unknown. `one_sampler`: temperature or top_p, not both.

    `forced_while_thinking`: it can be made to call a tool and think before it.
    """

    samples: bool = True
    one_sampler: bool = False
    thinking: Thinking = Thinking.ADAPTIVE
    forced_tools: bool = True
    forced_while_thinking: bool = False
    prefill: bool = False
    late_system: bool = False
    schemas: bool = True
    efforts: frozenset[str] = frozenset({"low", "medium", "high"})
    default_output: int = _DEFAULT_OUTPUT
    max_output: int | None = None


UNKNOWN_MODEL: Final = ModelTraits()


def traits_of(model: str) -> ModelTraits:
    """The traits of a model by its name; an unknown name is taken at its word: nothing is dropped for it."""
    match = _NAME.search(model)
    if match is None:
        return UNKNOWN_MODEL
    family = match["family"] or match["late"] or ""
    version = (int(match["major"]), int(match["minor"] or 0))
    if version <= _BUDGETS_UNTIL:
        return _older(version)
    return ModelTraits(
        samples=version <= _SAMPLING_UNTIL,
        thinking=_thinking(family, version),
        forced_tools=not _always_thinks(family, version),
        forced_while_thinking=version in ((4, 7), (4, 8)) or (family == "haiku" and version >= (5, 5)),
        late_system=version >= (4, 8),
        efforts=_efforts(version),
        max_output=128_000,
    )


def _older(version: tuple[int, int]) -> ModelTraits:
    has_thinking = version >= (3, 7)
    return ModelTraits(
        one_sampler=version >= (4, 1),
        thinking=Thinking.BUDGET if has_thinking else Thinking.NONE,
        prefill=True,
        schemas=version >= _SCHEMA_FROM,
        default_output=_DEFAULT_OUTPUT if version >= (3, 5) else _OLD_OUTPUT,
        max_output=64_000 if version == _BUDGETS_UNTIL else None,
    )


def _always_thinks(family: str, version: tuple[int, int]) -> bool:
    if family in ("fable", "mythos"):
        return version >= (5, 0)
    return version >= (5, 5) and family != "haiku"


def _thinking(family: str, version: tuple[int, int]) -> Thinking:
    if _always_thinks(family, version):
        return Thinking.ALWAYS
    return Thinking.ADAPTIVE_BY_DEFAULT if version >= (5, 0) else Thinking.ADAPTIVE


def _efforts(version: tuple[int, int]) -> frozenset[str]:
    extra = {"max"} if version == _SAMPLING_UNTIL else {"xhigh", "max"}
    return frozenset({"low", "medium", "high"} | extra)
