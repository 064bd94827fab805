"""Keeping a conversation at one target: at the one that answered last, else at one that every process agrees on."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Final

from app.domain.routing import Candidate, PolicyName, RoutingQuery

TURN_BASED: Final = frozenset({PolicyName.ROUND_ROBIN, PolicyName.WEIGHTED, PolicyName.LEAST_RECENTLY_USED})
"""The policies that would send each request of a conversation elsewhere, and go by what one process alone knows."""

_RANGE: Final = 2.0**64


def by_lot(candidates: Sequence[Candidate], conversation: str, policy: PolicyName) -> list[Candidate]:
    """Rendezvous hashing: each conversation has an order of its own, the same in every process.

    Over all conversations targets come first in equal shares, or by weight where that is the policy; one that is gone
    moves its own conversations only.
    """
    is_weighted = policy is PolicyName.WEIGHTED
    return sorted(candidates, key=lambda one: _lot(one, conversation, one.weight if is_weighted else 1.0))


def with_last_first(candidates: Sequence[Candidate], query: RoutingQuery) -> list[Candidate]:
    """The candidates with the one that answered the conversation last first; a caller's own order is left alone."""
    last = query.last_answered
    if last is None or (query.preferences is not None and query.preferences.order):
        return list(candidates)
    return sorted(candidates, key=lambda candidate: candidate.target != last)


def _lot(candidate: Candidate, conversation: str, weight: float) -> float:
    """An exponential clock whose rate is the weight, wound by the names alone; the first to ring goes first."""
    said = f"{conversation}\0{candidate.target}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(hashlib.blake2b(said, digest_size=8).digest())
    return -math.log((number + 0.5) / _RANGE) / weight if weight > 0 else math.inf
