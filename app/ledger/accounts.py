"""One budget in one window, as one process keeps it: what it spent, what calls under way hold, what it may use.

A process uses what it was granted and no more; what all were granted, with what the dead had, exceeds the cap by one
call's error at most: the one that got the last of it, which was granted the most it may take under the record's lock.
It lowers its own grant before it says so, and raises it after it has said so. A grant lasts `LEASE` after it was said;
then it is nobody's. A process that is alone needs none: it may use all that is not on record as spent before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from app.domain.budget import NOTHING, Amount, Budget, BudgetState, Cap, Estimate, Spend, SpendKey

_AHEAD: Final = Decimal(60)
"""Seconds of spending that a process keeps in hand: the database may be away as long; a death costs as much."""
LEASE: Final = 120.0
"""Seconds after its last word from which on what a process was granted, and had not used, is the others' again."""
# Shorter than what the others wait, by more than clocks run apart or are set back, and a word takes.
_OWN_LEASE: Final = timedelta(seconds=90)
_SMOOTHING: Final = Decimal("0.3")
_STOCK: Final = Decimal(2)


@dataclass(frozen=True, slots=True)
class Grant:
    """What an account is going to be: what goes on record, what may be used then, and the most it could be."""

    spend: Spend
    room: Cap
    reach: Cap
    others: Amount
    others_spent: Amount
    is_wanted: bool


class Account:
    """`room` is what this process may use in this window, None before anybody has said; `reach` the most it might.

    Without `keeps_stock` it has no more than it uses. `is_shared`: other processes spend of the same budget;
    `is_wanted`: a call waits for room in one of them.
    """

    __slots__ = (
        "_expected",
        "_rate",
        "_said_at",
        "_seen",
        "_waiting",
        "begins",
        "budget",
        "ends",
        "held",
        "is_dirty",
        "is_shared",
        "is_wanted",
        "keeps_stock",
        "largest",
        "others",
        "others_spent",
        "reach",
        "room",
        "spent",
    )

    def __init__(
        self, budget: Budget, begins: datetime, ends: datetime, *, room: Cap | None, is_shared: bool = False
    ) -> None:
        self.budget = budget
        self.begins = begins
        self.ends = ends
        self.room = room
        self.reach = budget.cap
        self.spent = NOTHING
        self.held = NOTHING
        self.others = NOTHING
        self.others_spent = NOTHING
        self.largest = NOTHING
        self.is_dirty = False
        self.is_shared = is_shared
        self.is_wanted = False
        self.keeps_stock = True
        self._expected = NOTHING
        self._said_at: datetime | None = None
        self._waiting: list[Estimate] = []
        self._rate = NOTHING
        self._seen = NOTHING

    @property
    def key(self) -> SpendKey:
        """What it is called on record."""
        return self.budget.id, self.begins

    @property
    def used(self) -> Amount:
        """What was spent here, and the most that calls under way here may take."""
        return self.spent + self.held

    @property
    def is_waited_for(self) -> bool:
        """Whether a call waits for more room."""
        return bool(self._waiting)

    def fits(self, estimate: Estimate) -> bool:
        """Whether a call may go out.

        All others under way may take the most they can, and it what is expected of it: so the cap is passed by no
        more than the error of this one's estimate. Of several processes each has to have the most it can take: whose
        call is the one that may pass the cap is settled where they exchange their grants.
        """
        wanted = estimate.most if self.is_shared else estimate.expected
        return self.room is not None and self.room.has_room(self.used, wanted)

    def may_come_to_fit(self, estimate: Estimate) -> bool:
        """Whether the others might give up enough, or nobody has said yet what they have."""
        is_known = self.room is not None and not self.is_shared
        return not is_known and self.reach.has_room(self.used, estimate.expected)

    def expire(self, now: datetime) -> None:
        """Forget a grant that was said too long ago: it may be somebody else's by now.

        A clock that was set back to before it was said tells nothing, and so the grant is forgotten, too.
        """
        if self._said_at is not None and not timedelta(0) <= now - self._said_at < _OWN_LEASE:
            self.room = self._said_at = None

    def hold(self, estimate: Estimate) -> None:
        """A call goes out."""
        self.held += estimate.most
        self._expected += estimate.expected
        self.largest = self.largest.at_least(estimate.most)
        self.is_dirty = True

    def settle(self, estimate: Estimate, actual: Amount) -> None:
        """A call is over and took this much; nothing when it cost nothing."""
        self.held -= estimate.most
        self._expected -= estimate.expected
        self.spent += actual
        self.is_dirty = True

    def wait(self, estimate: Estimate) -> None:
        """A call waits for room that others have."""
        self._waiting.append(estimate)

    def leave_line(self, estimate: Estimate) -> None:
        """It does not wait any more."""
        self._waiting.remove(estimate)

    def change(self, budget: Budget) -> None:
        """The cap is another one from now on; what was spent stays."""
        before, self.budget = self.budget.cap, budget
        self.reach = budget.cap.without(self.others)
        if self.room is not None:
            is_of_another_kind = _kinds(before) != _kinds(budget.cap)
            self.room = None if is_of_another_kind else _lower(self.room, self.reach)
        self.is_dirty = True

    def state(self) -> BudgetState:
        """How it stands, as far as this process has heard of the others."""
        used = self.spent + self.others_spent
        left = self.budget.cap.without(self.used + self.others)
        return BudgetState(self.budget, self.begins, self.ends, used, self.held + self.others - self.others_spent, left)

    def beat(self, seconds: Decimal) -> None:
        """So much time has passed since the last beat: note how fast money goes."""
        if seconds > 0:
            now = (self.spent - self._seen).times(1 / seconds)
            faded = self._rate.times(1 - _SMOOTHING) + now.times(_SMOOTHING)
            self._rate, self._seen = faded, self.spent

    def alone(self, holder: str, others: Sequence[Spend]) -> Grant:
        """What to put on record where nobody else is: what was spent, and what is expected of calls under way."""
        taken = _sum([one.counted for one in others])
        room = self.budget.cap.without(taken)
        said = self.spent + self._expected
        return Grant(Spend(holder, self.spent, said, said), room, room, taken, taken, is_wanted=False)

    def shared(self, holder: str, others: Sequence[Spend]) -> Grant:
        """What to have next, as far as the others leave it. Nothing is different afterwards."""
        used, cap = self.used, self.budget.cap
        free = cap.without(_sum([one.counted for one in others]))
        is_wanted = any(one.wants is not None for one in others if one.is_alive)
        need = used + _sum([one.most for one in self._waiting])
        granted = need
        if self.keeps_stock and not is_wanted:
            living = sum(one.is_alive for one in others) + 1
            granted = need + self._stock().at_most(_part_of(free, need, 2 * living))
        granted = _within(granted, free)
        least = min(self._waiting, key=_size, default=None)
        if least is not None and not _room(granted, cap).has_room(used, least.most):
            if free.has_room(used, least.expected):
                # The last one: nobody finds room beside the most it may take, so only its own error passes the cap.
                granted = granted.at_least(used + least.most)
            elif is_wanted:
                # Two that each hold half of what one call takes would both wait for ever.
                granted = used
        sure = _sum([one.surely_used for one in others])
        wants = None if least is None else least.expected
        return Grant(
            Spend(holder, self.spent, used, granted.at_least(used), wants),
            _room(granted, cap),
            cap.without(sure),
            sure,
            _sum([one.spent if one.is_alive else one.counted for one in others]),
            is_wanted=is_wanted,
        )

    def lower(self, grant: Grant) -> None:
        """Give up what the grant gives up: it is about to be said."""
        if self.room is not None:
            self.room = _lower(self.room, grant.room)
        self.is_dirty = False

    def hear(self, grant: Grant) -> bool:
        """Know of the others what the grant knows, and have nothing of it; whether that may settle who waits here."""
        may_settle = self.reach != grant.reach
        self.reach, self.is_wanted = grant.reach, grant.is_wanted
        self.others, self.others_spent = grant.others, grant.others_spent
        return may_settle

    def take_over(self, grant: Grant, said_at: datetime) -> None:
        """Have what the grant gives: it is on record, and was not before `said_at`."""
        self.hear(grant)
        self.room = grant.room
        self._said_at = said_at if self.is_shared else None

    def _stock(self) -> Amount:
        return self._rate.times(_AHEAD).at_least(self.largest.times(_STOCK))


