"""Budgets as operators set them: stored, in force here at once and in all other processes within a second."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

import anyio

from app.domain.audit import Author
from app.domain.budget import Budget, BudgetState, ScopeKind, Window
from app.domain.errors import NotFound, StorageUnavailable
from app.domain.ports import BudgetRepository
from app.ledger.spend_record import SpendRecord
from app.ledger.spending import Spending

_KINDS: Final = tuple(ScopeKind)
_WINDOWS: Final = tuple(Window)


class BudgetService:
    """Sets and removes budgets, and says how they stand. `put` and `remove` are where a change is stored."""

    def __init__(
        self,
        repository: BudgetRepository,
        spending: Spending,
        record: SpendRecord,
        wall: Callable[[], datetime],
    ) -> None:
        self._repository = repository
        self._spending = spending
        self._record = record
        self._wall = wall
        self._reading = anyio.Lock()
        self.is_loaded = False
        """Whether it was ever known which budgets there are, and what is spent of them."""

    def of(self, scope: str, window: Window | None = None) -> Sequence[BudgetState]:
        """The scope's budgets as they stand, the shortest window first, or that of one window.

        Raises NotFound when there is none, and StorageUnavailable.
        """
        found = [state for state in self.everything() if state.budget.scope == scope]
        found = [state for state in found if window in (None, state.budget.window)]
        if not found:
            raise _no_budget(scope, window)
        return found

    def everything(self) -> Sequence[BudgetState]:
        """Every budget as it stands: the gateway's, agents', keys', providers', the shortest window first.

        Raises StorageUnavailable before anybody has said what is spent of them.
        """
        if not self.is_loaded:
            raise StorageUnavailable("what is spent of budgets is not known yet")
        return sorted(self._spending.states(), key=_place)

    async def put(self, budget: Budget, by: Author) -> BudgetState:
        """Set a scope's budget of one window. Raises StorageUnavailable; then nothing has changed."""
        now = self._wall()
        fresh = replace(budget, id=os.urandom(16).hex())
        await self._repository.put(fresh, budget.window.begin(now), budget.window.end(now), by)
        await self.refresh()
        await self._record.refresh()
        return self.of(budget.scope, budget.window)[0]

    async def remove(self, scope: str, window: Window | None, by: Author) -> None:
        """Remove one, or all of the scope. Raises NotFound when there is none, and StorageUnavailable."""
        if not await self._repository.remove(scope, window, by):
            raise _no_budget(scope, window)
        await self.refresh()

    async def refresh(self) -> None:
        """Take over what is stored, whoever stored it. Raises StorageUnavailable."""
        # One at a time, so that what was read first is never put in force last.
        async with self._reading:
            self._spending.load(await self._repository.everything())
            if not self.is_loaded:
                # Until then every budget would look as if nothing had been spent of it.
                await self._record.refresh()
            self.is_loaded = True
        self._record.wake()


def _no_budget(scope: str, window: Window | None) -> NotFound:
    which = "" if window is None else f" for a {window}"
    return NotFound(f"there is no budget of {scope}{which}", param="scope" if window is None else "window")


def _place(state: BudgetState) -> tuple[int, str, int]:
    budget = state.budget
    return _KINDS.index(budget.kind), budget.scope, _WINDOWS.index(budget.window)
