"""What is known of a model before anybody asks it."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

CAPABILITIES: Final = (
    "tools", "parallel_tools", "vision", "json_object", "json_schema", "streaming", "reasoning", "prompt_caching",
    "pdf", "audio_in", "embeddings",
)  # fmt: skip
"""What may be said of a model, in the catalog and by operators."""


class ModelMode(StrEnum):
    """What a model is for."""

    CHAT = "chat"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as the catalog has it; None is unknown, never absent.

    `context_window` is the longest prompt in tokens. `capabilities` has the names that routing asks for (`tools`,
    `vision`, `json_schema`) and others. `knowledge_cutoff` is the last day of the month where only that is known.
    `is_reasoning` models think before their first token by default. `family` groups models that err alike.
    `retires` is the announced last day.
    """

    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] | None = None
    knowledge_cutoff: date | None = None
    is_reasoning: bool = False
    family: str | None = None
    mode: ModelMode | None = None
    released: date | None = None
    retires: date | None = None
    behaviour: Mapping[str, Any] = field(default_factory=dict)


UNKNOWN_MODEL = ModelFacts()
"""What we know of a model that nobody described."""


_DAY = re.compile(r"(\d{4})-(\d{2})(?:-(\d{2}))?", re.ASCII)


def last_day(stated: str) -> date | None:
    """`2025-07-31` as it is, `2025-07` as the month's last day; None for what is neither."""
    match = _DAY.fullmatch(stated)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), match[3]
    try:
        return date(year, month, int(day) if day else calendar.monthrange(year, month)[1])
    except ValueError:
        return None
