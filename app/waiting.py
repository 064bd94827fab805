"""A timer for many short waits, one after the other: asyncio's own is made anew for each, at twenty times the cost."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class Waiting:
    """Bounds waits, one after the other, as `asyncio.timeout_at` bounds one: `with waiting.until(due): await ...`.

    `due` is on the loop's clock. Raises TimeoutError when it passes; a cancellation from elsewhere passes through. The
    timer is left to run between the waits and set anew only when it rings too early. `break_off` ends the wait under
    way, or the next one, with an error instead.
    """

    __slots__ = ("_broken", "_cancelling", "_due", "_has_rung", "_loop", "_rings_at", "_task", "_timer")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0
        self._due = 0.0
        self._cancelling = 0
        self._has_rung = False
        self._broken: Exception | None = None

    def until(self, due: float) -> Self:
        """For the wait that follows; waits do not overlap."""
        self._due = due
        return self

    def within(self, seconds: float) -> None:
        """For the wait that follows: it may last so many seconds from now."""
        self._due = self._loop.time() + seconds

    def __enter__(self) -> None:
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("only a task can wait")
        if self._broken is not None:
            raise self._broken
        self._task = task
        self._cancelling = task.cancelling()
        if self._timer is None or self._rings_at > self._due:
            self._set()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if self._has_rung and task is not None:
            self._has_rung = False
            if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
                raise TimeoutError if self._broken is None else self._broken from error

    def break_off(self, reason: Exception) -> None:
        """End the wait with this error: the one under way, else the next one before it begins. The first one counts."""
        if self._broken is None:
            self._broken = reason
            # Whoever breaks off his own wait is not in it: he meets the error at the next one.
            task = self._task
            if task is not None and task is not asyncio.current_task(self._loop) and not self._has_rung:
                self._has_rung = True
                task.cancel()

    def close(self) -> None:
        """Nothing is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _set(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = self._due
        self._timer = self._loop.call_at(self._due, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._task is None or self._has_rung:
            return
        if self._due > self._rings_at:
            self._set()
            return
        self._has_rung = True
        self._task.cancel()
