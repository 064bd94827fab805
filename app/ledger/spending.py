"""Spending: each call takes from every budget that it falls under before it goes out, and settles when it is over.

Only memory is asked. A call waits only where other processes may have room that this one lacks, or where its last grant
is too old to be used; then until its own time is over, and `PATIENCE` at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final

from app.domain.budget import NOTHING, NOTHING_SPENT, Amount, Budget, BudgetState, Estimate, ScopeKind
from app.domain.errors import StorageUnavailable
from app.ledger.accounts import Account

log = logging.getLogger(__name__)

PATIENCE: Final = 60.0
"""Seconds that a call waits at most for room that other processes have: longer than a dead one counts as alive."""
_START: Final = 3.0
"""Seconds that a call waits at most, once, to learn which budgets there are."""


@dataclass(frozen=True, slots=True)
class Payer:
    """Who a call falls under: the gateway, its key and, where it has one, its provider and its agent."""

    provider: str | None
    key_id: str
    agent_id: int | None

    @property
    def scopes(self) -> tuple[str, ...]:
        """All of them, as budgets name them."""
        scopes: tuple[str, ...] = (ScopeKind.GATEWAY.value, f"key:{self.key_id}")
        if self.provider is not None:
            scopes = (*scopes, f"provider:{self.provider}")
        return scopes if self.agent_id is None else (*scopes, f"agent:{self.agent_id}")


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a call may not go out: the budget without room. `is_final`: no other target would help."""

    budget: Budget
    ends: datetime
    is_final: bool

    @property
    def message(self) -> str:
        """It in words: whose, which window, and when it begins anew."""
        cap, parts = self.budget.cap, []
        if cap.cost_usd is not None:
            parts.append(f"${cap.cost_usd:f}")
        if cap.tokens is not None:
            parts.append(f"{cap.tokens} tokens")
        anew = self.ends.isoformat(timespec="seconds").replace("+00:00", "Z")
        return (
            f"the {self.budget.window} budget of {self.budget.scope} ({' and '.join(parts)}) has no room for this "
            f"request; it begins anew at {anew}"
        )


class Hold:
    """What one call holds of its budgets, until it is settled."""

    __slots__ = ("_accounts", "_estimate", "_freed", "_is_over")

    def __init__(self, accounts: Sequence[Account], estimate: Estimate, freed: Callable[[], None]) -> None:
        self._accounts = accounts
        self._estimate = estimate
        self._freed = freed
        self._is_over = False

    def settle(self, cost: Decimal | None, tokens: int) -> None:
        """It cost so many dollars, None when nobody knows: then it takes no money. The first word counts."""
        if self._is_over:
            return
        self._is_over = True
        actual = Amount(NOTHING_SPENT if cost is None else cost, tokens)
        for account in self._accounts:
            account.settle(self._estimate, actual)
        self._freed()

    def release(self) -> None:
        """It cost nothing."""
        self.settle(None, 0)


