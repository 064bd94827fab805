"""Tasks that may outlive their caller: every one is known until it ends, and all are ended at shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """Tasks without a task group.

    A group waits for its slowest child, so a member that ignores its cancellation would hold up a panel beyond its
    deadline. Here nobody waits, and `close` waits a bounded time.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The running task. Its failure is its starter's to look at; nobody else is told."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self, patience: float = 1.0) -> None:
        """Cancels what runs and waits at most `patience` seconds for it."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=patience)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()
