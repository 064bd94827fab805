"""Running experiments in memory, and the split: which arm a request belongs to, without a wait."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.domain.experiment import METADATA, Arm, Assignment, Experiment, Sticky, Traffic
from app.domain.symbols import squeezed

_SPAN: Final = 2**64


@dataclass(frozen=True, slots=True)
class Traits:
    """What a request may stick by; `conversation` is its key, `caller` the public id of the gateway key."""

    request_id: str
    caller: str
    conversation: str | None = None
    symbol: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Experiments:
    """A snapshot of the running experiments, replaced as a whole. It outlives the database's absence."""

    def __init__(self) -> None:
        self._running: dict[tuple[int, Traffic], Experiment] = {}
        self._revision = -1

    @property
    def is_loaded(self) -> bool:
        """Whether a snapshot was ever there."""
        return self._revision >= 0

    def load(self, revision: int, running: Sequence[Experiment]) -> None:
        """Take a newer snapshot; an older one than that in force is ignored. The oldest of several is in force."""
        if revision < self._revision:
            return
        found: dict[tuple[int, Traffic], Experiment] = {}
        for experiment in running:
            for traffic in experiment.applies_to:
                found.setdefault((experiment.agent_id, traffic), experiment)
        self._running, self._revision = found, revision

    def of(self, agent_id: int | None, traffic: Traffic) -> Experiment | None:
        """The experiment that splits this traffic of the agent."""
        if not self._running or agent_id is None:
            return None
        return self._running.get((agent_id, traffic))


def assigned(experiment: Experiment, traits: Traits) -> Assignment:
    """The arm of a request; requests with the same key have the same one for as long as the arms stay."""
    return Assignment(experiment, chosen(experiment.id, experiment.arms, _key(experiment.sticky_by, traits)))


def chosen(experiment_id: str, arms: Sequence[Arm], key: str) -> Arm:
    """The arm of a key: the highest of -share / ln(u), u being a hash of experiment, arm and key in (0, 1).

    Rendezvous hashing (Thaler and Ravishankar, 1998) with the logarithmic weights of Schindelhauer and Schomaker,
    "Weighted distributed hash tables" (2005): each arm is chosen for its share of all keys, and a further arm takes
    keys from the others without moving any between them.
    """
    return max(arms, key=lambda arm: -arm.share / math.log(_uniform(f"{experiment_id}\0{arm.name}\0{key}")))


def _uniform(text: str) -> float:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # At most the largest number below 1: rounding must not make a logarithm 0.
    return min((int.from_bytes(digest) + 0.5) / _SPAN, math.nextafter(1.0, 0.0))


def _key(sticky_by: str, traits: Traits) -> str:
    """What is hashed. What a request lacks it cannot stick by: it goes by its own id, so that the shares hold."""
    known: str | None
    if sticky_by.startswith(METADATA):
        known = _stated(traits.metadata.get(sticky_by.removeprefix(METADATA)))
    elif sticky_by == Sticky.SYMBOL:
        known = None if traits.symbol is None else squeezed(traits.symbol)
    elif sticky_by == Sticky.CONVERSATION:
        known = traits.conversation
    else:
        known = traits.caller if sticky_by == Sticky.KEY else None
    return f"{Sticky.REQUEST}:{traits.request_id}" if known is None else f"{sticky_by}:{known}"


def _stated(value: object) -> str | None:
    return json.dumps(value) if isinstance(value, str | int | float | bool) else None
