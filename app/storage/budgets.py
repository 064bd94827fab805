"""The budgets that are set; every change counts the configuration's revision up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from app.domain.attempt import AttemptOutcome
from app.domain.audit import Author, Entry
from app.domain.budget import NOTHING_SPENT, Budget, Cap, OnExceeded, ScopeKind, Window
from app.domain.usage import summed
from app.domain.usage_query import UsageFilter
from app.ledger.changes import budget_fields, changed
from app.storage.database import Database, reads, writes
from app.storage.revision import count_up
from app.storage.tables import BUDGET_SPEND, BudgetRow
from app.storage.usage_summary import Summing

EARLIER: Final = "earlier"
"""The holder of what was spent in a window before its budget was set."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqlBudgetRepository:
    """One row per scope and window."""

    def __init__(self, database: Database, wall: Callable[[], datetime] = _utc_now) -> None:
        self._database = database
        self._wall = wall

    @reads
    async def everything(self, session: AsyncSession) -> list[Budget]:
        """Every budget, by scope and window."""
        rows = await session.scalars(select(BudgetRow).order_by(col(BudgetRow.scope)))
        return [_budget(row) for row in rows]

    @writes
    async def put(self, session: AsyncSession, budget: Budget, begins: datetime, ends: datetime, by: Author) -> None:
        """Set this scope's budget of this window. A first one counts what usage on record cost in the window.

        What was set before keeps its id, and with it what was spent.
        """
        await count_up(session, self._database)
        stored = await session.get(BudgetRow, (budget.scope, budget.window.value))
        if stored is None:
            await self._count_earlier(session, budget, begins, ends)
        row = BudgetRow(
            scope=budget.scope,
            window=budget.window.value,
            id=budget.id if stored is None else stored.id,
            cost_usd=budget.cap.cost_usd,
            tokens=budget.cap.tokens,
            alert_at=budget.alert_at,
            on_exceeded=budget.on_exceeded.value,
            changed_at=self._wall(),
            changed_by=by.key_id,
        )
        before = None if stored is None else budget_fields(_budget(stored))
        self._database.chain.append(session, _entry(by, before, budget_fields(_budget(row))))
        await session.merge(row)

    @writes
    async def remove(self, session: AsyncSession, scope: str, window: Window | None, by: Author) -> int:
        """Remove one, or all of the scope, with what was spent of them; how many there were."""
        await count_up(session, self._database)
        gone = delete(BudgetRow).where(col(BudgetRow.scope) == scope)
        if window is not None:
            gone = gone.where(col(BudgetRow.window) == window.value)
        rows = list(await session.scalars(gone.returning(BudgetRow)))
        ids = [row.id for row in rows]
        await session.execute(delete(BUDGET_SPEND).where(BUDGET_SPEND.c.budget_id.in_(ids)))
        entries = [_entry(by, budget_fields(_budget(row)), None) for row in rows]
        self._database.chain.append(session, *entries)
        return len(ids)

    async def _count_earlier(self, session: AsyncSession, budget: Budget, begins: datetime, ends: datetime) -> None:
        summing = Summing(session, _of_scope(budget, begins, ends), is_sqlite=self._database.is_sqlite)
        figures = await summing.figures(("outcome",), None)
        paid = [sums for (outcome,), sums in figures.items() if outcome != AttemptOutcome.CACHED.value]
        cost = summed(sums.cost for sums in paid) or NOTHING_SPENT
        tokens = sum(sums.input_tokens + sums.output_tokens for sums in paid)
        values: dict[str, Any] = {"budget_id": budget.id, "begins": begins, "ends": ends, "holder": EARLIER}
        for name in ("spent", "used", "granted"):
            values |= {f"{name}_usd": cost, f"{name}_tokens": tokens}
        await session.execute(insert(BUDGET_SPEND).values(**values, wants_usd=None, wants_tokens=None, alive_until=0.0))


def _entry(by: Author, before: dict[str, Any] | None, after: dict[str, Any] | None) -> Entry | None:
    """The scope is the subject; each of its windows has a budget of its own, and is told under its name."""
    one = after or before or {}
    told = [None if fields is None else {one["window"]: fields} for fields in (before, after)]
    return changed(f"budget:{one['scope']}", by, what="budget", before=told[0], after=told[1])


def _of_scope(budget: Budget, begins: datetime, ends: datetime) -> UsageFilter:
    """The attempts that a budget of this scope pays for."""
    everything, name = UsageFilter(begins, ends), budget.scope.partition(":")[2]
    match budget.kind:
        case ScopeKind.GATEWAY:
            return everything
        case ScopeKind.AGENT:
            return replace(everything, agent=int(name))
        case ScopeKind.KEY:
            return replace(everything, key=name)
        case ScopeKind.PROVIDER:
            return replace(everything, provider=name)


def _budget(row: BudgetRow) -> Budget:
    cap = Cap(row.cost_usd, row.tokens)
    return Budget(row.id, row.scope, Window(row.window), cap, row.alert_at, OnExceeded(row.on_exceeded))
