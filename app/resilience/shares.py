"""How processes divide a limit among themselves, and the part that this one has.

Each process has its share on record. It lowers its own before it says so, and raises it after it has said so while
nobody else could: what all may use never exceeds the limit, whatever each decides. So `aim_of` need not be exact: it
may go by what the others said a second ago.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.domain.leases import Holding
from app.resilience.meters import Divisible

_TURN_SECONDS: Final = 3.0


def aim_of(holder: str, everyone: Sequence[Holding], limit: int, clock: float) -> int:
    """How much of the limit the holder should have, once the others have come down to theirs.

    Everyone gets what he needs or, where that is too much, as much as the others. What nobody needs goes to those who
    use most. By turns, one who wants gets at least what he has in hand: it may be larger than an equal part.
    """
    order = sorted(everyone, key=lambda one: one.holder)
    turn = int(clock / _TURN_SECONDS) % len(order)
    order = order[turn:] + order[:turn]
    needs = {one.holder: min(one.used + one.wants, limit) for one in order}
    aims = _leveled(needs, limit)
    first = next((one for one in order if one.wants), None)
    if first is not None and aims[first.holder] < (least := min(first.least, limit)):
        others = {name: need for name, need in needs.items() if name != first.holder}
        aims = {first.holder: least} | _leveled(others, limit - least)
    spare = limit - sum(aims.values())
    return aims[holder] + _spread(spare, {one.holder: one.used + 1 for one in order})[holder]


def _leveled(needs: Mapping[str, int], total: int) -> dict[str, int]:
    """The needs cut at one level, so that they come to `total` at most; odd units go to those behind in their order."""
    given, left = dict.fromkeys(needs, 0), total
    for count, (name, need) in enumerate(sorted(needs.items(), key=lambda one: one[1])):
        given[name] = min(need, left // (len(needs) - count))
        left -= given[name]
    return given


def _spread(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """All of the total, in proportion to the weights; what does not divide goes to the heaviest, one unit each."""
    whole = sum(weights.values())
    given = {name: total * weight // whole for name, weight in weights.items()}
    heaviest = sorted(weights, key=lambda name: (-weights[name], name))
    for name in heaviest[: total - sum(given.values())]:
        given[name] += 1
    return given


@dataclass(frozen=True, slots=True)
class Step:
    """What a portion is going to be: its capacity, what goes on record, and how much it could be at the most.

    `is_wanted` when others want of it.
    """

    capacity: int
    holding: Holding
    reach: int
    is_wanted: bool

    @property
    def lacks(self) -> bool:
        """Whether others have what is wanted here."""
        return self.holding.wants > 0 and self.capacity < min(self.reach, self.holding.used + self.holding.wants)


class Portion:
    """What this process has of one limit, and what it lacked lately.

    `lower` comes before the record says the new share, `take_over` after it. `reach` is what it might be if the others
    gave all that they do not use.
    """

    __slots__ = ("_lacked", "_least", "_share", "meter", "reach")

    def __init__(self, meter: Divisible) -> None:
        self.meter = meter
        self._share = meter.capacity
        self.reach = meter.limit
        self._lacked = [0, 0]
        self._least = 0

    def lacks(self, amount: int, now: float, spare: int) -> bool:
        """Note a refusal for want of room here; whether the room may be with the others."""
        self._lacked[0] += amount
        self._least = max(self._least, amount)
        return self.meter.capacity < self.reach and self.meter.used(now) + amount + spare <= self.reach

    def keep(self, capacity: int, now: float) -> None:
        """Have so much to begin with, as it is on record already."""
        self._share = min(capacity, self.meter.limit)
        self.meter.hold(self._share, self._share, now)

    def forget_wants(self) -> None:
        """Time passes: what was wanted is wanted for one to two of these periods."""
        self._lacked = [0, self._lacked[0]]
        if not any(self._lacked):
            self._least = 0

    def step(self, holder: str, others: Sequence[Holding], now: float, clock: float) -> Step:
        """What to have next, as far as the others leave it. Nothing is different afterwards."""
        pinned, limit = self.meter.pinned(now), self.meter.limit
        wants = min(max(self._lacked), limit)
        mine = Holding(holder, self._share, pinned, wants, self._least if wants else 0)
        living = [one for one in others if one.is_alive]
        left = max(limit - sum(one.share for one in others if not one.is_alive), 0)
        free = limit - sum(one.share for one in others)
        aim = max(min(aim_of(holder, [*living, mine], left, clock), free), 0)
        holding = Holding(holder, max(aim, pinned), pinned, wants, mine.least)
        reach = left - sum(one.used for one in living)
        return Step(aim, holding, reach, is_wanted=any(one.wants for one in living))

    def lower(self, step: Step, now: float) -> None:
        """Give up what the step gives up."""
        self._share = min(self._share, step.holding.share)
        self.meter.hold(min(self.meter.capacity, step.capacity), self._share, now)

    def take_over(self, step: Step, now: float) -> None:
        """Have what the step has: it is on record."""
        self._share, self.reach = step.holding.share, step.reach
        self.meter.hold(step.capacity, self._share, now)

    def leave(self, now: float) -> int:
        """Have nothing any more; how much stays pinned because it was used."""
        self.meter.hold(0, self._share, now)
        return self.meter.pinned(now)
