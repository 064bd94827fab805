"""The parts of limits that processes hold, as they are on record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

LimitKey = tuple[str, str]
"""A provider and the name of one of its limits."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one process has of a limit. The shares of all never exceed the limit, which is what makes it hold.

    `share` is never less than `used`, which nobody else may have yet. `wants` is what was lately refused here for want
    of a larger share, `least` the largest single amount of it. Who is not alive has ended
    or was not heard of lately: the share stays until what was used of it has passed, and is nobody's to use.
    """

    holder: str
    share: int
    used: int
    wants: int = 0
    least: int = 0
    is_alive: bool = True


@dataclass(frozen=True, slots=True)
class Claim:
    """What a process puts on record: it is alive for `lives` seconds more, and `lasts` seconds later that is void."""

    holding: Holding
    lives: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Word:
    """What a process says at once: its claims, and with `rings` that the others should look at them."""

    claims: Mapping[LimitKey, Claim]
    rings: bool


Held = Mapping[LimitKey, Sequence[Holding]]
Decide = Callable[[Held, float], Word]
"""From what everyone has and the seconds of the clock that all of them share, to what this process says."""
