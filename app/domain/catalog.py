"""What a model is, as far as anybody has stated it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One model at one provider type; None is unknown, not absent. Windows and limits are tokens."""

    context_window: int | None = None
    max_output_tokens: int | None = None
    capabilities: frozenset[str] | None = None
    knowledge_cutoff: str | None = None
    is_reasoning: bool = False
    family: str | None = None
    behaviour: Mapping[str, Any] = field(default_factory=dict)
