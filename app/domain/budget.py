"""Budgets: what may be spent in money and tokens, by whom, in which window of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

NOTHING_SPENT: Final = Decimal(0)
DEFAULT_ALERT_AT: Final = 0.8


class Window(StrEnum):
    """How long a budget lasts; windows begin at full minutes, days and months of UTC."""

    MINUTE = "minute"
    DAY = "day"
    MONTH = "month"

    def begin(self, moment: datetime) -> datetime:
        """When the window that holds this moment began."""
        moment = moment.astimezone(UTC)
        match self:
            case Window.MINUTE:
                return moment.replace(second=0, microsecond=0)
            case Window.DAY:
                return moment.replace(hour=0, minute=0, second=0, microsecond=0)
            case Window.MONTH:
                return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    def end(self, moment: datetime) -> datetime:
        """When the window that holds this moment ends, and the next one begins."""
        begin = self.begin(moment)
        match self:
            case Window.MINUTE:
                return begin + timedelta(minutes=1)
            case Window.DAY:
                return begin + timedelta(days=1)
            case Window.MONTH:
                return self.begin(begin + timedelta(days=32))


class ScopeKind(StrEnum):
    """Whose budget it is; a closed set, so that it may label metrics."""

    GATEWAY = "gateway"
    AGENT = "agent"
    KEY = "key"
    PROVIDER = "provider"


class OnExceeded(StrEnum):
    """What becomes of a request that a budget of a gateway, agent or key has no room for."""

    REFUSE = "refuse"
    DOWNGRADE = "downgrade"


@dataclass(frozen=True, slots=True)
class Amount:
    """Dollars and tokens together."""

    cost: Decimal = NOTHING_SPENT
    tokens: int = 0

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cost + other.cost, self.tokens + other.tokens)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cost - other.cost, self.tokens - other.tokens)

    def at_least(self, other: Amount) -> Amount:
        """The larger of each."""
        return Amount(max(self.cost, other.cost), max(self.tokens, other.tokens))

    def at_most(self, other: Amount) -> Amount:
        """The smaller of each."""
        return Amount(min(self.cost, other.cost), min(self.tokens, other.tokens))

    def times(self, factor: Decimal) -> Amount:
        """So many times as much, tokens rounded down."""
        return Amount(self.cost * factor, int(self.tokens * factor))


NOTHING: Final = Amount()


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a call is expected to take, and the most that it can take; never less than expected."""

    expected: Amount
    most: Amount


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that may be spent; None is no cap of that kind."""

    cost_usd: Decimal | None
    tokens: int | None

    def has_room(self, used: Amount, more: Amount) -> bool:
        """Whether so much more still fits. What takes no money needs no room for money, and so with tokens."""
        if self.cost_usd is not None and more.cost > 0 and used.cost + more.cost > self.cost_usd:
            return False
        return self.tokens is None or more.tokens <= 0 or used.tokens + more.tokens <= self.tokens

    def is_used_up(self, used: Amount, *, is_priced: bool) -> bool:
        """Whether nothing at all fits any more; money is of no matter to what has no price."""
        if is_priced and self.cost_usd is not None and used.cost >= self.cost_usd:
            return True
        return self.tokens is not None and used.tokens >= self.tokens

    def without(self, taken: Amount) -> Cap:
        """What is left of the cap; never below zero."""
        return Cap(
            None if self.cost_usd is None else max(self.cost_usd - taken.cost, NOTHING_SPENT),
            None if self.tokens is None else max(self.tokens - taken.tokens, 0),
        )

    def share_used(self, used: Amount) -> float:
        """The part of the cap that is used, of money or tokens whichever is more; 0 is nothing, 1 all of it."""
        shares = [0.0]
        if self.cost_usd is not None:
            shares.append(float(used.cost / self.cost_usd) if self.cost_usd else 1.0)
        if self.tokens is not None:
            shares.append(used.tokens / self.tokens if self.tokens else 1.0)
        return max(shares)


@dataclass(frozen=True, slots=True)
class Budget:
    """A cap for one scope in one window: `gateway`, `agent:<id>`, `key:<id>` or `provider:<name>`.

    `id` is new whenever a removed budget is set again. `alert_at` is the part of the cap (0 to 1) at which somebody
    is told, None for nobody. `on_exceeded` says nothing about a provider's: that provider is skipped.
    """

    id: str
    scope: str
    window: Window
    cap: Cap
    alert_at: float | None = DEFAULT_ALERT_AT
    on_exceeded: OnExceeded = OnExceeded.REFUSE

    @property
    def kind(self) -> ScopeKind:
        """Whose it is."""
        return ScopeKind(self.scope.partition(":")[0])

    @property
    def refuses(self) -> bool:
        """Whether a request that it has no room for is over, and not sent elsewhere."""
        return self.on_exceeded is OnExceeded.REFUSE and self.kind is not ScopeKind.PROVIDER


SpendKey = tuple[str, datetime]
"""A budget's id, and when the window began."""


@dataclass(frozen=True, slots=True)
class Spend:
    """What one process spent of a budget in one window, as it is on record.

    `used` is what it spent and what its calls under way may still take; `granted` is what it may use without asking,
    and nobody else may. `wants` is the least that a call waits for there, None when none does. Who is not alive was
    not heard of lately: what it was granted counts as spent, since nobody knows how much of it was. Who is gone was not
    heard of for so long that it may use nothing any more, even if it lives: of its grant only what was used counts.
    """

    holder: str
    spent: Amount
    used: Amount
    granted: Amount
    wants: Amount | None = None
    is_alive: bool = True
    is_gone: bool = False

    @property
    def counted(self) -> Amount:
        """What nobody else may use."""
        return self.used if self.is_gone else self.granted.at_least(self.used)

    @property
    def surely_used(self) -> Amount:
        """What it will not give back, as far as anybody knows."""
        return self.used if self.is_alive else self.counted


@dataclass(frozen=True, slots=True)
class SpendWord:
    """What a process puts on record at once; with `rings` the others should look at it."""

    said: Mapping[SpendKey, tuple[Spend, datetime]]
    """With the end of each window: from then on it is of no use."""
    rings: bool


Spent = Mapping[SpendKey, Sequence[Spend]]


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget as it stands in the window that began at `begins`; `left` counts what calls under way may take."""

    budget: Budget
    begins: datetime
    ends: datetime
    used: Amount
    reserved: Amount
    left: Cap
