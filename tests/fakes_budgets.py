"""Budgets and what is spent of them, kept in memory as the database would."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from app.domain.audit import Author
from app.domain.budget import Budget, Spend, SpendKey, SpendWord, Spent, Window
from app.domain.errors import OutcryError
from app.ledger.budgets import BudgetService
from app.ledger.spend_record import SpendRecord
from app.ledger.spending import Spending


class FakeBudgets:
    """What is set, in memory; `error` is raised by every change."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Budget] = {}
        self.error: OutcryError | None = None

    async def everything(self) -> list[Budget]:
        return list(self.rows.values())

    async def put(self, budget: Budget, begins: datetime, ends: datetime, by: Author) -> None:
        if self.error is not None:
            raise self.error
        stored = self.rows.get((budget.scope, budget.window))
        self.rows[budget.scope, budget.window] = replace(budget, id=stored.id) if stored else budget

    async def remove(self, scope: str, window: Window | None, by: Author) -> int:
        if self.error is not None:
            raise self.error
        gone = [key for key in self.rows if key[0] == scope and window in (None, key[1])]
        for key in gone:
            del self.rows[key]
        return len(gone)


class FakeSpend:
    """What processes say they spent, in memory; `error` is raised by every exchange.

    Who is in `dead` was not heard of lately, and who is in `gone` not for so long that its grant is nobody's.
    """

    def __init__(self) -> None:
        self.rows: dict[SpendKey, dict[str, Spend]] = {}
        self.dead: set[str] = set()
        self.gone: set[str] = set()
        self.error: OutcryError | None = None
        self.lost: OutcryError | None = None
        """Raised once by an exchange that is on record all the same."""
        self.exchanges = 0

    async def everything(self) -> Spent:
        return {
            key: [
                replace(one, is_alive=one.holder not in self.dead, is_gone=one.holder in self.gone)
                for one in rows.values()
            ]
            for key, rows in self.rows.items()
        }

    async def exchange(self, decide: Callable[[Spent], SpendWord]) -> None:
        if self.error is not None:
            raise self.error
        self.exchanges += 1
        for key, (spend, _) in decide(await self.everything()).said.items():
            self.rows.setdefault(key, {})[spend.holder] = spend
            self.dead.discard(spend.holder)
            self.gone.discard(spend.holder)
        if self.lost is not None:
            lost, self.lost = self.lost, None
            raise lost


def budgets_of(spending: Spending) -> BudgetService:
    """Budgets that are stored nowhere, for one process; none is set."""
    spending.load(())
    record = SpendRecord(spending, FakeSpend(), holder="here", is_shared=False, now=time.monotonic)
    service = BudgetService(FakeBudgets(), spending, record, lambda: datetime.now(UTC))
    service.is_loaded = True
    return service
