"""Experiments: an agent's traffic split between arms, what an arm changes, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

METADATA: Final = "metadata."
"""What stands before the name of the field that a split sticks to."""


class Traffic(StrEnum):
    """Which of an agent's requests are split: completions (`/chat` and the wires under `/v1`), or decisions."""

    CHAT = "chat"
    DECISIONS = "decisions"


class PromptTemplate(StrEnum):
    """How a market becomes a prompt. `no_regime` leaves out the block that counters a regime's known bias."""

    STANDARD = "standard"
    NO_REGIME = "no_regime"


class Sticky(StrEnum):
    """What keeps to one arm, beside a field of the metadata. `key` is the caller's; `request` sticks to nothing."""

    CONVERSATION = "conversation"
    SYMBOL = "symbol"
    KEY = "key"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Arm:
    """A share (0..1, all together 1) of the traffic, and what is different for it; nothing for a control.

    `config_id` is the one configuration that speaks; `language` the tag in which reasoning is asked for.
    """

    name: str
    share: float
    config_id: int | None = None
    language: str | None = None
    template: PromptTemplate | None = None

    @property
    def changes_prompt(self) -> bool:
        """Whether the prompt of ours is another one."""
        return self.language is not None or self.template is not None


@dataclass(frozen=True, slots=True)
class Experiment:
    """A split of one agent's traffic; the first arm is what the others are compared with.

    `sticky_by` is a Sticky, or `metadata.` and the name of a field. `shadow` are model names that are asked beside
    every decision of it. `id` is empty before it is stored.
    """

    name: str
    agent_id: int
    arms: tuple[Arm, ...]
    sticky_by: str
    applies_to: tuple[Traffic, ...]
    shadow: tuple[str, ...] = ()
    id: str = ""
    created_at: datetime | None = None
    created_by: str = ""
    stopped_at: datetime | None = None
    stopped_by: str | None = None

    @property
    def is_running(self) -> bool:
        """Whether traffic is split; what is stopped never runs again."""
        return self.stopped_at is None

    @property
    def splits_configs(self) -> bool:
        """Whether an arm has a configuration of its own."""
        return any(arm.config_id is not None for arm in self.arms)

    @property
    def splits_prompts(self) -> bool:
        """Whether an arm has a prompt of its own."""
        return any(arm.changes_prompt for arm in self.arms)

    @property
    def variants(self) -> tuple[str, ...]:
        """What stands on record of each arm, in their order."""
        return tuple(self.variant(arm) for arm in self.arms)

    def variant(self, arm: Arm) -> str:
        """`<experiment>/<arm>`: what attempts, decisions and votes of this arm are marked with."""
        return f"{self.id}/{arm.name}"


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where one request belongs."""

    experiment: Experiment
    arm: Arm

    @property
    def variant(self) -> str:
        """What it is marked with."""
        return self.experiment.variant(self.arm)


@dataclass(frozen=True, slots=True)
class ArmRequest:
    """One completion of an arm, all its attempts together. `duration` is seconds of those made one after another.

    `cost_usd` is what is known to have been paid; `is_unpriced` where some of it is not known.
    """

    is_answered: bool
    duration: float
    cost_usd: Decimal
    is_unpriced: bool


ArmRequests = Sequence[ArmRequest]