class Spending:
    """The budgets in force and what this process spends of them. `is_set` while there are any, or nobody knows yet.

    `is_shared`: other processes spend of the same ones. `refused` is told of each refusal.
    """

    def __init__(
        self,
        wall: Callable[[], datetime],
        *,
        is_shared: bool = False,
        refused: Callable[[Budget], None] = lambda _: None,
        patience: float = PATIENCE,
    ) -> None:
        # Until anybody knows whether there are any, calls have to ask.
        self.is_set = True
        self.is_away = False
        """Whether the record could not be reached when it was tried last."""
        self.wall = wall
        self._is_shared = is_shared
        self.short: Callable[[], None] = lambda: None
        """Told when a call needs more of a budget than this process has."""
        self._refused = refused
        self._patience = patience
        self._loaded = asyncio.Event()
        self._gave_up = False
        self._budgets: dict[str, Budget] = {}
        self._of_scope: dict[str, list[Budget]] = {}
        self._accounts: dict[str, Account] = {}
        self._ended: list[Account] = []
        self._changed = asyncio.Event()

    def load(self, budgets: Iterable[Budget]) -> None:
        """These are in force from now on, and no others."""
        self._budgets = {budget.id: budget for budget in budgets}
        self._of_scope = {}
        for budget in self._budgets.values():
            self._of_scope.setdefault(budget.scope, []).append(budget)
        for account in [one for one in self._accounts.values() if one.budget.id not in self._budgets]:
            del self._accounts[account.budget.id]
        for account in self._accounts.values():
            if account.budget != self._budgets[account.budget.id]:
                account.change(self._budgets[account.budget.id])
        self.is_set = bool(self._budgets)
        self._loaded.set()
        self.look_again()

    def close(self) -> None:
        """Keep nothing in hand from now on: this process is leaving."""
        for account in self._accounts.values():
            account.keeps_stock = False

    def look_again(self) -> None:
        """Whoever waits for room looks whether there is any."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def reserve(
        self, payer: Payer, estimate: Estimate, *, within: float | None = None
    ) -> Hold | Shortfall | None:
        """Take what a call may cost from every budget it falls under, or from none; None where there is none.

        Raises StorageUnavailable where the record that would tell is away, or takes longer than `within` seconds.
        """
        if not self._loaded.is_set():
            await self._loaded_in_time()
        wanted = self._taken_or_short(payer, estimate)
        if not isinstance(wanted, list):
            return wanted
        patience = self._patience if within is None else min(self._patience, within)
        return await self._within_patience(payer, estimate, patience)

    def objection(self, provider: str, *, is_priced: bool) -> str | None:
        """Why nothing more may go to this provider now; None when something may."""
        for account in self._accounts_of((f"provider:{provider}",)):
            if account.reach.is_used_up(account.used, is_priced=is_priced):
                return Shortfall(account.budget, account.ends, is_final=False).message
        return None

    def left(self, *payers: Payer) -> tuple[Decimal | None, int | None]:
        """Dollars and tokens left of the tightest budgets they fall under; None where none caps them."""
        scopes = {scope for payer in payers for scope in payer.scopes}
        caps = [account.state().left for account in self._accounts_of(scopes)]
        costs = [cap.cost_usd for cap in caps if cap.cost_usd is not None]
        tokens = [cap.tokens for cap in caps if cap.tokens is not None]
        return min(costs, default=None), min(tokens, default=None)

    def states(self) -> list[BudgetState]:
        """Every budget as it stands."""
        return [self._account(budget).state() for budget in self._budgets.values()]

    def accounts(self) -> list[Account]:
        """All that has something to put on record: of the windows that last, and of those that ended meanwhile."""
        current = [self._account(budget) for budget in self._budgets.values()]
        self._ended = [one for one in self._ended if one.is_dirty or one.held != NOTHING]
        return [*current, *self._ended]

    async def _loaded_in_time(self) -> None:
        """Wait once for what is set; a database that is away at the start does not hold up everybody."""
        if self._gave_up:
            return
        try:
            async with asyncio.timeout(min(self._patience, _START)):
                await self._loaded.wait()
        except TimeoutError:
            if not self._gave_up:
                log.warning("which budgets there are is not known: none is kept until the database has answered")
            self._gave_up = True

    def _taken_or_short(self, payer: Payer, estimate: Estimate) -> Hold | Shortfall | list[Account] | None:
        """A hold, a refusal, or the accounts that lack room which others may have."""
        accounts = self._accounts_of(payer.scopes)
        if not accounts:
            return None
        lacking = [account for account in accounts if not account.fits(estimate)]
        if not lacking:
            for account in accounts:
                account.hold(estimate)
            return Hold(accounts, estimate, partial(self._freed, accounts))
        hopeless = [account for account in lacking if not account.may_come_to_fit(estimate)]
        return self._shortfall(hopeless) if hopeless else lacking

    def _shortfall(self, lacking: Sequence[Account]) -> Shortfall:
        # One that ends the request says more than one that sends it elsewhere; the one that lasts longest most of all.
        account = max(lacking, key=lambda one: (one.budget.refuses, one.ends))
        self._refused(account.budget)
        return Shortfall(account.budget, account.ends, is_final=account.budget.refuses)

    async def _within_patience(self, payer: Payer, estimate: Estimate, patience: float) -> Hold | Shortfall | None:
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        # Once: what has to be looked at again after that is heard of, by the bell or when a call here is over.
        self.short()
        while True:
            found = self._taken_or_short(payer, estimate)
            if not isinstance(found, list):
                return found
            left = until - loop.time()
            if self.is_away:
                raise StorageUnavailable("what is left of a budget cannot be told while the database is away")
            if left <= 0:
                raise StorageUnavailable("whether other processes leave room in a budget could not be told in time")
            await self._wait(found, estimate, left)

    async def _wait(self, lacking: Sequence[Account], estimate: Estimate, seconds: float) -> None:
        changed = self._changed
        for account in lacking:
            account.wait(estimate)
        try:
            async with asyncio.timeout(seconds):
                await changed.wait()
        except TimeoutError:
            pass
        finally:
            for account in lacking:
                account.leave_line(estimate)

    def _freed(self, accounts: Sequence[Account]) -> None:
        if not self._is_shared:
            return
        self.look_again()
        if any(account.is_waited_for or account.is_wanted for account in accounts):
            self.short()

    def _accounts_of(self, scopes: Iterable[str]) -> list[Account]:
        return [self._account(budget) for scope in scopes for budget in self._of_scope.get(scope, ())]

    def _account(self, budget: Budget) -> Account:
        """The account of the window that lasts now."""
        account = self._accounts.get(budget.id)
        now = self.wall()
        if account is None or now >= account.ends:
            if account is not None:
                self._ended.append(account)
            # Alone, nobody can have spent anything of a window that begins while this process runs.
            is_known = account is not None and account.room is not None and not self._is_shared
            begins, ends = budget.window.begin(now), budget.window.end(now)
            room = budget.cap if is_known else None
            account = Account(budget, begins, ends, room=room, is_shared=self._is_shared)
            self._accounts[budget.id] = account
        account.expire(now)
        return account
