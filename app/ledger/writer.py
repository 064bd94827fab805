"""The one writer of usage records: bounded, batched, off the hot path, spilling to disk while the database is away."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anyio

from app.domain.attempt import AttemptRecord
from app.domain.errors import StorageUnavailable
from app.domain.ports import UsageRepository
from app.ledger.spill import Spill

log = logging.getLogger(__name__)

AWAY_SECONDS = 1.0
"""Pause between two tries while the database is away."""

DRAIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """`queue` records wait in memory at most, `batch` go in one transaction, `interval` seconds apart."""

    queue: int = 10_000
    batch: int = 200
    interval: float = 0.25
    spill_path: Path = Path(".outcry/usage-spill.jsonl")
    spill_max_bytes: int = 64 * 1024 * 1024


class UsageWriter:
    """An observer that keeps every attempt until it is stored. `spilled` and `lost` count records."""

    def __init__(self, repository: UsageRepository, rules: LedgerRules, *, now: Callable[[], float]) -> None:
        self._repository = repository
        self._rules = rules
        self._now = now
        self._queue: deque[AttemptRecord] = deque()
        self._spill = Spill(rules.spill_path, rules.spill_max_bytes)
        self._wake = anyio.Event()
        self._away_until = 0.0
        self._may_have_spilled = True
        self.spilled = 0
        self.lost = 0

    @property
    def depth(self) -> int:
        """Records that wait in memory."""
        return len(self._queue)

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Keep a record; beyond the bound of the queue it goes to disk at once."""
        if len(self._queue) >= self._rules.queue:
            self._to_disk([record])
            return
        self._queue.append(record)
        if len(self._queue) >= self._rules.batch:
            self._wake.set()

    async def run(self) -> None:
        """The job: never returns."""
        while True:
            with anyio.move_on_after(self._rules.interval):
                await self._wake.wait()
            self._wake = anyio.Event()
            if self._now() >= self._away_until:
                await self.flush()

    async def flush(self) -> None:
        """Store what waits, in memory and on disk; while the database is away all of it goes to disk."""
        try:
            while self._queue:
                await self._store_one_batch()
            if self._may_have_spilled:
                await self._replay()
        except StorageUnavailable as error:
            self._away_until = self._now() + AWAY_SECONDS
            await self._spill_all(error.message)

    async def drain(self) -> None:
        """The end: what cannot be stored within five seconds is on disk afterwards."""
        with anyio.move_on_after(DRAIN_SECONDS):
            await self.flush()
        if self._queue:
            await self._spill_all("the service stops")

    async def _store_one_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(self._rules.batch, len(self._queue)))]
        is_stored = False
        try:
            await self._repository.append(batch)
            is_stored = True
        finally:
            # Cancelled or away: they are still ours. Storing one twice changes nothing, its id is unique.
            if not is_stored:
                self._queue.extendleft(reversed(batch))

    async def _replay(self) -> None:
        for path in await anyio.to_thread.run_sync(self._spill.waiting):
            for batch in self._spill.batches(path, self._rules.batch):
                await self._repository.append(batch)
            path.unlink(missing_ok=True)
            log.info("spilled usage records were stored", extra={"file": path.name})
        self._may_have_spilled = False

    async def _spill_all(self, reason: str) -> None:
        batch = list(self._queue)
        self._queue.clear()
        if batch:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._to_disk, batch)
            log.warning("usage records went to disk", extra={"records": len(batch), "reason": reason})

    def _to_disk(self, batch: list[AttemptRecord]) -> None:
        written = self._spill.append(batch)
        self._may_have_spilled = True
        self.spilled += written
        if written < len(batch):
            self.lost += len(batch) - written
            log.critical("usage records were lost: the spill file is full", extra={"records": len(batch) - written})
