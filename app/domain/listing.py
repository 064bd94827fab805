"""The names that callers may ask for, and what is known of the targets behind each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.domain.catalog import ModelFacts
from app.domain.target import Target
from app.domain.usage import PriceCard


class NameKind(StrEnum):
    """What a name is: a model (pinned or bare), or something that stands for targets of its own choice."""

    MODEL = "model"
    ALIAS = "alias"
    POLICY = "policy"
    TASK = "task"


@dataclass(frozen=True, slots=True)
class ListedTarget:
    """A target behind a name, and what is known of it; without a card its price is unknown."""

    target: Target
    facts: ModelFacts
    card: PriceCard | None


@dataclass(frozen=True, slots=True)
class ListedName:
    """One name and its targets, none while none is known; a policy orders them anew for each request."""

    name: str
    kind: NameKind
    targets: tuple[ListedTarget, ...]
