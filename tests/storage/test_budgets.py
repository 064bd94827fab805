"""Budgets and what is spent of them, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.audit import Author
from app.domain.budget import NOTHING, Amount, Budget, Cap, OnExceeded, Spend, SpendWord, Spent, Window
from app.domain.target import Target
from app.domain.usage import Usage
from app.ledger.accounts import LEASE
from app.storage.budgets import EARLIER, SqlBudgetRepository
from app.storage.database import Database
from app.storage.revision import current_revision
from app.storage.rollups import SqlRollUps
from app.storage.spend import LIFE, SqlSpendRepository
from app.storage.tables import BUDGET_SPEND
from app.storage.usage import SqlUsageRepository

NOW = datetime.now(UTC)
BEGINS, ENDS = Window.DAY.begin(NOW), Window.DAY.end(NOW)
DAILY = Budget("a" * 32, "agent:7", Window.DAY, Cap(Decimal("0.0005"), None), 0.5, OnExceeded.DOWNGRADE)


@pytest.fixture
def budgets(database: Database) -> SqlBudgetRepository:
    return SqlBudgetRepository(database)


@pytest.fixture
def spend(database: Database) -> SqlSpendRepository:
    return SqlSpendRepository(database)


def saying(spend: Spend, *, rings: bool = False) -> SpendWord:
    return SpendWord({(DAILY.id, BEGINS): (spend, ENDS)}, rings)


async def test_a_budget_comes_back_to_the_last_digit(budgets: SqlBudgetRepository) -> None:
    await budgets.put(DAILY, BEGINS, ENDS, Author("key1"))

    assert await budgets.everything() == [DAILY]


async def test_set_again_it_keeps_its_id_and_so_what_was_spent(
    budgets: SqlBudgetRepository, spend: SqlSpendRepository
) -> None:
    await budgets.put(DAILY, BEGINS, ENDS, Author("key1"))
    await spend.exchange(lambda _: saying(Spend("here", Amount(Decimal("0.1"), 5), NOTHING, NOTHING)))
    await budgets.put(replace(DAILY, id="b" * 32, cap=Cap(None, 10)), BEGINS, ENDS, Author("key2"))

    (stored,) = await budgets.everything()
    assert (stored.id, stored.cap) == (DAILY.id, Cap(None, 10))
    spent = await spend.everything()
    assert {one.holder: one.spent for one in spent[DAILY.id, BEGINS]} == {
        "here": Amount(Decimal("0.1"), 5),
        EARLIER: NOTHING,
    }


async def test_each_window_of_a_scope_has_its_own_and_goes_by_itself(budgets: SqlBudgetRepository) -> None:
    monthly = replace(DAILY, id="c" * 32, window=Window.MONTH)
    for budget in (DAILY, monthly):
        await budgets.put(budget, budget.window.begin(NOW), budget.window.end(NOW), Author("key1"))

    assert await budgets.remove("agent:7", Window.DAY, Author("key1")) == 1
    assert await budgets.everything() == [monthly]
    assert await budgets.remove("agent:7", None, Author("key1")) == 1
    assert await budgets.remove("agent:7", None, Author("key1")) == 0


async def test_each_change_counts_the_revision_up(budgets: SqlBudgetRepository, database: Database) -> None:
    before = await database.read(current_revision)
    await budgets.put(DAILY, BEGINS, ENDS, Author("key1"))
    await budgets.remove("agent:7", None, Author("key1"))
    assert await database.read(current_revision) == before + 2


@pytest.mark.parametrize(
    ("scope", "dollars", "tokens"),
    [("gateway", "0.7", 70), ("agent:7", "0.3", 30), ("key:k2", "0.5", 50), ("provider:alpha", "0.6", 60)],
)
async def test_what_was_spent_in_the_window_before_counts(
    budgets: SqlBudgetRepository,
    spend: SqlSpendRepository,
    database: Database,
    scope: str,
    dollars: str,
    tokens: int,
) -> None:
    def attempt(tenths: int, provider: str, agent: int | None, key: str, began: datetime = NOW) -> AttemptRecord:
        return AttemptRecord(
            "r", 1, Target(provider, "m"), AttemptKind.FIRST, AttemptOutcome.OK, began, 0.1,
            usage=Usage(tenths * 5, tenths * 5), cost_usd=Decimal(tenths) / 10, agent_id=agent, key_id=key,
        )  # fmt: skip

    await SqlUsageRepository(database).append(
        [
            attempt(1, "alpha", 7, "k1"),
            attempt(1, "beta", 7, "k1"),
            attempt(1, "alpha", 7, "k2"),
            attempt(4, "alpha", None, "k2"),
            attempt(9, "alpha", 7, "k2", BEGINS - timedelta(seconds=1)),
        ]
    )
    await budgets.put(replace(DAILY, scope=scope), BEGINS, ENDS, Author("key1"))

    (earlier,) = (await spend.everything())[DAILY.id, BEGINS]
    assert earlier.counted == earlier.spent == Amount(Decimal(dollars), tokens)


async def test_what_was_spent_counts_once_where_attempts_are_rolled_up_and_some_are_gone(
    budgets: SqlBudgetRepository, spend: SqlSpendRepository, database: Database
) -> None:
    noon = datetime(2026, 10, 20, 12, 30, tzinfo=UTC)
    begins, ends = Window.MONTH.begin(noon), Window.MONTH.end(noon)

    def attempt(name: str, began: datetime, outcome: AttemptOutcome = AttemptOutcome.OK) -> AttemptRecord:
        return AttemptRecord(
            name, 1, Target("alpha", "m"), AttemptKind.FIRST, outcome, began, 0.1,
            usage=Usage(3, 4), cost_usd=Decimal("0.000000000001"), agent_id=7, key_id="k1",
        )  # fmt: skip

    usage, rolling = SqlUsageRepository(database), SqlRollUps(database)
    await usage.append([attempt("before", begins - timedelta(seconds=1)), attempt("first", begins)])
    await usage.append([attempt("day", noon - timedelta(days=3)), attempt("hour", noon - timedelta(hours=2))])
    await usage.append([attempt("free", noon, AttemptOutcome.CACHED)])
    await rolling.roll(100)
    assert await rolling.forget_attempts(noon - timedelta(days=1), 100) == 3
    await usage.append([attempt("fresh", noon)])

    await budgets.put(replace(DAILY, window=Window.MONTH), begins, ends, Author("key1"))

    everybody = await database.read(_earlier)
    assert everybody == [(Decimal("0.000000000004"), 28)]


async def _earlier(session: AsyncSession) -> list[tuple[Decimal, int]]:
    rows = await session.execute(select(BUDGET_SPEND.c.spent_usd, BUDGET_SPEND.c.spent_tokens))
    return [(cost, tokens) for cost, tokens in rows]


async def test_a_silent_process_is_dead_after_a_while_and_gone_after_its_lease(
    spend: SqlSpendRepository, database: Database
) -> None:
    def said(silent: float) -> Callable[[AsyncSession], Awaitable[None]]:
        async def back(session: AsyncSession) -> None:
            await session.execute(update(BUDGET_SPEND).values(alive_until=BUDGET_SPEND.c.alive_until - silent))

        return back

    word = Spend("here", Amount(tokens=1), Amount(tokens=2), Amount(tokens=9))
    seen = []
    for silent in (0.0, LIFE + 1, LEASE - LIFE - 2, 3.0):
        if not silent:
            await spend.exchange(lambda _: saying(word))
        await database.write(said(silent))
        (one,) = (await spend.everything())[DAILY.id, BEGINS]
        seen.append((one.is_alive, one.is_gone, one.counted.tokens))

    assert seen == [(True, False, 9), (False, False, 9), (False, False, 9), (False, True, 2)]


async def test_two_processes_never_decide_at_once(spend: SqlSpendRepository) -> None:
    """Each takes a tenth if there is one left: ten get one, whoever comes when."""

    async def take(holder: str) -> None:
        def decide(spent: Spent) -> SpendWord:
            taken = sum(one.granted.tokens for one in spent.get((DAILY.id, BEGINS), ()))
            grant = Amount(tokens=1 if taken < 10 else 0)
            return saying(Spend(holder, NOTHING, NOTHING, grant))

        await spend.exchange(decide)

    await asyncio.gather(*(take(f"p{i}") for i in range(15)))

    assert sum(one.granted.tokens for one in (await spend.everything())[DAILY.id, BEGINS]) == 10


async def test_what_a_process_says_comes_back_whole(spend: SqlSpendRepository) -> None:
    said = Spend(
        "here",
        Amount(Decimal("0.000000000001"), 1),
        Amount(Decimal("0.2"), 2),
        Amount(Decimal("0.3"), 3),
        wants=Amount(Decimal("0.0001"), 4),
    )
    await spend.exchange(lambda _: saying(said, rings=True))

    assert await spend.everything() == {(DAILY.id, BEGINS): [said]}
