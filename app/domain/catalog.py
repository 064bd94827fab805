"""What is known of a model before anybody asks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model as the catalog has it; None is unknown, never absent.

    `context_window` is the longest prompt in tokens. `capabilities` has the names that routing asks for (`tools`,
    `vision`, `json_schema`) and others. `knowledge_cutoff` is the last day of the month where only that is known.
    `is_reasoning` models think before their first token by default. `family` groups models that err alike.
    """

    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] | None = None
    knowledge_cutoff: date | None = None
    is_reasoning: bool = False
    family: str | None = None
    behaviour: Mapping[str, Any] = field(default_factory=dict)


UNKNOWN_MODEL = ModelFacts()
"""What we know of a model that nobody described."""
