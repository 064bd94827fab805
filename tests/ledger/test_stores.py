"""Attempts and calls of tools share one writer and get into tables of their own, whatever the database does."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.domain.errors import StorageUnavailable
from app.domain.tools import ToolCallRecord
from app.ledger.stores import Records
from app.ledger.writer import LedgerRules, UsageWriter
from tests.fakes_tools import called
from tests.ledger.conftest import Repository, record


class CallRepository:
    """Keeps calls by id; may be away."""

    def __init__(self) -> None:
        self.rows: dict[str, ToolCallRecord] = {}
        self.is_away = False

    async def append(self, records: Sequence[ToolCallRecord]) -> None:
        if self.is_away:
            raise StorageUnavailable("away")
        self.rows |= {one.id: one for one in records if one.id not in self.rows}

    async def page(self, tool: str, *, limit: int, cursor: str | None) -> tuple[list[ToolCallRecord], str | None]:
        return list(self.rows.values()), None


@pytest.fixture
def calls() -> CallRepository:
    return CallRepository()


async def test_each_kind_goes_to_its_own_table(
    repository: Repository, calls: CallRepository, rules: LedgerRules
) -> None:
    writer = UsageWriter(Records(repository, calls), rules)
    attempt, call = record(), called()

    writer.attempt_finished(attempt)
    writer.tool_called(call)
    await writer.drain()

    assert (list(repository.rows), list(calls.rows)) == ([attempt.id], [call.id])


async def test_what_was_stored_in_part_is_whole_after_the_replay(
    repository: Repository, calls: CallRepository, rules: LedgerRules
) -> None:
    calls.is_away = True
    writer = UsageWriter(Records(repository, calls), rules)
    attempt, call = record(), called()
    writer.attempt_finished(attempt)
    writer.tool_called(call)
    await writer.drain()
    assert list(repository.rows) == [attempt.id]

    calls.is_away = False
    next_life = UsageWriter(Records(repository, calls), rules)
    next_life._spill.adopt()
    await next_life.drain()

    assert list(repository.rows) == [attempt.id]
    assert calls.rows == {call.id: call}
    assert next_life.lost == 0
