"""The usage writer: what a row of the record costs this process in processor time, in batches as it writes them."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from app.domain.attempt import AttemptKind, AttemptOutcome, AttemptRecord
from app.domain.target import Target
from app.domain.usage import Usage
from app.ledger.writer import LedgerRules
from app.storage.database import open_database
from app.storage.migrations import migrate
from app.storage.usage import SqlUsageRepository
from benchmarks.scoreboard.board import Row, Stage
from tests.postgres import postgres_server

BATCH: Final = LedgerRules().batch
BOUND: Final = 10.0
_ATTEMPT: Final = AttemptRecord(
    "req_0123456789abcdef", 1, Target("openai", "gpt-4o-mini"), AttemptKind.FIRST, AttemptOutcome.OK,
    datetime(2026, 11, 20, tzinfo=UTC), 0.75, time_to_first_token=0.25, usage=Usage(1240, 180, 1024),
    cost_usd=Decimal("0.00021720"), price_source="genai-prices", price_dated="2026-11-01", credential_id="0123abcd",
    agent_id=7, key_id="key_1", symbol="BTC/USDT", strategy="btc-5m",
)  # fmt: skip


def writing(stage: Stage) -> Iterator[Row]:
    """Batches as full as the writer's into a fresh database of each kind, after ten to warm up."""
    batches = stage.pick(500, 40)
    stage.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        urls = {"SQLite": f"sqlite:///{stage.folder / 'writing.db'}"}
        migrate(urls["SQLite"])
        urls["PostgreSQL"] = stack.enter_context(postgres_server()).migrated()
        for name, url in urls.items():
            spent = asyncio.run(_written(url, batches))
            yield Row("§5", f"processor time of a usage row, {name}", f"{batches} batches of {BATCH}",
                      statistics.median(spent), BOUND, "us", "median; a server's own not counted")  # fmt: skip


async def _written(url: str, batches: int) -> list[float]:
    """Microseconds of all our threads per row, for each batch."""
    spent: list[float] = []
    async with open_database(url) as database:
        usage = SqlUsageRepository(database)
        for number in range(-10, batches):
            rows = [_row(f"{number}.{place}") for place in range(BATCH)]
            began = time.process_time()
            await usage.append(rows)
            if number >= 0:
                spent.append((time.process_time() - began) / BATCH * 1e6)
    return spent


def _row(name: str) -> AttemptRecord:
    fresh = AttemptRecord(name, 1, _ATTEMPT.target, _ATTEMPT.kind, _ATTEMPT.outcome, _ATTEMPT.started_at, 0.0).id
    return replace(_ATTEMPT, id=fresh, request_id=f"req_{name}")
