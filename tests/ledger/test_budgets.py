"""What is said of budgets is what is on record of them, from the first word on."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.domain.budget import Amount, Budget, Cap, Spend, Window
from app.domain.errors import StorageUnavailable
from app.ledger.budgets import BudgetService
from app.ledger.spend_record import SpendRecord
from app.ledger.spending import Spending
from tests.fakes_budgets import FakeBudgets, FakeSpend

NOW = datetime(2026, 11, 20, 14, 15, tzinfo=UTC)
BUDGET = Budget("b", "gateway", Window.MONTH, Cap(Decimal(5), None))
EARLIER = Amount(Decimal("0.02"), 420)


def wall() -> datetime:
    return NOW


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_process_that_begins_says_nothing_before_it_knows_what_was_spent(*, is_shared: bool) -> None:
    stored, spent = FakeBudgets(), FakeSpend()
    stored.rows["gateway", "month"] = BUDGET
    spent.rows["b", Window.MONTH.begin(NOW)] = {"before": Spend("before", EARLIER, EARLIER, EARLIER)}
    spending = Spending(wall, is_shared=is_shared)
    record = SpendRecord(spending, spent, holder="here", is_shared=is_shared, now=time.monotonic)
    service = BudgetService(stored, spending, record, wall)

    with pytest.raises(StorageUnavailable):
        service.everything()
    spent.error = StorageUnavailable("away")
    with pytest.raises(StorageUnavailable):
        await service.refresh()
    assert not service.is_loaded

    spent.error = None
    await service.refresh()
    assert [(state.used, state.left.cost_usd) for state in service.everything()] == [(EARLIER, Decimal("4.98"))]
