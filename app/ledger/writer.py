"""The one writer of records: attempts and calls of tools go in without a wait, and into the database in batches.

What the database does not take goes to the spill and is replayed when it is back; what the disk does not take either
waits in memory as long as there is room. Records have ids of their own, so that storing one twice stores it once.
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
_LATE: Final = 4
"""Intervals in which nothing was written until what waits in memory is copied to disk."""


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """How records wait: `queue` in memory, at most `spill_max_bytes` on disk, written every `interval` seconds.

    Kill -9 loses at most what came within the last interval and the write under way; what a database that is away or
    silent keeps waiting is on disk after eight intervals at the latest, and is not lost.
    """

    queue: int = 10_000
    batch: int = 500
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
        self._under_way: Sequence[Record] = ()
        self._rounds = 0
        self._spilled = 0
        self._lost = 0
        self._is_away = False
        self._is_refused = False
        self._is_losing = False

    @property
    def depth(self) -> int:
        """How many records wait in memory."""
        return len(self._queue)

    @property
    def spilled(self) -> int:
        """How many records have gone to disk so far."""
        return self._spilled

    @property
    def spill_size(self) -> int:
        """Bytes of ours that wait on disk."""
        return self._spill.size

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
            self._lose(self._refused([record]))
            return
        self._queue.append(record)
        if len(self._queue) >= self._rules.batch:
            self._wake.set()

    async def run(self) -> None:
        """Write until cancelled; what is still waiting then is `drain`'s. Starts with what a dead process left."""
        await anyio.to_thread.run_sync(self._spill.adopt)
        if refusal := await anyio.to_thread.run_sync(self._spill.refuses):
            log.error("usage cannot be spilled while the database is away", extra={"reason": refusal})
        async with anyio.create_task_group() as both:
            both.start_soon(self._keep_safe)
            await self._keep_writing()

    async def _keep_writing(self) -> None:
        pause = self._rules.interval
        while True:
            async with self._writing:
                is_stored = await self._write_all()
            pause = self._rules.interval if is_stored else min(pause * 2, _LONGEST_PAUSE)
            # While the database is away a full batch is no reason to hurry.
            with anyio.move_on_after(pause):
                await (self._next_batch() if is_stored else anyio.sleep_forever())

    async def _keep_safe(self) -> None:
        """Copy to disk what waits in memory when a database that is away or silent keeps it there for too long."""
        while True:
            rounds = self._rounds
            await anyio.sleep(_LATE * self._rules.interval)
            if rounds != self._rounds or not (self._queue or self._under_way):
                continue
            under_way = self._under_way
            refused = await self._to_disk(under_way)
            if not refused and self._under_way is under_way:
                self._under_way = ()
            await self._spill_waiting()

    async def drain(self, within: float = 5.0) -> None:
        """Store everything within these seconds; what the database does not take in time is on disk afterwards."""
        with anyio.move_on_after(within):
            async with self._writing:
                await self._write_all()
        with anyio.CancelScope(shield=True):
            await self._spill_waiting()
            self._lose([self._queue.popleft() for _ in range(len(self._queue))])
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
        if self._is_away or self._is_refused or self._is_losing:
            log.info("usage is written again", extra={"lost_so_far": self._lost})
            self._is_away = self._is_refused = self._is_losing = False
        self._rounds += 1
        return True

    async def _write_batch(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(self._rules.batch, len(self._queue)))]
        self._under_way = batch
        try:
            await self._append(batch)
        except BaseException:
            # Unknown whether it was stored: it is offered again, and its ids keep it from being stored twice. What was
            # copied to disk meanwhile is offered from there.
            self._queue.extendleft(reversed(self._under_way))
            raise
        finally:
            self._under_way = ()

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
        await self._spill_waiting()

    async def _spill_waiting(self) -> None:
        """From memory to disk; what the disk does not take stays, as far as memory has room."""
        waiting = [self._queue.popleft() for _ in range(len(self._queue))]
        refused = await self._to_disk(waiting)
        room = max(self._rules.queue - len(self._queue), 0)
        self._queue.extendleft(reversed(refused[:room]))
        self._lose(refused[room:])

    async def _to_disk(self, records: Sequence[Record]) -> Sequence[Record]:
        """Those that are not on disk for good afterwards."""
        refused: Sequence[Record] = ()
        with anyio.CancelScope(shield=True):
            refused = await anyio.to_thread.run_sync(lambda: self._refused(records, sync=True))
        return refused  # noqa: RET504 - to mypy the scope may swallow what is returned within it

    def _refused(self, records: Sequence[Record], *, sync: bool = False) -> Sequence[Record]:
        stored = self._spill.append(map(line_of, records), sync=sync)
        self._spilled += stored
        if stored < len(records) and not self._is_refused:
            log.error("the disk takes no usage records", extra={"reason": self._spill.refusal})
            self._is_refused = True
        return records[stored:]

    def _lose(self, records: Sequence[Record]) -> None:
        if records and not self._is_losing:
            log.error("usage records are lost", extra={"reason": self._spill.refusal})
            self._is_losing = True
        self._lost += len(records)
