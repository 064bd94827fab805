"""A repository that can be away, silent or picky, and records to give it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.errors import StorageUnavailable
from app.domain.target import Target
from app.domain.usage import Usage
from app.ledger.lines import Record
from app.ledger.writer import LedgerRules

MORNING = datetime(2026, 11, 20, 9, 30, 0, 123456, tzinfo=UTC)


def record(number: int = 1, **changes: Any) -> AttemptRecord:
    """One finished attempt."""
    fields: dict[str, Any] = {
        "request_id": f"req-{number}",
        "ordinal": 1,
        "target": Target("alpha", "alpha-1"),
        "kind": AttemptKind.FIRST,
        "outcome": AttemptOutcome.OK,
        "started_at": MORNING,
        "duration": 0.25,
        "usage": Usage(100, 20, reported_cost=Decimal("0.010")),
        "cost_usd": Decimal("0.000000000000000000012"),
    }
    return AttemptRecord(**(fields | changes))


class Repository:
    """Keeps what it is given, by id, as the real ones do."""

    def __init__(self) -> None:
        self.rows: dict[str, Record] = {}
        self.batches: list[int] = []
        self.is_away = False
        self.refused: set[str] = set()
        self.silent_after_storing = False
        self.is_silent = False
        self.called = anyio.Event()

    async def append(self, records: Sequence[Record]) -> None:
        called, self.called = self.called, anyio.Event()
        called.set()
        if self.is_away:
            raise StorageUnavailable("away")
        if self.is_silent:
            await anyio.sleep_forever()
        if any(record.request_id in self.refused for record in records):
            raise ValueError("no such value")
        self.batches.append(len(records))
        self.rows |= {record.id: record for record in records if record.id not in self.rows}
        if self.silent_after_storing:
            await anyio.sleep_forever()

    async def summary(self, *, by: str, group: Sequence[str], since: datetime | None) -> list[dict[str, Any]]:
        return []

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait, call by call, until the condition holds."""
        with anyio.fail_after(5):
            while not is_so():
                await self.called.wait()


@pytest.fixture
def repository() -> Repository:
    return Repository()


@pytest.fixture
def rules(tmp_path: Path) -> LedgerRules:
    return LedgerRules(queue=10, batch=4, interval=0.01, spill_path=tmp_path / "deep" / "usage.jsonl")