def _size(estimate: Estimate) -> tuple[Decimal, int, Decimal, int]:
    """What makes one call the least of several: what is expected of it, then the most it may take."""
    return estimate.expected.cost, estimate.expected.tokens, estimate.most.cost, estimate.most.tokens


def _sum(amounts: Sequence[Amount]) -> Amount:
    total = NOTHING
    for amount in amounts:
        total += amount
    return total


def _lower(one: Cap, other: Cap) -> Cap:
    costs = [cost for cost in (one.cost_usd, other.cost_usd) if cost is not None]
    tokens = [count for count in (one.tokens, other.tokens) if count is not None]
    return Cap(min(costs, default=None), min(tokens, default=None))


def _kinds(cap: Cap) -> tuple[bool, bool]:
    return cap.cost_usd is None, cap.tokens is None


def _room(granted: Amount, cap: Cap) -> Cap:
    """What may be used of a grant: of what the budget does not cap, as much as one likes."""
    return Cap(None if cap.cost_usd is None else granted.cost, None if cap.tokens is None else granted.tokens)


def _within(amount: Amount, free: Cap) -> Amount:
    cost = amount.cost if free.cost_usd is None else min(amount.cost, free.cost_usd)
    return Amount(cost, amount.tokens if free.tokens is None else min(amount.tokens, free.tokens))


def _part_of(free: Cap, need: Amount, parts: int) -> Amount:
    """An equal part of what is left over when the need is met; what has no cap is limitless, and so of no matter."""
    left = free.without(need)
    cost = Decimal(0) if left.cost_usd is None else left.cost_usd / parts
    return Amount(cost, 0 if left.tokens is None else left.tokens // parts)
