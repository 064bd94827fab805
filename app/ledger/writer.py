"""The one writer of records: attempts and calls of tools go in without a wait, and into the database in batches.

What the database does not take goes to the spill and is replayed when it is back. Records have ids of their own, so
that storing one twice stores it once.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import anyio
import anyio.to_thread

from app.domain.attempt import AttemptRecord
from app.domain.errors import StorageUnavailable
from app.domain.tools import ToolCallRecord
from app.ledger.lines import Record, line_of, record_of
from app.ledger.spill import Spill, SpillFile

log = logging.getLogger(__name__)

_LONGEST_PAUSE: Final = 2.0


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """How records wait: `queue` in memory, at most `spill_max_bytes` on disk, written every `interval` seconds.

    Kill -9 loses at most what came within the last interval and the write under way; nothing when it was spilled.
    """

    queue: int = 10_000
    batch: int = 200
    interval: float = 0.25
    spill_path: Path = Path(".outcry/usage-spill.jsonl")
    spill_max_bytes: int = 64 * 1024 * 1024
    decision_spill_path: Path = Path(".outcry/decision-spill.jsonl")


class Store(Protocol):
    """Where records end, each once, by its id. Raises StorageUnavailable, or ValueError for one it never takes."""

    async def append(self, records: Sequence[Record]) -> None: ...


class UsageWriter:
    """Hears of attempts and of calls of tools, and puts them on record.

    Never blocks the one who tells it, and never raises there.
    """

    def __init__(self, store: Store, rules: LedgerRules) -> None:
        self._store = store
        self._rules = rules
        self._queue: deque[Record] = deque()
        self._spill = Spill(rules.spill_path, rules.spill_max_bytes)
        self._wake = anyio.Event()
        self._writing = anyio.Lock()
        self._spilled = 0
        self._lost = 0
        self._is_away = False

    @property
    def depth(self) -> int:
        """How many records wait in memory."""
        return len(self._queue)

    @property
    def spilled(self) -> int:
        """How many records have gone to disk so far."""
        return self._spilled

    @property
    def lost(self) -> int:
        """How many records neither memory nor disk had room for, or that no database takes."""
        return self._lost

    def attempt_finished(self, record: AttemptRecord) -> None:
        """Put one attempt on record."""
        self._take(record)

    def tool_called(self, record: ToolCallRecord) -> None:
        """Put one call of a tool on record."""
        self._take(record)

    def _take(self, record: Record) -> None:
        """Into memory, or to disk when memory is full."""
        if len(self._queue) >= self._rules.queue:
            self._to_disk([record])
            return
        self._queue.append(record)
        if len(self._queue) >= self._rules.batch:
            self._wake.set()

    async def run(self) -> None:
        """Write until cancelled; what is still waiting then is `drain`'s. Starts with what a dead process left."""
        await anyio.to_thread.run_sync(self._spill.adopt)
        pause = self._rules.interval
        while True:
            async with self._writing:
                is_stored = await self._write_all()
            pause = self._rules.interval if is_stored else min(pause * 2, _LONGEST_PAUSE)
            # While the database is away a full batch is no reason to hurry.
            with anyio.move_on_after(pause):
                await (self._next_batch() if is_stored else anyio.sleep_forever())

    async def drain(self, within: float = 5.0) -> None:
        """Store everything within these seconds; what the database does not take in time is on disk afterwards."""
        with anyio.move_on_after(within):
            async with self._writing:
                await self._write_all()
        with anyio.CancelScope(shield=True):
            rest = [self._queue.popleft() for _ in range(len(self._queue))]
            if rest:
                await anyio.to_thread.run_sync(self._to_disk_for_good, rest)
            await anyio.to_thread.run_sync(self._spill.close)

    async def _next_batch(self) -> None:
        if len(self._queue) < self._rules.batch:
            self._wake = anyio.Event()
            await self._wake.wait()

    async def _write_all(self) -> bool:
        """Replay and write all that waits; False when the database did not take it."""
        try:
            if not self._spill.is_empty:
                for file in self._spill.seal():
                    await self._replay(file)
            while self._queue:
                await self._write_batch()
        except StorageUnavailable as error:
            await self._go_away(error)
            return False
        if self._is_away:
            log.info("usage is written again")
            self._is_away = False
        return True

    async def _write_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(self._rules.batch, len(self._queue)))]
        try:
            await self._append(batch)
        except BaseException:
            # Unknown whether it was stored: it is offered again, and its ids keep it from being stored twice.
            self._queue.extendleft(reversed(batch))
            raise

    async def _replay(self, file: SpillFile) -> None:
        batches = file.batches(self._rules.batch, record_of)
        while (batch := await anyio.to_thread.run_sync(next, batches, None)) is not None:
            await self._append(batch)
        await anyio.to_thread.run_sync(self._spill.done, file)

    async def _append(self, batch: Sequence[Record]) -> None:
        try:
            await self._store.append(batch)
        except ValueError:
            # One record that no database takes must not hold up the others.
            if len(batch) == 1:
                self._lost += 1
                log.exception("a usage record cannot be stored", extra={"record_id": batch[0].id})
                return
            middle = len(batch) // 2
            await self._append(batch[:middle])
            await self._append(batch[middle:])

    async def _go_away(self, error: StorageUnavailable) -> None:
        """What waits in memory goes to disk, where it outlives the process."""
        if not self._is_away:
            log.warning("usage is spilled to disk", extra={"reason": error.message})
            self._is_away = True
        waiting = [self._queue.popleft() for _ in range(len(self._queue))]
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._to_disk_for_good, waiting)

    def _to_disk_for_good(self, records: Sequence[Record]) -> None:
        self._to_disk(records, sync=True)

    def _to_disk(self, records: Sequence[Record], *, sync: bool = False) -> None:
        stored = self._spill.append(map(line_of, records), sync=sync)
        self._spilled += stored
        if lost := len(records) - stored:
            if not self._lost:
                log.error("usage records are lost: the spill is full or cannot be written")
            self._lost += lost
