"""Runs on their way to the database: takes go in without a wait, bounded in bytes, and are written in batches.

What finds no room is lost, and said: a question that is not there is a miss when the run is replayed, never a guess.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import anyio

from app.domain.errors import StorageUnavailable
from app.domain.ports import TakeRepository
from app.domain.replay import Replay, Take, TakeKind

log = logging.getLogger(__name__)

_BATCH: Final = 50
_INTERVAL: Final = 0.25
_LONGEST_PAUSE: Final = 2.0
_FORGET_EVERY: Final = 600.0
_MOST_COUNTED: Final = 100_000
_PATIENCE: Final = 5.0


@dataclass(frozen=True, slots=True)
class TapeRules:
    """Bytes of one question, of a run, and of what waits in memory; days that a run is kept after its last question."""

    max_question: int = 4 * 1024 * 1024
    max_run: int = 512 * 1024 * 1024
    max_waiting: int = 64 * 1024 * 1024
    retention_days: float = 90.0


class TapeStore:
    """Where runs are kept. Whoever records never waits; whoever looks waits for what was recorded before.

    A question that was recorded several times in one run is answered by each of the takes in turn, as this process
    counts; after the last comes the first again, so that a run may be replayed more than once.
    """

    def __init__(
        self,
        repository: TakeRepository,
        rules: TapeRules = TapeRules(),
        *,
        now: Callable[[], float],
        wall: Callable[[], datetime],
    ) -> None:
        self._repository = repository
        self._rules = rules
        self._now = now
        self._wall = wall
        self._queue: deque[Take] = deque()
        self._waiting = 0
        self._lost: Counter[tuple[str, str]] = Counter()
        self._told: set[tuple[str, str]] = set()
        self._turns: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._wake = anyio.Event()
        self._writing = anyio.Lock()
        self._forgot_at = now()
        self._is_away = False

    @property
    def largest(self) -> int:
        """Bytes of the largest question that is kept."""
        return self._rules.max_question

    def put(self, take: Take | str, owner: str, run: str) -> None:
        """Keep a take; without one, or without room for it, the run has lost one."""
        if isinstance(take, str):
            self._lose((owner, run), take)
        elif take.size > self._rules.max_question:
            self._lose((owner, run), "too large")
        elif self._waiting + take.size > self._rules.max_waiting:
            self._lose((owner, run), "too many are waiting to be written")
        else:
            self._queue.append(take)
            self._waiting += take.size
            if len(self._queue) >= _BATCH:
                self._wake.set()

    async def find(self, owner: str, replay: Replay, kind: TakeKind, keys: Sequence[str]) -> Take | None:
        """The take of a question. Raises StorageUnavailable when nobody can say whether there is one."""
        if any(take.run == replay.run and take.owner == owner for take in self._queue) or self._writing.locked():
            await self._written()
        question = (owner, replay.run, kind.value, replay.member, *keys)
        turn = self._turns.pop(question, 0)
        self._turns[question] = turn + 1
        take, count = await self._repository.nth(owner, replay.run, kind=kind, member=replay.member, keys=keys, n=turn)
        if count < 2:
            self._turns.pop(question, None)
        while len(self._turns) > _MOST_COUNTED:
            self._turns.popitem(last=False)
        return take

    async def run(self) -> None:
        """Write until cancelled; what is still waiting then is `drain`'s."""
        pause = _INTERVAL
        while True:
            async with self._writing:
                is_stored = await self._write_all()
            pause = _INTERVAL if is_stored else min(pause * 2, _LONGEST_PAUSE)
            with anyio.move_on_after(pause):
                await (self._next_batch() if is_stored else anyio.sleep_forever())

    async def drain(self, within: float = 5.0) -> None:
        """Store everything within these seconds; what the database does not take by then is lost."""
        with anyio.move_on_after(within):
            async with self._writing:
                await self._write_all()
        if self._queue:
            log.error("recorded questions are lost: the database did not take them", extra={"takes": len(self._queue)})

    async def _next_batch(self) -> None:
        if len(self._queue) < _BATCH:
            self._wake = anyio.Event()
            await self._wake.wait()

    async def _written(self) -> None:
        """Return once all that waits now is stored."""
        with anyio.move_on_after(_PATIENCE):
            async with self._writing:
                if await self._write_all():
                    return
        raise StorageUnavailable("the run is still being written, and the database does not take it")

    async def _write_all(self) -> bool:
        """Write all that waits; False when the database did not take it."""
        try:
            while self._queue or self._lost:
                await self._write_batch()
            await self._forget()
        except StorageUnavailable as error:
            if not self._is_away:
                log.warning("recorded questions wait in memory", extra={"reason": error.message})
            self._is_away = True
            return False
        self._is_away = False
        return True

    async def _write_batch(self) -> None:
        batch = [self._queue[place] for place in range(min(_BATCH, len(self._queue)))]
        kept, full = await self._within_bounds(batch)
        lost = self._lost + Counter((take.owner, take.run) for take in full)
        try:
            await self._repository.append(kept, lost)
        except ValueError:
            # One take that no database takes must not hold up the others.
            log.exception("recorded questions cannot be stored", extra={"takes": len(kept)})
        # Only now: unknown whether a write that failed was one, and ids keep it from being stored twice.
        self._lost -= lost
        for take in full:
            self._complain((take.owner, take.run), "the run is full")
        for take in batch:
            self._queue.popleft()
            self._waiting -= take.size

    async def _within_bounds(self, batch: Sequence[Take]) -> tuple[list[Take], list[Take]]:
        """Those of a batch for which their runs have room, and those for which not."""
        sizes: dict[tuple[str, str], int] = {}
        kept: list[Take] = []
        full: list[Take] = []
        for take in batch:
            run = (take.owner, take.run)
            if run not in sizes:
                sizes[run] = await self._repository.size(*run)
            if sizes[run] + take.size > self._rules.max_run:
                full.append(take)
                continue
            sizes[run] += take.size
            kept.append(take)
        return kept, full

    def _lose(self, run: tuple[str, str], reason: str) -> None:
        self._lost[run] += 1
        self._complain(run, reason)

    def _complain(self, run: tuple[str, str], reason: str) -> None:
        """Once for each run."""
        if run not in self._told and len(self._told) < _MOST_COUNTED:
            self._told.add(run)
            log.warning("a run loses what it records", extra={"run": run[1], "reason": reason})

    async def _forget(self) -> None:
        """Every ten minutes."""
        if self._now() - self._forgot_at < _FORGET_EVERY:
            return
        await self._repository.forget(self._wall() - timedelta(days=self._rules.retention_days))
        self._forgot_at = self._now()
