"""What each generation of Google's models takes: thinking, sampling, ids of calls, JSON beside tools."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import quote

_NAME: Final = re.compile(r"(?P<family>gemini|gemma)-(?P<major>\d)(?:\.(?P<minor>\d+))?(?P<rest>(?:-[\w.]+)*)")
_LATEST: Final = re.compile(r"gemini-(?P<rest>[a-z-]+)-latest$")
_NEWEST: Final = (9, 0)
_COLLECTIONS: Final = ("models/", "tunedModels/")


class Thinking(StrEnum):
    """How thinking is switched: not at all, by a number of tokens, or by a level."""

    NONE = "none"
    BUDGET = "budget"
    LEVEL = "level"


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What one model takes.

    `quietest` is the least thinking it can be asked for: a level, or a budget in tokens (0 is none at all).
    `call_ids`: calls and their results carry ids. `signatures`: the first call of a turn must carry its signature.
    `json_schema`: schemas may be JSON Schema, else they are cut to a part of OpenAPI's. `json_beside_tools`: a JSON
    answer may be asked for where tools are offered. `checked_tools`: calls can be held to their schemas in mode auto.
    """

    thinking: Thinking = Thinking.LEVEL
    quietest: str | int = "minimal"
    samples: bool = True
    penalties: bool = True
    call_ids: bool = True
    signatures: bool = True
    json_schema: bool = True
    json_beside_tools: bool = True
    checked_tools: bool = True
    has_system: bool = True
    has_tools: bool = True
    has_json: bool = True


UNKNOWN_MODEL: Final = ModelTraits()
# Models are tuned from older generations only, and their names say nothing.
_TUNED: Final = ModelTraits(
    thinking=Thinking.NONE,
    call_ids=False,
    signatures=False,
    json_schema=False,
    json_beside_tools=False,
    checked_tools=False,
)


def traits_of(model: str) -> ModelTraits:
    """The traits of a model by its name; an unknown name is taken at its word: nothing is dropped for it."""
    if model.startswith("tunedModels/"):
        return _TUNED
    if (latest := _LATEST.search(model)) is not None:
        return _gemini(_NEWEST, latest["rest"])
    match = _NAME.search(model)
    if match is None:
        return UNKNOWN_MODEL
    version = (int(match["major"]), int(match["minor"] or 0))
    return _gemma(version) if match["family"] == "gemma" else _gemini(version, match["rest"])


def is_embedding_model(model: str) -> bool:
    """Whether the name says that the model embeds and does not talk."""
    return "embedding" in model


def resource(model: str) -> str:
    """The model's full resource name; `x`, `models/x` and `tunedModels/x` are understood."""
    return model if model.startswith(_COLLECTIONS) else f"models/{model}"


def resource_path(model: str, method: str) -> str:
    """The path of a method of a model; nothing in its name can leave its place in the path."""
    collection, _, name = resource(model).partition("/")
    return f"/{collection}/{quote(name, safe='', errors='replace')}:{method}"


def _gemini(version: tuple[int, int], rest: str) -> ModelTraits:
    if version >= (3, 0):
        return ModelTraits(
            quietest="minimal" if "flash" in rest else "low",
            samples=version < (3, 6) and not (version == (3, 5) and "flash-lite" in rest),
            penalties=False,
        )
    has_budget = version >= (2, 5)
    return ModelTraits(
        thinking=Thinking.BUDGET if has_budget else Thinking.NONE,
        quietest=128 if "pro" in rest else 0,
        call_ids=False,
        signatures=False,
        json_schema=has_budget,
        json_beside_tools=False,
        checked_tools=False,
    )


def _gemma(version: tuple[int, int]) -> ModelTraits:
    is_able = version >= (4, 0)
    return ModelTraits(
        thinking=Thinking.LEVEL if is_able else Thinking.NONE,
        penalties=False,
        call_ids=False,
        signatures=False,
        json_beside_tools=is_able,
        checked_tools=False,
        has_system=is_able,
        has_tools=is_able,
        has_json=is_able,
    )
