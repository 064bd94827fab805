"""Keeps what this process spends on record, and has its part of budgets that processes share.

Alone, a process writes what it spent four times a second: kill -9 loses what was settled since, and what the calls
under way were expected to take counts as spent. With others, it may use only what it was granted. All of that counts as
spent when it is killed, for two minutes; then what it had used by its last word, a second before at most, and the most
that its calls under way could take. It keeps a minute's spending in hand, and less near a cap.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import anyio

from app.domain.budget import NOTHING, Spend, SpendKey, SpendWord, Spent
from app.domain.errors import StorageUnavailable
from app.domain.ports import SpendRepository
from app.ledger.accounts import Account, Grant
from app.ledger.spending import Spending

log = logging.getLogger(__name__)

FLUSH: Final = 0.25
"""Seconds between two writes of a process that is alone."""
_BEAT: Final = 1.0
_AT_MOST_EVERY: Final = 0.03
_RENEW_AFTER: Final = 1.5
_AWAY_AFTER: Final = 5.0
"""Seconds of quick failures from which on the database is away."""
# Who is kept waiting before it fails met a database that is busy with a crowd: no reason to refuse anybody.
_QUICK: Final = 2.0
_LEAVING: Final = 1.5


class SpendRecord:
    """Exchanges this process's accounts with the record, as `holder`; `short` is what `wake` sets.

    While the database is away a process goes on with what it has.
    """

    def __init__(
        self,
        spending: Spending,
        repository: SpendRepository,
        *,
        holder: str,
        is_shared: bool,
        now: Callable[[], float],
    ) -> None:
        self._spending = spending
        self._repository = repository
        self._holder = holder
        self._is_shared = is_shared
        self._now = now
        self._beat_at = now()
        self._failing_since: float | None = None
        self._is_unsure = False
        self._said: dict[SpendKey, tuple[Spend, float]] = {}
        self._event = anyio.Event()
        self._writing = anyio.Lock()

    def wake(self) -> None:
        """Look soon: a call waits, or another process said something."""
        self._event.set()

    def is_needed(self) -> bool:
        """Whether there is any budget that processes share."""
        return self._is_shared and self._spending.is_set

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            await self.beat()
            every = FLUSH if self._spending.is_set and not self._is_shared else _BEAT
            until = self._now() + every
            while (left := until - self._now()) > 0:
                with anyio.move_on_after(left) as pause:
                    await self._event.wait()
                if not pause.cancelled_caught:
                    self._event = anyio.Event()
                    began = self._now()
                    await self.look()
                    # A database that is slow to answer gets as much time for others as for this.
                    await anyio.sleep(max(_AT_MOST_EVERY, self._now() - began))

    async def beat(self) -> None:
        """Put on record what has changed; with others, also that this process is alive."""
        now = self._now()
        seconds, self._beat_at = now - self._beat_at, now
        for account in self._spending.accounts():
            account.beat(Decimal(seconds).quantize(Decimal("0.001")))
        if self._is_shared or any(self._is_behind(account) for account in self._spending.accounts()):
            await self._bounded(self._exchange)

    async def look(self) -> None:
        """Exchange if a call waits here, or another process wants what is spare here."""
        await self._bounded(self._look)

    async def refresh(self) -> None:
        """Exchange now. Raises StorageUnavailable."""
        await self._exchange()

    async def leave(self) -> None:
        """Keep nothing but what was spent; the others may have the rest at once."""
        self._spending.close()
        with anyio.move_on_after(_LEAVING, shield=True):
            await self._bounded(self._exchange)

    async def _bounded(self, work: Callable[[], Awaitable[None]]) -> None:
        if not self._spending.is_set:
            return
        began = self._now()
        try:
            await work()
        except StorageUnavailable as error:
            if self._failing_since is None:
                self._failing_since = began
                log.warning("spending cannot be put on record", extra={"reason": str(error)})
            now = self._now()
            if now - began < _QUICK and now - self._failing_since >= _AWAY_AFTER:
                self._spending.is_away = True
            self._spending.look_again()
        else:
            self._failing_since = None
            self._spending.is_away = False

    def _is_behind(self, account: Account) -> bool:
        return account.is_dirty or account.room is None

    async def _look(self) -> None:
        accounts = self._spending.accounts()
        if not self._is_shared or any(account.room is None for account in accounts):
            await self._exchange()
            return
        # To read locks nobody out: a crowd that waits must not keep everybody from the lock that writers take.
        spent = await self._repository.everything()
        grants = [(account, account.shared(self._holder, self._others(spent, account))) for account in accounts]
        if any(self._is_worth_saying(account, grant) for account, grant in grants):
            await self._exchange()
            return
        heard = [account.hear(grant) for account, grant in grants]
        if any(heard):
            self._spending.look_again()

    def _is_worth_saying(self, account: Account, grant: Grant) -> bool:
        """Whether who waits here would get something, or the others would hear what who waits there needs to know."""
        if account.is_waited_for:
            said = self._said.get(account.key)
            return grant.room != account.room or said is None or said[0].wants != grant.spend.wants
        return grant.is_wanted and self._is_due(account.key, grant)

    async def _exchange(self) -> None:
        async with self._writing:
            accounts = {account.key: account for account in self._spending.accounts()}
            if not accounts:
                return
            grants: dict[SpendKey, Grant] = {}
            said_at = self._spending.wall()

            def decide(spent: Spent) -> SpendWord:
                for key, account in accounts.items():
                    others = self._others(spent, account)
                    part = account.shared if self._is_shared else account.alone
                    grants[key] = part(self._holder, others)
                    account.lower(grants[key])
                said = {
                    key: (grant.spend, accounts[key].ends) for key, grant in grants.items() if self._is_due(key, grant)
                }
                return SpendWord(said, rings=any(self._is_news(key, grant) for key, grant in grants.items()))

            try:
                await self._repository.exchange(decide)
            except BaseException:
                # It may have been written all the same: what is on record is not known, and has to be said anew.
                self._said.clear()
                self._is_unsure = True
                for account in accounts.values():
                    account.is_dirty = True
                raise
            self._take_over(accounts, grants, said_at)

    def _is_due(self, key: SpendKey, grant: Grant) -> bool:
        """Whether it has to be said: something changed, or nobody has heard of it for a while."""
        spend, said = grant.spend, self._said.get(key)
        if said is None:
            return self._is_unsure or spend.wants is not None or spend.counted != NOTHING
        return said[0] != spend or (self._is_shared and self._now() - said[1] > _RENEW_AFTER)

    def _others(self, spent: Spent, account: Account) -> list[Spend]:
        return [one for one in spent.get(account.key, ()) if one.holder != self._holder]

    def _is_news(self, key: SpendKey, grant: Grant) -> bool:
        """Whether the others can do something with it: somebody waits here, or there for what is new here."""
        return grant.spend.wants is not None or (grant.is_wanted and self._is_due(key, grant))

    def _take_over(
        self, accounts: Mapping[SpendKey, Account], grants: Mapping[SpendKey, Grant], said_at: datetime
    ) -> None:
        now = self._now()
        for key, grant in grants.items():
            accounts[key].take_over(grant, said_at)
            if self._is_due(key, grant):
                self._said[key] = grant.spend, now
        for key in self._said.keys() - accounts.keys():
            del self._said[key]
        self._is_unsure = False
        self._spending.look_again()
